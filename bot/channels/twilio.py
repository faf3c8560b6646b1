"""Twilio (docs/channels/twilio.md), SMS and WhatsApp: Rasa's connector, with Twilio's signatures checked, which it doesn't."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

from rasa.core.channels.channel import UserMessage
from rasa.core.channels.twilio import TwilioInput, TwilioOutput
from sanic import Blueprint, Request
from sanic.response import HTTPResponse, text
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.request_validator import RequestValidator

from bot.channels.connectors import ApiSession, ApiSettings, Button, SendsInThreads, with_numbers
from bot.channels.sentences import split_text
from bot.channels.switches import SwitchedChannel

_MAX_BODY = 1600  # characters
# It writes every message into the log.
logging.getLogger("twilio.http_client").setLevel(logging.WARNING)


class _Client(TwilioHttpClient):
    """Twilio's client, for an API that is elsewhere."""

    def __init__(self, api: str) -> None:
        super().__init__()
        self.session = ApiSession()
        self._api = api

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        return super().request(method, url.replace(TwilioChannel.API, self._api, 1), *args, **kwargs)


class TwilioBot(SendsInThreads, TwilioOutput):
    """Buttons become lines of text."""

    async def send_text_message(self, recipient_id: str, text: str, **kwargs: Any) -> None:
        for part in split_text(text, _MAX_BODY):
            await super().send_text_message(recipient_id, part, **kwargs)

    async def send_text_with_buttons(self, recipient_id: str, text: str, buttons: list[Button], **kwargs: Any) -> None:
        text, spoken = with_numbers(text, buttons)
        await self.send_text_message(recipient_id, "\n".join([text, *(button["title"] for button in spoken)]))


class TwilioChannel(SwitchedChannel, ApiSettings, TwilioInput):
    """`webhook_url` is the address that Twilio was given, because that is what it signs."""

    API = "https://api.twilio.com"

    def get_output_channel(self) -> TwilioBot:
        output = TwilioBot(self.account_sid, self.auth_token, self.twilio_number)
        output.http_client = _Client(self.api)
        return output

    def blueprint(self, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> Blueprint:
        blueprint = super().blueprint(on_new_message)
        validator = RequestValidator(self.auth_token)

        @blueprint.middleware("request")
        async def check(request: Request) -> HTTPResponse | None:
            form = parse_qs(request.body.decode(errors="replace"), keep_blank_values=True)
            fields = {name: values[0] for name, values in form.items()}
            if not validator.validate(self.settings["webhook_url"], fields, request.headers.get("X-Twilio-Signature", "")):
                return text("X-Twilio-Signature does not sign this request to TWILIO_WEBHOOK_URL.", status=403)
            # Sanic leaves blank fields out, and Rasa's connector fails on a picture without words.
            request.form.setdefault("Body", [""])
            # It also makes words of a place, and words are kept.
            request.form.pop("Latitude", None)
            request.form.pop("Longitude", None)
            return None

        return blueprint
