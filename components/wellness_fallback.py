"""What to do with a turn whose category isn't sure: answer at the category above, or not at all."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.shared.constants import DEFAULT_NLU_FALLBACK_INTENT_NAME
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.util import intent_response_key_to_template_key

from components.wellness_classifier import LEVELS


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=False)
class WellnessFallbackClassifier(GraphComponent, IntentClassifier):
    """Answers at the deepest level of the category path that is sure enough; where none is, the intent is `nlu_fallback`."""

    @classmethod
    def required_components(cls) -> list[type]:
        return [IntentClassifier]

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        return {
            # Intents that components before the classifier find: a message that has one keeps it.
            "outranked_by": ["crisis"],
        }

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config

    @classmethod
    def create(
        cls, config: dict[str, Any], model_storage: ModelStorage, resource: Resource, execution_context: ExecutionContext
    ) -> WellnessFallbackClassifier:
        return cls(config)

    def process(self, messages: list[Message]) -> list[Message]:
        for message in messages:
            intent = message.get("intent")
            if intent and intent["name"] not in self._config["outranked_by"]:
                _answer_where_sure(message)
        return messages


def _answer_where_sure(message: Message) -> None:
    levels = message.get(LEVELS) or []
    sure = list(takewhile(lambda level: level["answers"], levels))
    if not sure:
        confidence = 1 - max((level["confidence"] for level in levels), default=0)
        fallback = {"name": DEFAULT_NLU_FALLBACK_INTENT_NAME, "confidence": confidence}
        message.set("intent", fallback, add_to_output=True)
        return
    intent, category, confidence = (sure[-1][name] for name in ("intent", "category", "confidence"))
    if intent in (message.get("response_selector") or {}):
        _answer(message, intent, f"{intent}/{category}", confidence)
    else:
        message.set("intent", {"name": intent, "confidence": confidence}, add_to_output=True)


def _answer(message: Message, intent: str, key: str, confidence: float) -> None:
    """Makes the response key what the message is about."""
    selector = message.get("response_selector")[intent]
    if selector["response"]["intent_response_key"] != key:
        answer = {"intent_response_key": key, "utter_action": intent_response_key_to_template_key(key), "responses": []}
        selector["response"] = {**selector["response"], **answer}
    selector["response"]["confidence"] = confidence
    message.set("intent", {"name": intent, "confidence": confidence}, add_to_output=True)
