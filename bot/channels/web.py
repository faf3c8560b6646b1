"""The web chat: the page at `/`, and its conversations over Socket.IO on the same server."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import takewhile
from typing import Any
from weakref import WeakValueDictionary

from rasa.core.channels.channel import UserMessage
from rasa.core.channels.socketio import SocketBlueprint, SocketIOInput, SocketIOOutput
from rasa.shared.core.events import BotUttered, UserUttered
from rasa.shared.exceptions import InvalidConfigException
from sanic import Request, Sanic
from sanic.response import HTTPResponse, empty
from socketio import AsyncServer

from bot.web.page import INDEX, WebFile, web_files
from bot.web.sessions import Sessions, session_key
from components.crisis_policy import UNHEARD

logger = logging.getLogger(__name__)

# Everything but the page lies here, where the limits of bot.channels look for it, and a proxy needs one rule for it.
_ADDRESS = "/webhooks/web"
_SOCKET = f"{_ADDRESS}/socket"
# More than the page's field takes, which is far more than a message may have: bot.channels' limits read it and answer kindly.
_MAX_PACKET_BYTES = 64 * 1024
# What the page makes up for each message, so that one sent twice is answered once.
_MESSAGE_ID = re.compile(r"[0-9a-f]{32}")


class WebInput(SocketIOInput):
    """Rasa's Socket.IO channel with a page, sessions that can't be guessed or chosen, and each message answered just once."""

    @classmethod
    def name(cls) -> str:
        return "web"

    @classmethod
    def from_credentials(cls, credentials: dict[str, Any] | None) -> WebInput:
        """Reads `allowed_origins`: a list of origins, or nothing for the one that the request came to."""
        origins = (credentials or {}).get("allowed_origins") or []
        for origin in origins if isinstance(origins, list) else [origins]:
            if not isinstance(origin, str) or not re.fullmatch(r"https?://[^/?#@\s*]+", origin):
                raise InvalidConfigException(
                    f"allowed_origins of bot.channels.web.WebInput in credentials.yml must be a list of addresses such as "
                    f"https://chat.example.org, without a path, and one is {origin!r}."
                )
        return cls(frozenset(origins))

    def __init__(self, allowed_origins: frozenset[str] = frozenset()) -> None:
        super().__init__(socketio_path=_SOCKET, session_persistence=True)
        self._allowed_origins = allowed_origins
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def get_output_channel(self) -> WebOutput | None:
        """What reminders and people speak through: it reaches the open pages of a conversation."""
        return WebOutput(self.sio, self.bot_message_evt) if self.sio else None

    def blueprint(self, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> WebBlueprint:
        sio = self.sio = AsyncServer(
            async_mode="sanic",
            transports=["websocket"],
            cors_allowed_origins=self._is_allowed,
            max_http_buffer_size=_MAX_PACKET_BYTES,
        )
        blueprint = WebBlueprint(sio, _SOCKET, web_files(_ADDRESS.strip("/"), _SOCKET.strip("/")))
        sessions = Sessions(session_key())

        @sio.on("session_request")
        async def begin(sid: str, data: object = None) -> None:
            token = data.get("session_id") if isinstance(data, dict) else None
            sender_id = sessions.sender_id(token)
            if sender_id is None:
                token = sessions.issue()
                sender_id = sessions.sender_id(token)
            await sio.save_session(sid, {"sender_id": sender_id})
            await sio.enter_room(sid, sender_id)
            await sio.emit("session_confirm", token, to=sid)

        @sio.on(self.user_message_evt)
        async def hear(sid: str, data: object = None) -> dict[str, Any]:
            sender_id = (await sio.get_session(sid)).get("sender_id")
            message = WebMessage.read(data)
            if sender_id is None or message is None:
                return {"status": "refused"}
            output = WebOutput(sio, self.bot_message_evt, reply_to=message.id)
            try:
                async with self._turns.setdefault(sender_id, asyncio.Lock()):
                    await self._answer(message, sender_id, output, blueprint.ctx.app.ctx.agent, on_new_message)
            except Exception as error:
                # Without the message, and without a traceback through it: what people write is no business of the log.
                logger.error(f"A message over the web got no answer: {type(error).__name__}.")
                return {"status": "failed"}
            return {"status": "answered", "messages": output.messages}

        return blueprint

    async def _answer(
        self,
        message: WebMessage,
        sender_id: str,
        output: WebOutput,
        agent: Any,
        on_new_message: Callable[[UserMessage], Awaitable[Any]],
    ) -> None:
        """Has Rasa answer the message; says the same again if it has already, and the page only lost the connection."""
        if agent is None or not agent.is_ready():
            raise RuntimeError("no model is loaded")
        said = _said_to(message.id, await agent.tracker_store.retrieve(sender_id))
        if said is None:
            metadata = {UNHEARD: True} if message.early else None
            await on_new_message(
                UserMessage(
                    message.text, output, sender_id, input_channel=self.name(), message_id=message.id, metadata=metadata
                )
            )
        else:
            for event in said:
                await output.send_response(sender_id, event.message())

    def _is_allowed(self, origin: str, environ: dict[str, Any]) -> bool:
        """Whether a page of this origin may open the WebSocket; asked only of browsers, since nobody else says an origin.

        X-Forwarded-Host is not believed, unlike in engineio's own check: a proxy that doesn't set it passes on a stranger's.
        """
        if self._allowed_origins:
            return origin in self._allowed_origins
        return origin in (f"http://{environ.get('HTTP_HOST')}", f"https://{environ.get('HTTP_HOST')}")


class WebOutput(SocketIOOutput):
    """Sends to all open pages of a conversation, and keeps what it sent for the one that asked.

    A message is `{"id", "reply_to"?, "text"? | "attachment"? | "custom"?, "quick_replies"?}`. The id of an answer says which
    message it answers, so that a page that gets it twice shows it once.
    """

    @classmethod
    def name(cls) -> str:
        return "web"

    def __init__(self, sio: AsyncServer, bot_message_evt: str, reply_to: str | None = None) -> None:
        super().__init__(sio, bot_message_evt)
        self.reply_to = reply_to
        self.messages: list[dict[str, Any]] = []
        self._answering = False

    async def send_response(self, recipient_id: str, message: dict[str, Any]) -> None:
        """Sends what Rasa says, apart from what the gate says itself: a message may be sent again and answered after all."""
        self._answering = True
        try:
            await super().send_response(recipient_id, message)
        finally:
            self._answering = False

    async def _send_message(self, socket_id: str, response: dict[str, Any]) -> None:
        if self.reply_to is None:
            message = {"id": uuid.uuid4().hex, **response}
        else:
            kind = "" if self._answering else "refusal-"
            message = {"id": f"{self.reply_to}-{kind}{len(self.messages)}", "reply_to": self.reply_to, **response}
        self.messages.append(message)
        await super()._send_message(socket_id, message)

    async def send_text_with_buttons(self, recipient_id: str, text: str, buttons: list[dict[str, Any]], **kwargs: Any) -> None:
        """Sends the buttons whole, with the last paragraph; Rasa's channel would leave out what makes one call a number."""
        *paragraphs, last = text.strip().split("\n\n")
        for paragraph in paragraphs:
            await self._send_message(recipient_id, {"text": paragraph})
        await self._send_message(recipient_id, {"text": last, "quick_replies": buttons})

    async def send_custom_json(self, recipient_id: str, json_message: dict[str, Any], **kwargs: Any) -> None:
        """Sends it as a message; in Rasa's channel it could name another conversation's room."""
        await self._send_message(recipient_id, {"custom": json_message})


