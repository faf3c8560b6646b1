"""Channels served by a real Sanic server on a loopback port, as Rasa serves them, with an agent of the test's own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import httpx
from rasa.core.channels.channel import InputChannel, UserMessage
from rasa.core.channels.channel import register as register_channels
from sanic import Sanic
from servers import free_port

Handler = Callable[[UserMessage], Awaitable[None]]
_names = count()

Sanic.test_mode = True  # without it one process can serve one Sanic app only


class Agent:
    """What Rasa's agent is to a channel."""

    def __init__(self, handle_message: Handler) -> None:
        self.handle_message = handle_message


async def silence(message: UserMessage) -> None:
    """An agent that has nothing to say."""


@contextmanager
def serving(*channels: InputChannel, handler: Handler = silence) -> Iterator[httpx.Client]:
    """A client of a server that has these channels, under the paths that Rasa gives them."""
    app = Sanic(f"channels_{next(_names)}", configure_logging=False)
    app.ctx.agent = Agent(handler)
    register_channels(list(channels), app, route="/webhooks/")
    port = free_port()
    loop = asyncio.new_event_loop()

    async def start() -> None:
        server: Any = await app.create_server("127.0.0.1", port, return_asyncio_server=True, access_log=False)
        await server.startup()
        await server.before_start()
        await server.start_serving()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_forever()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(start(), loop).result(30)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
            yield client
    finally:
        asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


async def _cancel_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
