"""The developer's channel: Rasa's shell, with buttons to read and, when asked, why the bot answered so.

`make chat` and `make chat DEBUG=1` run it; `rasa run --connector bot.channels.terminal.TerminalInput` is the same without make.
"""

from __future__ import annotations

import logging
import os
import sys
from asyncio import Queue
from collections.abc import Awaitable, Callable
from typing import Any

from rasa.core.channels.channel import CollectingOutputChannel, UserMessage
from rasa.core.channels.console import CmdlineInput
from sanic import Blueprint, Sanic

from bot.explain import explain
from bot.start_checks import StartError, check_shell

logger = logging.getLogger(__name__)

# Set (to anything) to have every answer explained.
EXPLAIN = "MAEUM_EXPLAIN"


class TerminalInput(CmdlineInput):
    """Rasa's console channel, which Rasa's own reader of the terminal speaks to.

    Buttons come as numbered lines, and typing a number presses the last answer's button.
    """

    @classmethod
    def from_credentials(cls, credentials: dict[str, Any] | None) -> TerminalInput:
        """Ends the process as ProtectionInput does, which `--connector` leaves out, if the terminal mustn't start like this."""
        try:
            check_shell(sys.argv[1:])
        except StartError as error:
            print(error, file=sys.stderr)
            raise SystemExit(2) from None
        return cls()

    def __init__(self) -> None:
        self._app: Sanic | None = None
        self._buttons: list[str] = []

    def blueprint(self, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> Blueprint:
        blueprint = super().blueprint(on_new_message)

        @blueprint.listener("before_server_start")
        async def remember(app: Sanic, loop: Any) -> None:
            self._app = app

        return blueprint

    async def on_message_wrapper(
        self,
        on_new_message: Callable[[UserMessage], Awaitable[Any]],
        text: str,
        queue: Queue,
        sender_id: str,
        input_channel: str,
        metadata: dict[str, Any] | None,
    ) -> None:
        """Puts into the queue what the terminal shows of a turn, as plain text, and then "DONE"."""
        channel = CollectingOutputChannel()
        pressed = dict(zip(map(str, range(1, len(self._buttons) + 1)), self._buttons)).get(text.strip(), text)
        try:
            await on_new_message(UserMessage(pressed, channel, sender_id, input_channel=input_channel, metadata=metadata))
        except Exception:
            logger.exception("The turn failed.")  # and the terminal goes on
        if os.environ.get(EXPLAIN):
            await queue.put({"text": "\n".join(f"  {line}" for line in await self._explanation(sender_id))})
        self._buttons = []
        for message in channel.messages:
            await queue.put(self._shown(message) if message.get("buttons") else message)
        await queue.put("DONE")

    def _shown(self, message: dict[str, Any]) -> dict[str, str]:
        """A message with its buttons as lines of its text."""
        lines = [message.get("text") or ""]
        for button in message["buttons"]:
            self._buttons.append(str(button.get("payload") or button["title"]))
            url = f" ({button['url']})" if button.get("url") else ""
            lines.append(f"  {len(self._buttons)}. {button['title']}{url}")
        return {"text": "\n".join(lines)}

    async def _explanation(self, sender_id: str) -> list[str]:
        assert self._app is not None
        tracker = await self._app.ctx.agent.tracker_store.retrieve(sender_id)
        return explain(tracker) if tracker else ["no conversation is stored"]
