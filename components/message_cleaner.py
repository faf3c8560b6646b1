"""The first component of the pipeline: a message is words, never a command."""

from __future__ import annotations

import logging
import os
from typing import Any

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.nlu.constants import TEXT
from rasa.shared.nlu.training_data.message import Message

from components.message_text import printable, without_command

logger = logging.getLogger(__name__)

COMMANDS_ALLOWED = "MAEUM_INTENT_MESSAGES"


# An intent classifier that is not trained is what Rasa runs where it stands in the pipeline and leaves out of training.
@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=False)
class MessageCleaner(GraphComponent):
    """Takes from a message what would drive Rasa or a terminal instead of telling the bot something.

    Rasa appends RegexMessageHandler to every pipeline, which takes "/restart" or '/greet{"name": "x"}' for an intent with
    entities, whoever wrote it. Without its slash such a text is classified like any other. Control characters go, halves of
    surrogate pairs become U+FFFD.

    With MAEUM_INTENT_MESSAGES=1 in the environment the slash stays, for developers at `rasa shell`; `bot.serve` and
    `bot.channels.protection` refuse to serve others so.
    """

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        return {}

    def __init__(self, commands_allowed: bool) -> None:
        self._commands_allowed = commands_allowed

    @classmethod
    def create(
        cls, config: dict[str, Any], model_storage: ModelStorage, resource: Resource, execution_context: ExecutionContext
    ) -> MessageCleaner:
        allowed = os.environ.get(COMMANDS_ALLOWED) == "1"
        if allowed:
            logger.warning(f"{COMMANDS_ALLOWED}=1: whoever can write to this bot can drive it with /intent messages.")
        return cls(allowed)

    def process(self, messages: list[Message]) -> list[Message]:
        for message in messages:
            text = printable(message.get(TEXT) or "")
            message.set(TEXT, text if self._commands_allowed else without_command(text))
        return messages
