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

logger = logging.getLogger(__name__)

# MAEUM_GENERATION names another settings file, as tests and operators with several bots need.
_SETTINGS_FILE = Path(os.environ.get("MAEUM_GENERATION") or Path(__file__).parent.parent / "generation.yml")


class ActionGenerateReply(Action):
    """Says the generator's best reply and sets `reply_generated`; says nothing when there is none, or not in time.

    Whoever calls it has an open question for that case, and the log says why.
    """

    def __init__(self) -> None:
        self._settings = GenerationSettings.load(_SETTINGS_FILE)
        self._generator: ReplyGenerator | None = None
        if self._settings.model.is_dir():
            self._generator = ReplyGenerator(self._settings.model, self._settings.decoding)
        else:
            logger.info(f"No generator in {self._settings.model}: unsure turns get an open question.")

    def name(self) -> str:
        return "action_generate_reply"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> list[EventType]:
        reply = await self._reply(tracker.latest_message.get("text") or "")
        if reply is not None:
            dispatcher.utter_message(response="utter_generated_reply", reply=reply)
        return [SlotSet("reply_generated", reply is not None)]

    async def _reply(self, message: str) -> str | None:
        if self._generator is None:
            return None
        try:
            candidates = await asyncio.wait_for(
                asyncio.to_thread(self._generator.candidates, message), self._settings.timeout_seconds
            )
        except asyncio.TimeoutError:
            logger.warning(f"No generated reply: the generator took over {self._settings.timeout_seconds} s.")
            return None
        except Exception:
            logger.exception("No generated reply: the generator failed.")
            return None
        if not candidates:
            logger.info("No generated reply: no candidate was a whole sentence.")
            return None
        return candidates[0]
