"""The web chat's socket, as somebody's own program speaks to it."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from websockets.legacy.client import WebSocketClientProtocol, connect

SOCKET = "/webhooks/web/socket/"


class Client:
    """Somebody's own program at the socket. (python-socketio's client needs a newer aiohttp than Rasa does.)"""

    def __init__(self, connection: WebSocketClientProtocol) -> None:
        self._connection = connection
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self.token: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.heard: list[Any] = []

    async def read(self) -> None:
        async for frame in self._connection:
            head, bracket, rest = str(frame).partition("[")
            if head.startswith("43"):
                self._answers[int(head[2:])].set_result(json.loads(bracket + rest)[0])
            elif head == "42":
                name, data = json.loads(bracket + rest)
                if name == "session_confirm":
                    self.token.set_result(data)
                else:
                    self.heard.append(data)

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
    async with connect(f"ws://127.0.0.1:{port}{SOCKET}?EIO=4&transport=websocket") as connection:
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
