"""Rasa's FallbackClassifier, for a bot some of whose answers must not be withheld."""

from __future__ import annotations

from typing import Any

from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.nlu.classifiers.fallback_classifier import FallbackClassifier
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.util import intent_response_key_to_template_key


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=False)
class WellnessFallbackClassifier(FallbackClassifier):
    """Turns unsure turns into `nlu_fallback`, except where a life may be at risk.

    A response key named in `always_answer` is answered at any confidence when it is the likeliest of all labels, and also when
    those keys taken together reach `always_answer_threshold`, whatever the classifier preferred to each of them.
    """

    @classmethod
    def required_components(cls) -> list[type]:
        return [IntentClassifier]

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        return {
            # Below this confidence a turn becomes `nlu_fallback`.
            "threshold": 0.15,
            # So it does when the two likeliest intents are closer than this.
            "ambiguity_threshold": 0.0,
            # Response keys ("wellness/감정.자살충동") that are answered at any confidence.
            "always_answer": [],
            # How likely they must be, added up, to outrank a likelier label.
            "always_answer_threshold": 0.2,
        }

    def process(self, messages: list[Message]) -> list[Message]:
        super().process([message for message in messages if message.get("intent") and not self._answer_always(message)])
        return messages

    def _answer_always(self, message: Message) -> bool:
        """Whether one of `always_answer` is the answer; if so it is made the message's intent."""
        intent = next((key.partition("/")[0] for key in self.component_config["always_answer"]), None)
        selector = (message.get("response_selector") or {}).get(intent)
        if not selector:
            return False
        urgent = [key for key in selector["ranking"] if key["intent_response_key"] in self.component_config["always_answer"]]
        confidence = sum(key["confidence"] for key in urgent)
        is_likeliest = urgent[:1] == selector["ranking"][:1] and message.get("intent")["name"] == intent
        if not is_likeliest and confidence < self.component_config["always_answer_threshold"]:
            return False
        utter_action = intent_response_key_to_template_key(urgent[0]["intent_response_key"])
        selector["response"] = {**selector["response"], **urgent[0], "utter_action": utter_action, "responses": []}
        message.set("intent", {"name": intent, "confidence": confidence}, add_to_output=True)
        return True
