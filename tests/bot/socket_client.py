"""The web chat's socket, as somebody's own program speaks to it."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import websockets

SOCKET = "/webhooks/web/socket/"


class Client:
    """Somebody's own program at the socket. (python-socketio's client needs a newer aiohttp than Rasa does.)"""

    def __init__(self, connection: websockets.WebSocketClientProtocol) -> None:
        self._connection = connection
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self.token: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.heard: list[Any] = []

    async def read(self) -> None:
        async for frame in self._connection:
            content = json.loads(frame[frame.index("[") :]) if frame[:2] in ("42", "43") else None
            if frame[:2] == "43":
                self._answers[int(frame[2 : frame.index("[")])].set_result(content[0])
            elif content and content[0] == "session_confirm":
                self.token.set_result(content[1])
            elif content:
                self.heard.append(content[1])

    async def emit(self, name: str, data: object) -> None:
        await self._connection.send(f"42{json.dumps([name, data])}")

    async def say(self, data: object) -> Any:
        """Sends it as something a person said; returns the acknowledgement."""
        number = len(self._answers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._connection.send(f"42{number}{json.dumps(['user_uttered', data])}")
        return await asyncio.wait_for(self._answers[number], 20)


@asynccontextmanager
async def client(port: int, session_id: object = None, ask: bool = True) -> AsyncIterator[Client]:
    """A connected client which, unless it doesn't `ask`, has a session."""
    async with websockets.connect(f"ws://127.0.0.1:{port}{SOCKET}?EIO=4&transport=websocket") as connection:
        assert str(await connection.recv()).startswith("0")
        await connection.send("40")
        assert str(await connection.recv()).startswith("40")
        client = Client(connection)
        reading = asyncio.create_task(client.read())
        if ask:
            await client.emit("session_request", {"session_id": session_id})
            await asyncio.wait_for(asyncio.shield(client.token), 20)
        yield client
        reading.cancel()


def message(text: str, **more: Any) -> dict[str, Any]:
    return {"id": uuid.uuid4().hex, "message": text, **more}


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Runs it in a thread of its own; in the test's there is Playwright's event loop already."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, scenario).result()