@dataclass(frozen=True)
class WebMessage:
    """What a person wrote, as the page sends it: `{"id": 32 hexadecimal digits, "message": text, "early"?: boolean}`.

    Attributes:
        early: whether it was written before the answer to another message was there.
    """

    id: str
    text: str
    early: bool

    @classmethod
    def read(cls, data: object) -> WebMessage | None:
        """The message, or None if it isn't one."""
        if not isinstance(data, dict):
            return None
        message_id, text = data.get("id"), data.get("message")
        if not isinstance(message_id, str) or not _MESSAGE_ID.fullmatch(message_id):
            return None
        if not isinstance(text, str) or not text.strip():
            return None
        # A lone half of a surrogate pair can be written in JSON and in no database.
        return cls(message_id, text.encode("utf-8", "replace").decode(), data.get("early") is True)


class WebBlueprint(SocketBlueprint):
    """Rasa's Socket.IO blueprint, with the page at `/` and its files beside the socket."""

    def __init__(self, sio: AsyncServer, socketio_path: str, files: dict[str, WebFile]) -> None:
        super().__init__(sio, socketio_path, "web")
        self.ctx.index = files[INDEX]

        @self.get("/<name:str>")
        async def file(request: Request, name: str) -> HTTPResponse:
            return files[name].response(request) if name in files else empty(status=404)

    def register(self, app: Sanic, options: dict[str, Any]) -> None:
        """Besides registering it, answers `/` before Rasa's own route does, which can't be replaced."""
        self.ctx.app = app
        app.register_middleware(self._page, "request")
        super().register(app, options)

    async def _page(self, request: Request) -> HTTPResponse | None:
        if request.path == "/" and request.method in ("GET", "HEAD"):
            return self.ctx.index.response(request)
        return None


def _said_to(message_id: str, tracker: Any) -> list[BotUttered] | None:
    """What the bot said to the message; None if it hasn't had it."""
    events = list(tracker.events) if tracker else []
    for position, event in enumerate(events):
        if isinstance(event, UserUttered) and event.message_id == message_id:
            answer = takewhile(lambda later: not isinstance(later, UserUttered), events[position + 1 :])
            return [later for later in answer if isinstance(later, BotUttered)]
    return None
