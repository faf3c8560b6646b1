"""An action server whose generator is slow on purpose: `rasa_sdk --actions slow_actions`."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher


class SlowReply(Action):
    """Repeats the message, after as many seconds as it says ("… 8초")."""

    def name(self) -> str:
        return "action_generate_reply"

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> list[EventType]:
        text = tracker.latest_message["text"]
        seconds = re.search(r"(\d+)초", text)
        await asyncio.sleep(int(seconds.group(1)) if seconds else 0)
        dispatcher.utter_message(response="utter_generated_reply", reply=f"들은 말: {text}")
        return [SlotSet("reply_generated", True)]
