"""Answering a turn the classifier was unsure of with a generated reply."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from bot.generator import GenerationSettings, ReplyGenerator
from bot.reply_ranking import KNOWN_FILE, ReplyRanker
from bot.safety.guard import Guard
from components.crisis_examples import CRISIS

logger = logging.getLogger(__name__)

# MAEUM_GENERATION names another settings file, as tests and operators with several bots need.
_SETTINGS_FILE = Path(os.environ.get("MAEUM_GENERATION") or Path(__file__).parent.parent / "generation.yml")
# The slot that is set while a conversation is about a life at risk.
_CRISIS_SLOT = "crisis"


class ActionGenerateReply(Action):
    """Says the generator's best reply and sets `reply_generated`; says nothing when there is none, or not in time.

    The best is the one that fits the message best, of those that fit well enough and that the guard lets pass. In a crisis
    nothing is ever generated. Whoever calls it has an open question for that case, and the log says why, without a word of what
    was written.
    """

    def __init__(self) -> None:
        self._settings = GenerationSettings.load(_SETTINGS_FILE)
        self._writer: ReplyWriter | None = None
        folder = self._settings.model
        if not folder.is_dir():
            logger.info(f"No generator in {folder}: unsure turns get an open question.")
        elif not (folder / KNOWN_FILE).is_file():
            logger.error(
                f"No generated replies: {folder} lacks {KNOWN_FILE}, which replies are ranked by;"
                " run `python -m training finetune-generator` again."
            )
        else:
            self._writer = ReplyWriter(self._settings)

    def name(self) -> str:
        return "action_generate_reply"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> list[EventType]:
        reply = None if _is_crisis(tracker) else await self._reply(tracker.latest_message.get("text") or "")
        if reply is not None:
            dispatcher.utter_message(response="utter_generated_reply", reply=reply)
        return [SlotSet("reply_generated", reply is not None)]

    async def _reply(self, message: str) -> str | None:
        if self._writer is None:
            return None
        try:
            return await asyncio.wait_for(asyncio.to_thread(self._writer.reply, message), self._settings.timeout_seconds)
        except asyncio.TimeoutError:
            logger.warning(f"No generated reply: the generator took over {self._settings.timeout_seconds} s.")
        except Exception as error:
            # Its text, and a traceback's, may hold what the person wrote.
            logger.error(f"No generated reply: the generator failed ({type(error).__name__}).")
        return None


class ReplyWriter:
    """Generator, ranking and guard together."""

    def __init__(self, settings: GenerationSettings) -> None:
        self._threshold = settings.ranking.threshold
        self._generator = ReplyGenerator(settings.model, settings.decoding)
        self._ranker = ReplyRanker(settings.model)
        self._guard = Guard()
        self._guard.silences("")  # loads Kiwi now, because a person would wait for it

    def reply(self, message: str) -> str | None:
        """The best reply that fits well enough and may be said; None if there is none."""
        if silence := self._guard.silences(message):
            logger.info(f"No generated reply: the message may be about a life at risk ({silence.kind}).")
            return None
        candidates = self._generator.candidates(message)
        if not candidates:
            logger.info("No generated reply: no candidate was a whole sentence.")
            return None
        refused = []
        for ranked in self._ranker.rank(message, candidates):
            if ranked.score < self._threshold:
                break
            refusal = self._guard.refuses(message, ranked.text)
            if refusal is None:
                return ranked.text
            refused.append(refusal.kind)
        logger.info(
            f"No generated reply: of {len(candidates)} candidates {len(candidates) - len(refused)} fitted less well than"
            f" {self._threshold}, and the guard refused {len(refused)} for {', '.join(refused) or 'nothing'}."
        )
        return None


def _is_crisis(tracker: Tracker) -> bool:
    """Whether a life may be at risk, by this message or since an earlier one."""
    intent = (tracker.latest_message.get("intent") or {}).get("name")
    return bool(tracker.slots.get(_CRISIS_SLOT)) or intent == CRISIS
