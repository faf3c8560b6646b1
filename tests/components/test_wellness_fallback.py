from __future__ import annotations

from typing import Any

from rasa.shared.nlu.training_data.message import Message

from components.wellness_classifier import LEVELS
from components.wellness_fallback import WellnessFallbackClassifier


def decide(intent: str, confidence: float, levels: list[dict[str, Any]] | None = None, **keys: float) -> tuple[str, str]:
    """The intent and response key after the fallback, for a message whose keys have these confidences."""
    ranking = [{"intent_response_key": f"wellness/{key.replace('_', '.')}", "confidence": value} for key, value in keys.items()]
    message = Message({"text": "…", "intent": {"name": intent, "confidence": confidence}})
    message.set("intent_ranking", [{"name": intent, "confidence": confidence}])
    selector: dict[str, Any] = {"response": {**ranking[0], "utter_action": "", "responses": []}, "ranking": ranking}
    message.set("response_selector", {"all_retrieval_intents": ["wellness"], "wellness": selector})
    message.set(LEVELS, levels or [level(intent, intent, confidence, confidence >= 0.3)])
    WellnessFallbackClassifier(WellnessFallbackClassifier.get_default_config()).process([message])
    return message.get("intent")["name"], selector["response"]["intent_response_key"]


def level(intent: str, category: str, confidence: float, answers: bool) -> dict[str, Any]:
    return {"intent": intent, "category": category, "confidence": confidence, "answers": answers}


def test_a_turn_that_is_sure_nowhere_falls_back() -> None:
    levels = [level("wellness", "감정", 0.4, False), level("wellness", "감정.우울감", 0.2, False)]
    assert decide("wellness", 0.2, levels, 감정_우울감=0.2)[0] == "nlu_fallback"


def test_a_turn_that_is_sure_above_is_answered_there() -> None:
    levels = [level("wellness", "감정", 0.8, True), level("wellness", "감정.우울감", 0.4, False)]
    assert decide("wellness", 0.4, levels, 감정_우울감=0.4) == ("wellness", "wellness/감정")


def test_no_level_below_an_unsure_one_is_answered() -> None:
    levels = [level("wellness", "감정", 0.45, False), level("wellness", "감정.우울감", 0.44, True)]
    assert decide("wellness", 0.44, levels, 감정_우울감=0.44)[0] == "nlu_fallback"


def test_a_sure_turn_stays() -> None:
    levels = [level("wellness", "감정", 0.9, True), level("wellness", "감정.우울감", 0.8, True)]
    assert decide("wellness", 0.8, levels, 감정_우울감=0.8) == ("wellness", "wellness/감정.우울감")


def test_a_sure_ordinary_intent_stays() -> None:
    assert decide("greet", 0.8, [level("greet", "greet", 0.8, True)], 감정_우울감=0.1)[0] == "greet"


def test_a_crisis_that_the_detector_found_is_left_alone() -> None:
    assert decide("crisis", 0.9, [level("wellness", "감정", 0.9, True)], 감정_우울감=0.9)[0] == "crisis"


def test_a_message_of_which_nothing_is_known_falls_back() -> None:
    message = Message({"text": "…", "intent": {"name": "greet", "confidence": 0.1}})
    WellnessFallbackClassifier(WellnessFallbackClassifier.get_default_config()).process([message])
    assert message.get("intent")["name"] == "nlu_fallback"
