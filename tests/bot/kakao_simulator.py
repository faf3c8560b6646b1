"""KakaoTalk's side of a skill over HTTP: its requests, its five seconds, its callbacks, and a check of every answer."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema

TIMEOUT_SECONDS = 5.0
CALLBACK_SECONDS = 60.0
SECRET = "a-secret-of-the-tests-0123456789"
_SCHEMA = jsonschema.Draft7Validator(
    json.loads((Path(__file__).parent / "kakao_answer.schema.json").read_text(encoding="utf-8"))
)


def check(answer: Any) -> dict[str, Any]:
    """The answer, if KakaoTalk would show it.

    Raises:
        jsonschema.ValidationError: KakaoTalk would show an error instead.
    """
    _SCHEMA.validate(answer)
    checked: dict[str, Any] = answer
    return checked


@dataclass
class Shown:
    """What a person sees of an answer."""

    answer: dict[str, Any]
    seconds: float = 0.0

    @property
    def is_promise(self) -> bool:
        return self.answer.get("useCallback") is True

    @property
    def outputs(self) -> list[dict[str, Any]]:
        outputs: list[dict[str, Any]] = self.answer["template"]["outputs"]
        return outputs

    @property
    def texts(self) -> list[str]:
        """The words of its bubbles."""
        found = []
        for output in self.outputs:
            ((kind, content),) = output.items()
            found.append(content["text"] if kind == "simpleText" else content.get("description", ""))
        return found

    @property
    def text(self) -> str:
        return "\n\n".join(self.texts)

    @property
    def numbers(self) -> list[str]:
        """What can be called at a touch."""
        cards = [card for output in self.outputs for card in output.values()]
        return [button["phoneNumber"] for card in cards for button in card.get("buttons", []) if button["action"] == "phone"]

    @property
    def quick_replies(self) -> dict[str, str]:
        """What the quick replies say, by label."""
        return {one["label"]: one["messageText"] for one in self.answer["template"].get("quickReplies", [])}


class CallbackReceiver:
    """KakaoTalk's callback addresses: each takes one valid answer within its minute.

    `refused` addresses answer like KakaoTalk to something it doesn't take. Posts beyond the first are kept in `repeated`.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._lock = threading.Lock()
        self._made: dict[str, float] = {}
        self.received: dict[str, Shown] = {}
        self.repeated: list[str] = []
        self.refused: set[str] = set()

    def address(self) -> str:
        token = uuid.uuid4().hex
        self._made[token] = time.monotonic()
        return f"http://127.0.0.1:{self._port}/v1/bots/callback/{token}"

    def take(self, path: str, body: bytes) -> tuple[int, dict[str, str]]:
        token = path.rsplit("/", 1)[-1]
        with self._lock:
            if token in self.received:
                self.repeated.append(token)
                return 400, {"status": "FAIL", "message": "used already"}
            age = time.monotonic() - self._made.get(token, time.monotonic())
            if token in self.refused or age > CALLBACK_SECONDS:
                return 200, {"taskId": token, "status": "FAIL", "message": "invalid"}
            self.received[token] = Shown(check(json.loads(body)), age)
        return 200, {"taskId": token, "status": "SUCCESS", "message": ""}

    async def arrival(self, address: str, seconds: float = CALLBACK_SECONDS) -> Shown:
        """What was posted to the address, once it is there."""
        token = address.rsplit("/", 1)[-1]
        deadline = time.monotonic() + seconds
        while token not in self.received:
            assert time.monotonic() < deadline, "no callback came"
            await asyncio.sleep(0.02)
        return self.received[token]


@contextmanager
def receiving_callbacks(port: int) -> Iterator[CallbackReceiver]:
    receiver = CallbackReceiver(port)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, content = receiver.take(self.path, self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

    server = Server(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def payload(person: str, utterance: str, callback: str | None = None) -> dict[str, Any]:
    """A skill request as KakaoTalk sends it."""
    request: dict[str, Any] = {
        "intent": {"id": "64f1c2a9e4b0c1a2b3c4d5e6", "name": "폴백 블록"},
        "userRequest": {
            "timezone": "Asia/Seoul",
            "params": {"ignoreMe": "true", "surface": "Kakaotalk.plusfriend"},
            "block": {"id": "64f1c2a9e4b0c1a2b3c4d5e6", "name": "폴백 블록"},
            "utterance": utterance,
            "lang": "ko",
            "user": {
                "id": person,
                "type": "botUserKey",
                "properties": {"plusfriendUserKey": f"pf-{person}", "botUserKey": person, "isFriend": True},
            },
        },
        "bot": {"id": "64f1c2a9e4b0c1a2b3c4d5e7", "name": "마음"},
        "action": {
            "name": "maeum", "clientExtra": None, "params": {}, "id": "64f1c2a9e4b0c1a2b3c4d5e8", "detailParams": {},
        },
        "contexts": [],
    }  # fmt: skip
    if callback:
        request["userRequest"]["callbackUrl"] = callback
    return request


@dataclass
class KakaoSimulator:
    """KakaoTalk, calling one skill; used within `async with`. `slowest` is the longest that an answer took, in seconds."""

    url: str
    secret: str = SECRET
    slowest: float = 0.0
    session: aiohttp.ClientSession = field(init=False)

    async def __aenter__(self) -> KakaoSimulator:
        headers = {"X-Skill-Secret": self.secret, "Content-Type": "application/json"}
        self.session = aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=0))
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.session.close()

    async def say(self, person: str, utterance: str, callback: str | None = None) -> Shown:
        """What the person sees after writing this."""
        return await self.deliver(payload(person, utterance, callback))

    async def deliver(self, request: Any, patience: float = TIMEOUT_SECONDS) -> Shown:
        """What KakaoTalk makes of the answer to a request, for which it waits so many seconds.

        Raises:
            asyncio.TimeoutError: there was none in time.
            AssertionError: it was not HTTP 200, or came late.
            jsonschema.ValidationError: it can't be shown.
        """
        started = time.monotonic()
        body = request if isinstance(request, bytes) else json.dumps(request).encode()
        async with self.session.post(self.url, data=body, timeout=aiohttp.ClientTimeout(total=patience)) as response:
            text = await response.text()
        seconds = time.monotonic() - started
        self.slowest = max(self.slowest, seconds)
        assert seconds <= patience, f"the answer took {seconds:.1f} s"
        assert response.status == 200, text
        return Shown(check(json.loads(text)), seconds)
