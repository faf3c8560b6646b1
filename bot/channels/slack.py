"""Slack (docs/channels/slack.md): Rasa's connector, switched on by the environment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from rasa.core.channels.channel import OutputChannel, UserMessage
from rasa.core.channels.slack import SlackBot, SlackInput
from sanic import Request
from sanic.response import HTTPResponse
from slack_sdk.web.async_client import AsyncWebClient

from bot.channels.connectors import ApiSettings, Button, with_numbers
from bot.channels.switches import SwitchedChannel

_MAX_BUTTONS = 5


class SlackOutput(SlackBot):
    """Buttons that call a number become words; where there are too many buttons, so do all."""

    async def send_text_with_buttons(self, recipient_id: str, text: str, buttons: list[Button], **kwargs: Any) -> None:
        text, spoken = with_numbers(text, buttons)
        if 0 < len(spoken) <= _MAX_BUTTONS:
            await super().send_text_with_buttons(recipient_id, text, spoken, **kwargs)
        else:
            await self.send_text_message(recipient_id, "\n".join([text, *(button["title"] for button in spoken)]))


class SlackChannel(SwitchedChannel, ApiSettings, SlackInput):
    """Rasa's connector, which checks Slack's signatures and answers in the background."""

    API = "https://slack.com/api"

    @staticmethod
    def _is_user_message(slack_event: dict[str, Any]) -> bool:
        """As Rasa's, which passes over a picture without words; it is answered like any message that says nothing."""
        event = slack_event.get("event") or {}
        words = event.get("text") or ("…" if event.get("files") else "")
        return bool(SlackInput._is_user_message({"event": {**event, "text": words}}))

    async def process_message(
        self,
        request: Request,
        on_new_message: Callable[[UserMessage], Awaitable[Any]],
        text: str,
        sender_id: str | None,
        metadata: dict[str, Any] | None,
    ) -> HTTPResponse:
        """As Rasa's, whose metadata say where to answer and would be stored: the channel of direct messages is one person's."""

        async def without_metadata(message: UserMessage) -> None:
            message.metadata = None
            await on_new_message(message)

        return await super().process_message(request, without_metadata, text, sender_id, metadata)

    def get_output_channel(self, channel: str | None = None, thread_id: str | None = None) -> OutputChannel:
        output = SlackOutput(self.slack_token, channel or self.slack_channel, thread_id, self.proxy)
        output.client = AsyncWebClient(self.slack_token, proxy=self.proxy, base_url=self.api)
        return output
