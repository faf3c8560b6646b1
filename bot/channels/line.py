"""LINE (docs/channels/line.md): `POST /webhooks/line/webhook` is the webhook's address in the LINE Developers Console.

What is sent and answered: LINE Messaging API reference, "Webhooks", "Send reply message" and "Send push message".
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import logging
import uuid
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakValueDictionary

import httpx
from rasa.core.channels.channel import CollectingOutputChannel, InputChannel, UserMessage
from sanic import Blueprint, Request, Sanic
from sanic.response import HTTPResponse, json

from bot.channels.connectors import SECONDS, Button, Deliveries, are_same
from bot.channels.kakao_buttons import hotline_buttons, shortened
from bot.channels.kakao_models import length
from bot.channels.sentences import split_text
from bot.channels.switches import SwitchedChannel

logger = logging.getLogger(__name__)

_MAX_MESSAGES = 5  # of one reply
_MAX_TEXT = 5000  # UTF-16 units
_MAX_QUICK_REPLIES, _MAX_LABEL, _MAX_SAID = 13, 20, 300

Event = dict[str, Any]
LineMessage = dict[str, Any]


class LineOutputChannel(CollectingOutputChannel):
    """Gathers a turn's messages; its name lets the domain have variations for LINE."""

    @classmethod
    def name(cls) -> str:
        return "line"


class LineConnector(InputChannel):
    """Answers what people write to the bot alone, each event once, in the background."""

    def __init__(self, channel_secret: str, channel_access_token: str, api_base: str = "https://api.line.me") -> None:
        self._secret = channel_secret.encode()
        self._authorization = {"Authorization": f"Bearer {channel_access_token}"}
        self._api = f"{api_base.rstrip('/')}/v2/bot/message"
        self._sending: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @classmethod
    def name(cls) -> str:
        return "line"

    @classmethod
    def from_credentials(cls, credentials: dict[str, Any] | None) -> LineConnector:
        return cls(**(credentials or {}))

    def blueprint(self, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> Blueprint:
        blueprint = Blueprint("line")
        deliveries = Deliveries()

        @blueprint.post("/webhook")
        async def webhook(request: Request) -> HTTPResponse:
            signature = base64.b64encode(hmac.digest(self._secret, request.body, "sha256")).decode()
            if not are_same(request.headers.get("X-Line-Signature"), signature):
                return json({"error": "X-Line-Signature does not sign this body."}, status=403)
            for event in request.json.get("events", []):
                # A redelivered event has the number of the first one, which may never have arrived.
                if _is_for_the_bot(event) and deliveries.is_new(event["webhookEventId"]):
                    deliveries.handle(self._answer(event, on_new_message))
            return json({})

        @blueprint.listener("before_server_stop")
        async def finish(app: Sanic, loop: Any) -> None:
            await deliveries.finish()

        return blueprint

    async def _answer(self, event: Event, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> None:
        channel, person = LineOutputChannel(), event["source"]["userId"]
        words = event["message"].get("text", "")  # none in a sticker or a picture
        message = UserMessage(words, channel, person, input_channel=self.name(), message_id=event["message"]["id"])
        await on_new_message(message)
        messages = line_messages(channel.messages)
        first, rest = messages[:_MAX_MESSAGES], messages[_MAX_MESSAGES:]
        # The gate lets the next turn begin before this one's answer has left.
        async with (
            self._sending.setdefault(person, asyncio.Lock()),
            httpx.AsyncClient(headers=self._authorization, timeout=SECONDS) as client,
        ):
            if first and not await self._reply(client, event["replyToken"], first):
                rest = messages
            for start in range(0, len(rest), _MAX_MESSAGES):
                await self._push(client, person, rest[start : start + _MAX_MESSAGES])

    async def _reply(self, client: httpx.AsyncClient, token: str, messages: list[LineMessage]) -> bool:
        """Whether the messages went out by the reply token, which is free of charge, good for one reply and about a minute."""
        try:
            answer = await client.post(f"{self._api}/reply", json={"replyToken": token, "messages": messages})
        except (httpx.ConnectError, httpx.ConnectTimeout):
            return False
        except httpx.TransportError as error:  # it may have arrived, and then pushing would say everything twice
            logger.error(f"LINE did not say whether it took a reply: {type(error).__name__}.")
            return True
        if answer.is_error:
            logger.warning(f"LINE refused a reply with status {answer.status_code}; it is pushed.")
        return answer.is_success

    async def _push(self, client: httpx.AsyncClient, person: str, messages: list[LineMessage]) -> None:
        """Sends the messages by push, which counts against the plan's monthly messages; with its key, repeating is safe."""
        key = {"X-Line-Retry-Key": str(uuid.uuid4())}
        problem = ""
        for _ in range(2):
            try:
                answer = await client.post(f"{self._api}/push", json={"to": person, "messages": messages}, headers=key)
                if answer.is_success or answer.status_code == httpx.codes.CONFLICT:  # the first one has arrived
                    return
                problem = f"status {answer.status_code}"
            except httpx.TransportError as error:
                problem = type(error).__name__
        logger.error(f"LINE did not take a message: {problem}.")


class LineChannel(SwitchedChannel, LineConnector):
    """The connector, as `credentials.yml` names it."""


def line_messages(messages: list[dict[str, Any]]) -> list[LineMessage]:
    """The messages that Rasa's `CollectingOutputChannel` gathers, as LINE shows them.

    LINE shows the quick replies of the last message alone, so all of them stand there: those that call the hotlines which the
    texts name, those that call or open what a button does, and those that say something.
    """
    sent: list[LineMessage] = []
    calls: dict[str, LineMessage] = {}
    says: dict[str, LineMessage] = {}
    for message in messages:
        text = message.get("text") or ""
        sent += [{"type": "text", "text": part} for part in split_text(text, _MAX_TEXT, length)]
        for hotline in hotline_buttons(text):
            label = next((title for title in hotline.titles if length(title) <= _MAX_LABEL), hotline.value)
            uri = f"tel:{hotline.value.replace('-', '')}"
            calls[uri] = {"type": "uri", "label": label, "uri": uri}
        for button in message.get("buttons") or []:
            action = _action(button)
            (calls if action["type"] == "uri" else says).setdefault(action.get("uri") or action["text"], action)
        if str(message.get("image") or "").startswith("https://"):
            sent.append({"type": "image", "originalContentUrl": message["image"], "previewImageUrl": message["image"]})
    actions = [*calls.values(), *says.values()][:_MAX_QUICK_REPLIES]
    if sent and actions:
        sent[-1]["quickReply"] = {"items": [{"type": "action", "action": action} for action in actions]}
    return sent


def _action(button: Button) -> LineMessage:
    title, url = str(button.get("title", "")), button.get("url")
    label = shortened(title, _MAX_LABEL)
    if url:
        return {"type": "uri", "label": label, "uri": url}
    payload = str(button.get("payload") or title)
    said = title if payload.startswith("/") else payload  # an /intent is for Rasa
    return {"type": "message", "label": label, "text": said[:_MAX_SAID]}


def _is_for_the_bot(event: Event) -> bool:
    """Whether a person wrote it to the bot alone: not in a group, nor where people have taken the conversation over."""
    is_message = event.get("type") == "message" and event.get("mode", "active") == "active"
    return is_message and event.get("source", {}).get("type") == "user"
