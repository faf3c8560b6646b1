"""How the bot chooses among the texts of a response, inside the Rasa server, where nothing it needs can be down."""

from __future__ import annotations

import copy
import random
from typing import Any

import rasa.core.actions.action
from rasa.core.nlg.generator import ResponseVariationFilter
from rasa.core.nlg.response import TemplatedNaturalLanguageGenerator
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import BotUttered, SessionStarted
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.utils.endpoints import EndpointConfig

from bot.own_data import own_data

NOTICE = "utter_notice"
# Rasa's channels send the paragraphs of a text as messages of their own.
_PARAGRAPH = "\n\n"

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

        Of several texts, the one said last and the one this response gave last are passed over. The first answer of a session
        ends with the notice, in a paragraph of its own.
        """
        utter_action, values = own_data(utter_action, tracker.sender_id)
        if utter_action not in self.responses:
            return None
        slots = tracker.current_slot_values()
        variations = ResponseVariationFilter(self.responses).responses_for_utter_action(utter_action, output_channel, slots)
        if not variations:
            return None
        said = _said_this_session(tracker)
        response = self._fill_response(copy.deepcopy(_fresh(variations, utter_action, said)), slots, **kwargs, **values)
        if not said and response.get("text") and NOTICE in self.responses:
            response["text"] += _PARAGRAPH + self.responses[NOTICE][0]["text"]
        return response


def _said_this_session(tracker: DialogueStateTracker) -> list[BotUttered]:
    """What the bot has said since the session began, the latest first."""
    said = []
    for event in reversed(tracker.applied_events()):
        if isinstance(event, SessionStarted):
            break
        if isinstance(event, BotUttered):
            said.append(event)
    return said


def _fresh(variations: list[dict[str, Any]], utter_action: str, said: list[BotUttered]) -> dict[str, Any]:
    """One of the variations, if possible neither the bot's last text nor this response's last."""
    last_texts = [_text(event) for event in said[:1]]
    own_texts = [_text(event) for event in said if event.metadata.get("utter_action") == utter_action][:1]
    for avoided in (last_texts + own_texts, last_texts, []):
        fresh = [variation for variation in variations if variation.get("text") not in avoided]
        if fresh:
            return random.choice(fresh)
    raise ValueError("no variations to choose from")


def _text(event: BotUttered) -> str:
    """The event's text as it stands in the domain, without the notice."""
    return (event.text or "").partition(_PARAGRAPH)[0]
