"""A stand-in for the messengers' APIs on the loopback: it checks what they check and remembers what it was sent."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from aiohttp import BasicAuth, web
from servers import free_port

TOKEN = "123456:the-bots-own-token"
_BEARER = f"Bearer {TOKEN}"


@dataclass(frozen=True)
class Call:
    """A request that a platform got: its path with the platform's name in front, and what it held."""

    path: str
    content: dict[str, Any]
    headers: dict[str, str]


class Platforms:
    """All of them, each below a path of its own: `/slack`, `/telegram` and so on."""

    def __init__(self) -> None:
        self.port = free_port()
        self.calls: list[Call] = []
        self._used_tokens: set[str] = set()
        # Whom the next message can't be taken for.
        self.failing: set[str] = set()
        # For whom a message takes a second.
        self.slow = {"slow"}

    def base(self, platform: str) -> str:
        """What `api_base` in credentials.yml must be."""
        return f"http://127.0.0.1:{self.port}/{platform}"

    def wait(self, of: Callable[[Call], object], number: int = 1, seconds: float = 30) -> list[Call]:
        """The calls that `of` picks, once there are so many."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = [call for call in list(self.calls) if of(call)]
            if len(found) >= number:
                return found
            time.sleep(0.05)
        raise AssertionError(f"{number} calls expected among {[call.path for call in self.calls]}")

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.text()
        if request.content_type == "application/json" or body.startswith("{"):
            content = await request.json() if body else {}
        elif request.content_type == "multipart/form-data":
            content = dict(await request.post())
        else:
            content = {name: values[0] for name, values in parse_qs(body).items()}
        path = request.path.removeprefix("/")
        people = {str(value) for value in (content | content.get("recipient", {})).values()}
        if self.slow & people:
            await asyncio.sleep(1)
        failing = self.failing & people
        self.failing -= failing
        down = {"ok": False, "error": "down", "sent": content}  # as many programs repeat what they didn't take
        answer, status = (down, 503) if failing else self._answer(path, content, request)
        if status < 400:
            self.calls.append(Call(path, content, dict(request.headers)))
        return web.json_response(answer, status=status)

    def _answer(self, path: str, content: dict[str, Any], request: web.Request) -> tuple[Any, int]:
        platform, _, rest = path.partition("/")
        bearer = request.headers.get("Authorization")
        if platform == "slack":
            return ({"ok": True, "ts": "1.0"}, 200) if bearer == _BEARER else ({"ok": False, "error": "invalid_auth"}, 401)
        if platform == "telegram":
            return _telegram(rest, content)
        if platform == "facebook":
            if request.query.get("access_token") != TOKEN or content.get("messaging_type") != "RESPONSE":
                return {"error": {"message": "Invalid OAuth access token."}}, 400
            return {"recipient_id": content["recipient"]["id"], "message_id": "m_1"}, 200
        if platform == "twilio":
            if request.headers.get("Authorization") != BasicAuth("AC1", TOKEN).encode():
                return {"code": 20003, "message": "Authenticate", "status": 401}, 401
            return {"sid": "SM1", "body": content["Body"], "status": "queued"}, 201
        if platform == "mattermost":
            return ({"id": "post"}, 201) if bearer == _BEARER else ({"id": "api.context.session_expired.app_error"}, 401)
        if platform == "line":
            return self._line(rest, content) if bearer == _BEARER else ({"message": "Authentication failed"}, 401)
        return {}, 200

    def _line(self, path: str, content: dict[str, Any]) -> tuple[Any, int]:
        messages = content["messages"]
        items = [item for message in messages for item in message.get("quickReply", {}).get("items", [])]
        if not 1 <= len(messages) <= 5 or any(len(message.get("text", "")) > 5000 for message in messages):
            return {"message": "The request body has 1 error(s)"}, 400
        if len(items) > 13 or any(len(item["action"]["label"]) > 20 for item in items):
            return {"message": "The request body has 1 error(s)"}, 400
        token = content.get("replyToken")
        if path.endswith("/reply"):
            if token in self._used_tokens:
                return {"message": "Invalid reply token"}, 400
            self._used_tokens.add(token or "")
        return {"sentMessages": []}, 200


def _telegram(path: str, content: dict[str, Any]) -> tuple[Any, int]:
    token, _, method = path.partition("/")
    if token != f"bot{TOKEN}":
        return {"ok": False, "error_code": 401, "description": "Unauthorized"}, 401
    if method == "getMe":
        bot = {"id": 123456, "is_bot": True, "first_name": "마음", "username": "maeum_bot"}
        return {"ok": True, "result": bot}, 200
    if method == "sendMessage":
        chat = {"id": int(content["chat_id"]), "type": "private"}
        return {"ok": True, "result": {"message_id": 2, "date": 1, "chat": chat, "text": content["text"]}}, 200
    return {"ok": True, "result": True}, 200


@contextmanager
def standing_in() -> Iterator[Platforms]:
    """The platforms, served from a thread."""
    platforms = Platforms()
    loop = asyncio.new_event_loop()

    async def start() -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", platforms.handle)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", platforms.port).start()
        return runner

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runner = asyncio.run_coroutine_threadsafe(start(), loop).result(30)
    try:
        yield platforms
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()
