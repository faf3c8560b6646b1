"""Telegram (docs/channels/telegram.md): Rasa's connector, which believes Telegram alone and starts without the network."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiogram.bot.api import TelegramAPIServer
from aiogram.types import User
from aiogram.utils.exceptions import NotFound, TelegramAPIError, Unauthorized, ValidationError
from rasa.core.channels.channel import InputChannel, UserMessage
from rasa.core.channels.telegram import TelegramInput, TelegramOutput
from rasa.shared.exceptions import RasaException
from sanic import Blueprint, Request, Sanic
from sanic.response import HTTPResponse, text

from bot.channels.connectors import SECONDS, ApiSettings, Button, Deliveries, are_same, with_numbers
from bot.channels.switches import SwitchedChannel

logger = logging.getLogger(__name__)

_SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"
# What Rasa's connector can read; it fails on all else, which Telegram would then repeat for a day.
_UPDATES = ("message", "edited_message", "callback_query")
_RETRY_SECONDS = 30
_PATH = "/webhooks/telegram/webhook"


class TelegramBot(TelegramOutput):
    """The bot's side of Telegram's API."""

    def __init__(self, access_token: str, api: str) -> None:
        super().__init__(access_token)
        self.server = TelegramAPIServer.from_base(api)
        self.timeout = SECONDS
        self.secret = hashlib.sha256(f"webhook {access_token}".encode()).hexdigest()
        self._me: User | None = None

    async def get_me(self) -> User:
        """Who the bot is, asked once; Rasa asks with every message."""
        if self._me is None:
            self._me = await super().get_me()
        return self._me

    async def set_webhook(self, url: str, **kwargs: Any) -> bool:
        """Has Telegram send the bot's updates to this address, with the secret."""
        content = {"url": url, "secret_token": self.secret, "allowed_updates": json.dumps(_UPDATES)}
        return bool(await self.request("setWebhook", content))

    async def send_text_with_buttons(
        self, recipient_id: str, text: str, buttons: list[Button], button_type: str | None = None, **kwargs: Any
    ) -> None:
        """Keys below the text, which say what stands on them: inline buttons hold 64 bytes, a short Korean sentence."""
        text, spoken = with_numbers(text, buttons)
        if spoken:
            await super().send_text_with_buttons(recipient_id, text, spoken, button_type="reply")
        else:
            await self.send_text_message(recipient_id, text)


class TelegramChannel(SwitchedChannel, ApiSettings, TelegramInput):
    """Sets the webhook when the server has started, again and again where Telegram can't be reached; nothing waits for it.

    `start` in credentials.yml is what Telegram's own first message, /start, says.
    """

    API = "https://api.telegram.org"
    verify: str
    _bot: TelegramBot | None = None

    @classmethod
    def from_credentials(cls, credentials: dict[str, Any] | None) -> InputChannel:
        channel = super().from_credentials(credentials)
        if isinstance(channel, cls):
            channel.verify = channel.verify.removeprefix("@")
            address = channel.webhook_url
            if not address.startswith("https://") or not address.endswith(_PATH):
                raise RasaException(
                    f"The channel 'telegram' needs a TELEGRAM_WEBHOOK_URL that begins with https:// and ends in {_PATH}."
                )
            try:
                channel.get_output_channel()
            except ValidationError:
                raise RasaException(
                    "TELEGRAM_TOKEN is not a token of Telegram's, which is digits, a colon and letters: copy it whole from"
                    " @BotFather."
                ) from None
        return channel

    def get_output_channel(self) -> TelegramBot:
        if self._bot is None:
            self._bot = TelegramBot(self.access_token, self.api)
        return self._bot

    def blueprint(self, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> Blueprint:
        blueprint = super().blueprint(on_new_message)
        bot = self.get_output_channel()
        deliveries = Deliveries()

        @blueprint.middleware("request")
        async def check(request: Request) -> HTTPResponse | None:
            if not are_same(request.headers.get(_SECRET_HEADER), bot.secret):
                return text(f"{_SECRET_HEADER} does not carry the secret.", status=403)
            update = request.json if request.method == "POST" else None
            if not isinstance(update, dict) or not any(update.get(kind) for kind in _UPDATES):
                return text("ignored")
            message = update.get("message") or update.get("edited_message") or {}
            words = message.get("text") or message.get("caption") or ""
            if update.get("edited_message") and not words:  # such as each step of somebody who shares where they are
                return text("ignored")
            await bot.get_me()  # as Rasa's connector will: where that fails, Telegram must send the update again
            if not deliveries.is_new(update.get("update_id")):
                return text("answered already")
            # Rasa's connector reads the text alone, and not the words under a picture.
            message["text"] = self.settings.get("start", "start") if words.partition(" ")[0] == "/start" else words
            return None  # a message without words, such as a sticker, is answered like any other that says nothing

        @blueprint.listener("before_server_start")
        async def set_webhook(app: Sanic, loop: Any) -> None:
            deliveries.handle(self._set_webhook(bot))

        @blueprint.listener("after_server_stop")  # turns under way send until then
        async def close(app: Sanic, loop: Any) -> None:
            await bot.session.close()

        return blueprint

    async def _set_webhook(self, bot: TelegramBot) -> None:
        while True:
            try:
                await bot.set_webhook(self.webhook_url)
                name = (await bot.get_me()).username
                if name.casefold() == self.verify.casefold():
                    self.verify = name  # Rasa's connector compares them letter by letter
                    logger.info(f"Telegram sends what people write to @{name} to {self.webhook_url}.")
                else:
                    logger.error(f"TELEGRAM_BOT_NAME is {self.verify}, but TELEGRAM_TOKEN is {name}'s: nobody gets an answer.")
                return
            except (Unauthorized, NotFound):  # the latter where it is no token at all
                logger.error("Telegram does not know TELEGRAM_TOKEN: nobody gets an answer. Copy it again from @BotFather.")
                return
            except (TelegramAPIError, asyncio.TimeoutError) as error:
                logger.error(f"Telegram did not take the bot's address ({error!r}); trying again in {_RETRY_SECONDS} s.")
            await asyncio.sleep(_RETRY_SECONDS)
