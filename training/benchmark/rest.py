"""Whole REST turns of the bot, and what its servers hold in memory, beside the least bot that Rasa can serve."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np

from training.benchmark.figures import Bench, Figure, skipped
from training.benchmark.servers import Server, bot, floor

USERS = (1, 8, 32)
CONVERSATION = 10  # turns
_WARM_UP = 20
# Whatever happens, no load lasts longer.
_LIMIT_SECONDS = 30


@dataclass(frozen=True)
class Load:
    """How so many users at once were answered: milliseconds a turn takes, and turns a second."""

    p50: float
    p99: float
    throughput: float
    turns: int


@dataclass(frozen=True)
class _Measured:
    loads: list[Load]
    start: float
    memory: dict[str, float]


def measure(bench: Bench, users: Sequence[int] = USERS, turns: int = 640) -> Iterator[Figure]:
    """The same messages to both, each running alone; so many turns are shared among the users."""
    if not bench.model.is_file():
        yield skipped("REST turns", f"there is no {bench.model.name}; `make train` makes it")
        return
    with tempfile.TemporaryDirectory() as work:
        folders = [Path(work) / name for name in ("floor", "bot")]
        for folder in folders:
            folder.mkdir()
        bench.say("the least Rasa bot: training and starting it")
        with floor(folders[0]) as server:
            reference = _measure(bench, server, users, turns)
        bench.say("the bot: starting both its servers")
        with bot(bench.project, bench.model, folders[1]) as server:
            ours = _measure(bench, server, users, turns)
    for count, our, other in zip(users, ours.loads, reference.loads):
        name = f"REST turn, {count} user{'s' * (count > 1)} at once"
        note = f"{our.turns} turns against {other.turns}; the users share the cores with the servers"
        yield Figure(f"{name}: p50", our.p50, other.p50, "ms", note=note)
        yield Figure(f"{name}: p99", our.p99, other.p99, "ms", note=note)
        yield Figure(f"{name}: throughput", our.throughput, other.throughput, "turns/s", True, note=note)
    yield Figure("Rasa server: memory after that", ours.memory["rasa"], reference.memory["rasa"], "MB", note="resident")
    yield Figure(
        "action server: memory after that", ours.memory["actions"], None, "MB", note="resident; the least bot has none"
    )
    yield Figure("time until the bot answers", ours.start, reference.start, "s", note="one start each")


def _measure(bench: Bench, server: Server, users: Sequence[int], turns: int) -> _Measured:
    asyncio.run(talk(server.url, bench.sample(_WARM_UP), 1, "warm-up"))
    loads = []
    for count in users:
        bench.say(f"  {count} at once")
        loads.append(asyncio.run(talk(server.url, bench.sample(turns), count, f"{count}-at-once")))
    return _Measured(loads, server.start, {name: server.memory(name) for name in server.processes})


async def talk(url: str, messages: list[str], users: int, name: str) -> Load:
    """Shares the messages among users who write at once, each as soon as they are answered, in conversations of ten turns.

    Raises:
        httpx.HTTPError: a turn failed.
    """
    taken: list[float] = []
    started = time.perf_counter()

    async def user(number: int, client: httpx.AsyncClient) -> None:
        for turn, message in enumerate(messages[number::users]):
            sent = time.perf_counter()
            if sent - started > _LIMIT_SECONDS:
                return
            turn_of = {"sender": f"{name}-{number}-{turn // CONVERSATION}", "message": message}
            (await client.post("/webhooks/rest/webhook", json=turn_of)).raise_for_status()
            taken.append(time.perf_counter() - sent)

    limits = httpx.Limits(max_connections=users)
    async with httpx.AsyncClient(base_url=url, timeout=_LIMIT_SECONDS, limits=limits) as client:
        await asyncio.gather(*(user(number, client) for number in range(users)))
    elapsed = time.perf_counter() - started
    p50, p99 = np.percentile(np.array(taken) * 1000, [50, 99])
    return Load(float(p50), float(p99), len(taken) / elapsed, len(taken))
