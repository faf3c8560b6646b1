"""Locks in a real Redis."""

from __future__ import annotations

import asyncio
import subprocess
import time
from pathlib import Path

import pytest
import redis
from no_trace import traces
from rasa.core.lock_store import LockStore
from rasa.utils.endpoints import EndpointConfig
from servers import ROOT, free_port

from bot.lock_store import PrivateRedisLockStore
from bot.safety.pseudonym import pseudonym

SOMEONE = "kakao-4f2a-someone"


def test_redis_never_learns_whose_turn_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAEUM_SECRET_FILE", str(tmp_path.parent / "key"))
    subprocess.run([ROOT / "scripts" / "test_tools.sh"], check=True)
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path), "--appendonly", "yes"]
    server = subprocess.Popen([*command, "--appendfsync", "always"], stdout=subprocess.DEVNULL)
    try:
        settings = {"type": "bot.lock_store.PrivateRedisLockStore", "url": "127.0.0.1", "port": port}
        store = LockStore.create(EndpointConfig.from_dict(settings))
        assert isinstance(store, PrivateRedisLockStore)
        wait_until_ready(store)

        async def lock() -> None:
            async with store.lock(SOMEONE):
                assert list(store.red.keys("*")) == [f"lock:{pseudonym(SOMEONE)}".encode()]
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(store.lock(SOMEONE, wait_time_in_seconds=0.05).__aenter__(), 0.3)

        asyncio.run(lock())
        assert traces([SOMEONE], [tmp_path]) == []
        assert traces([pseudonym(SOMEONE)], [tmp_path]) != []
    finally:
        server.terminate()
        server.wait(timeout=10)


def wait_until_ready(store: PrivateRedisLockStore) -> None:
    for _ in range(100):
        try:
            store.red.ping()
        except redis.exceptions.ConnectionError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("Redis did not start")
