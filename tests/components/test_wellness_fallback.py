from __future__ import annotations

from typing import Any

from rasa.shared.nlu.training_data.message import Message

from components.wellness_fallback import WellnessFallbackClassifier

CRISIS = ["wellness/감정.자살충동", "wellness/증상.자해"]


def decide(intent: str, confidence: float, **keys: float) -> tuple[str, str]:
    """The intent and response key after the fallback, for a message whose keys have these confidences."""
    ranking = [{"intent_response_key": f"wellness/{key.replace('_', '.')}", "confidence": value} for key, value in keys.items()]
    message = Message({"text": "…", "intent": {"name": intent, "confidence": confidence}})
    message.set("intent_ranking", [{"name": intent, "confidence": confidence}])
    selector: dict[str, Any] = {"response": {**ranking[0], "utter_action": "", "responses": []}, "ranking": ranking}
    message.set("response_selector", {"all_retrieval_intents": ["wellness"], "wellness": selector})
    config = {**WellnessFallbackClassifier.get_default_config(), "threshold": 0.3, "always_answer": CRISIS}
    WellnessFallbackClassifier(config).process([message])
    return message.get("intent")["name"], selector["response"]["intent_response_key"]


def test_an_unsure_turn_falls_back() -> None:
    assert decide("wellness", 0.2, 감정_우울감=0.2)[0] == "nlu_fallback"


def test_a_sure_turn_stays() -> None:
    assert decide("wellness", 0.5, 감정_우울감=0.5) == ("wellness", "wellness/감정.우울감")


def test_a_crisis_category_stays_however_unsure() -> None:
    assert decide("wellness", 0.06, 감정_자살충동=0.06, 감정_우울감=0.05) == ("wellness", "wellness/감정.자살충동")


def test_crisis_categories_that_are_likely_together_outrank_a_likelier_one() -> None:
    assert decide("wellness", 0.4, 감정_우울감=0.4, 증상_자해=0.15, 감정_자살충동=0.1) == ("wellness", "wellness/증상.자해")
    assert decide("greet", 0.6, 감정_자살충동=0.25) == ("wellness", "wellness/감정.자살충동")


def test_a_slight_chance_of_a_crisis_changes_nothing() -> None:
    assert decide("wellness", 0.4, 감정_우울감=0.4, 감정_자살충동=0.05) == ("wellness", "wellness/감정.우울감")


def test_a_message_without_a_selector_is_left_to_rasa() -> None:
    message = Message({"text": "…", "intent": {"name": "greet", "confidence": 0.1}})
    WellnessFallbackClassifier(WellnessFallbackClassifier.get_default_config()).process([message])
    assert message.get("intent")["name"] == "nlu_fallback"
