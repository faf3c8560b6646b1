"""Mattermost (docs/channels/mattermost.md): Rasa's connector, with the outgoing webhook's token checked, which it doesn't."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import requests
from rasa.core.channels.channel import UserMessage
from rasa.core.channels.mattermost import MattermostBot, MattermostInput
from sanic import Blueprint, Request
from sanic.response import HTTPResponse, text

from bot.channels.connectors import ApiSession, ApiSettings, Button, SendsInThreads, are_same, with_numbers
from bot.channels.switches import SwitchedChannel


class MattermostOutput(SendsInThreads, MattermostBot):
    """The bot's side of Mattermost's API. Its buttons bring the webhook's token back, which Mattermost keeps from people."""

    def __init__(self, url: str, token: str, bot_channel: str, webhook_url: str, webhook_token: str) -> None:
        super().__init__(url, token, bot_channel, webhook_url)
        self._webhook_token = webhook_token
        self._session = ApiSession()

    def _post_data_to_channel(self, data: dict[str, Any]) -> requests.Response:
        for attachment in data.get("props", {}).get("attachments", []):
            for action in attachment.get("actions", []):
                action["integration"]["context"]["token"] = self._webhook_token
        headers = {"Authorization": f"Bearer {self.token}"}
        return self._session.post(f"{self.url}/posts", headers=headers, data=json.dumps(data))

    async def send_text_with_buttons(self, recipient_id: str, text: str, buttons: list[Button], **kwargs: Any) -> None:
        text, spoken = with_numbers(text, buttons)
        if spoken:
            await super().send_text_with_buttons(recipient_id, text, spoken, **kwargs)
        else:
            await self.send_text_message(recipient_id, text)


class MattermostChannel(SwitchedChannel, ApiSettings, MattermostInput):
    """`webhook_token` in credentials.yml is the outgoing webhook's, `token` the bot account's."""

    async def message_with_trigger_word(
        self, on_new_message: Callable[[UserMessage], Awaitable[None]], output: dict[str, Any], metadata: dict[str, Any] | None
    ) -> None:
        """Leaves the trigger word out, if there is one. Rasa leaves out whatever stands before the first space."""
        words = output["text"].strip().removeprefix(output["trigger_word"] or "")
        await self._handle_message(words, output["user_id"], output["channel_id"], metadata, on_new_message)

    async def _handle_message(
        self,
        message: str,
        sender_id: str,
        bot_channel: str,
        metadata: dict[str, Any] | None,
        on_new_message: Callable[[UserMessage], Awaitable[None]],
    ) -> None:
        output = MattermostOutput(self.url.rstrip("/"), self.token, bot_channel, self.webhook_url, self._webhook_token)
        await on_new_message(UserMessage(message, output, sender_id, input_channel=self.name(), metadata=metadata))

    def blueprint(self, on_new_message: Callable[[UserMessage], Awaitable[None]]) -> Blueprint:
        blueprint = super().blueprint(on_new_message)

        @blueprint.middleware("request")
        async def check(request: Request) -> HTTPResponse | None:
            content = request.json if request.method == "POST" else None
            context = content.get("context") if isinstance(content, dict) else None  # where a button was pressed
            if not are_same(_token(content) or _token(context), self._webhook_token):
                return text("The request does not carry MATTERMOST_WEBHOOK_TOKEN.", status=403)
            return None

        return blueprint

    @property
    def _webhook_token(self) -> str:
        return str(self.settings["webhook_token"])


def _token(content: object) -> str | None:
    """The token in what was posted, which may be anything."""
    token = content.get("token") if isinstance(content, dict) else None
    return token if isinstance(token, str) else None
