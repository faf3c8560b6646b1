"""How the bot chooses among the texts of a response, inside the Rasa server, where nothing it needs can be down."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from typing import Any

import rasa.core.actions.action
from rasa.core.nlg.generator import ResponseVariationFilter
from rasa.core.nlg.response import TemplatedNaturalLanguageGenerator
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import BotUttered, SessionStarted
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.utils.endpoints import EndpointConfig

from bot.own_data import own_data
from components.crisis_policy import UNSENT

NOTICE = "utter_notice"
CRISIS_NOTICE = "utter_crisis_notice"
_CRISIS_REPLY = "utter_crisis_"
# Rasa's channels send the paragraphs of a text as messages of their own.
_PARAGRAPH = "\n\n"
_PLACEHOLDER = re.compile(r"{([^\n{}]+)}")

# The action server itself gives up after 4 s (bot/generation.yml). Rasa would wait 300 s for one that hangs, and has no setting
# for it; this module is loaded by every server that answers people, so the limit is set here. A test holds Rasa to it.
rasa.core.actions.action.DEFAULT_REQUEST_TIMEOUT = 5


class CarefulResponseGenerator(TemplatedNaturalLanguageGenerator):
    """Rasa's response generator, which besides doesn't repeat itself and says, with its first answer, what the bot is not.

    Named in `endpoints.yml`: `nlg: {type: bot.nlg.CarefulResponseGenerator}`.
    """

    def __init__(self, endpoint_config: EndpointConfig, domain: Domain) -> None:
        super().__init__(domain.responses)

    async def generate(
        self, utter_action: str, tracker: DialogueStateTracker, output_channel: str, **kwargs: Any
    ) -> dict[str, Any] | None:
        """The response's text, buttons and so on; None if it has none for this channel and these slots.

        Of several texts, those that were said in this session are passed over while there is another, and the last one always.
        The first answer of a session ends with the notice, in a paragraph of its own; a crisis reply with a short one, which
        doesn't stand between a person and the numbers.
        """
        utter_action, values = own_data(utter_action, tracker.sender_id)
        if utter_action not in self.responses:
            return None
        slots = tracker.current_slot_values()
        variations = ResponseVariationFilter(self.responses).responses_for_utter_action(utter_action, output_channel, slots)
        if not variations:
            return None
        said = _said_this_session(tracker)
        response = _filled(_fresh(variations, utter_action, said), {**slots, **kwargs, **values})
        notice = CRISIS_NOTICE if utter_action.startswith(_CRISIS_REPLY) else NOTICE
        if not said and response.get("text") and notice in self.responses:
            response["text"] += _PARAGRAPH + self.responses[notice][0]["text"]
        return response


def _filled(template: Any, values: Mapping[str, Any]) -> Any:
    """A copy of the response with each {name} that has a value replaced by it, whatever that value is made of.

    Rasa's interpolation gives the placeholder itself to a person where the value contains "0[".
    """
    if isinstance(template, str):
        return _PLACEHOLDER.sub(lambda match: str(values.get(match[1], match[0])), template)
    if isinstance(template, dict):
        return {key: _filled(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [_filled(value, values) for value in template]
    return template


def _said_this_session(tracker: DialogueStateTracker) -> list[BotUttered]:
    """What has reached the person since the session began, the latest first."""
    said = []
    for event in reversed(tracker.applied_events()):
        if isinstance(event, SessionStarted):
            break
        if isinstance(event, BotUttered) and not event.metadata.get(UNSENT):
            said.append(event)
    return said


def _fresh(variations: list[dict[str, Any]], utter_action: str, said: list[BotUttered]) -> dict[str, Any]:
    """One of the variations: if possible new in this session, or neither the bot's last text nor this response's."""
    texts = [_text(event) for event in said]
    own_texts = [_text(event) for event in said if event.metadata.get("utter_action") == utter_action]
    for avoided in (texts, texts[:1] + own_texts[:1], texts[:1], []):
        fresh = [variation for variation in variations if variation.get("text") not in avoided]
        if fresh:
            return random.choice(fresh)
    raise ValueError("no variations to choose from")


def _text(event: BotUttered) -> str:
    """The event's text as it stands in the domain, without the notice."""
    return (event.text or "").partition(_PARAGRAPH)[0]
