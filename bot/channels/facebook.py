"""Facebook Messenger (docs/channels/facebook.md), over Rasa's output channel.

Rasa's own webhook handles the first message of a delivery and drops the others.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from fbmessenger import MessengerClient
from rasa.core.channels.channel import UserMessage
from rasa.core.channels.facebook import FacebookInput, MessengerBot
from sanic import Blueprint, Request, Sanic
from sanic.response import HTTPResponse, text

from bot.channels.connectors import ApiSession, ApiSettings, Button, Deliveries, SendsInThreads, are_same, with_numbers
from bot.channels.switches import SwitchedChannel

_MAX_QUICK_REPLIES = 11
_MAX_TITLE = 20


class FacebookOutput(SendsInThreads, MessengerBot):
    """Buttons become quick replies, of which Messenger shows more and whose words may be long."""

    async def send_text_with_buttons(self, recipient_id: str, text: str, buttons: list[Button], **kwargs: Any) -> None:
        text, spoken = with_numbers(text, buttons)
        replies = [{**button, "title": button["title"][:_MAX_TITLE]} for button in spoken[:_MAX_QUICK_REPLIES]]
        if replies:
            await self.send_quick_replies(recipient_id, text, replies)
        else:
            await self.send_text_message(recipient_id, text)


class FacebookChannel(SwitchedChannel, ApiSettings, FacebookInput):
    """Answers every message of a delivery, once, in the background: Facebook waits for seconds only, then repeats it."""

    API = "https://graph.facebook.com/v21.0"

    def get_output_channel(self) -> FacebookOutput:
        client = MessengerClient(self.fb_access_token, session=ApiSession())
        client.graph_url = self.api
        return FacebookOutput(client)

    def blueprint(self, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> Blueprint:
        blueprint = Blueprint("facebook")
        deliveries = Deliveries()

        @blueprint.get("/webhook")
        async def verify(request: Request) -> HTTPResponse:
            if are_same(request.args.get("hub.verify_token"), self.fb_verify):
                return text(request.args.get("hub.challenge", ""))
            return text("hub.verify_token is not FACEBOOK_VERIFY.", status=403)

        @blueprint.post("/webhook")
        async def webhook(request: Request) -> HTTPResponse:
            signature = hmac.new(self.fb_secret.encode(), request.body, hashlib.sha256).hexdigest()
            if not are_same(request.headers.get("X-Hub-Signature-256"), f"sha256={signature}"):
                return text("X-Hub-Signature-256 does not sign this body.", status=403)
            output = self.get_output_channel()
            for key, sender, words in _messages(request.json):
                if deliveries.is_new(key):
                    message = UserMessage(words, output, sender, input_channel=self.name(), message_id=key)
                    deliveries.handle(_answer(message, on_new_message))
            return text("success")

        @blueprint.listener("before_server_stop")
        async def finish(app: Sanic, loop: Any) -> None:
            await deliveries.finish()

        return blueprint


async def _answer(message: UserMessage, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> None:
    await on_new_message(message)


def _messages(delivery: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The key, the sender and the words of each message of people; words are "" where it is a picture or the like."""
    for entry in delivery.get("entry", []):
        for event in entry.get("messaging", []):
            message, postback = event.get("message", {}), event.get("postback", {})
            if message and not message.get("is_echo"):
                words = message.get("quick_reply", {}).get("payload") or message.get("text", "")
                yield message["mid"], event["sender"]["id"], words
            elif postback:
                key = postback.get("mid") or f"{event['sender']['id']} {event['timestamp']}"
                yield key, event["sender"]["id"], postback["payload"]
