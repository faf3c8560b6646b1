"""Real servers for tests: on free ports of the loopback, with their own tracker store and generator settings."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "models" / "maeum.tar.gz"


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def endpoints(folder: Path, actions_port: int) -> Path:
    """The project's endpoints.yml, with a tracker store in `folder` and an action server on that port."""
    text = (ROOT / "endpoints.yml").read_text(encoding="utf-8")
    text = text.replace("conversations.db", str(folder / "conversations.db")).replace("5055", str(actions_port))
    file = folder / "endpoints.yml"
    file.write_text(text, encoding="utf-8")
    return file


@contextmanager
def running(command: list[str], ready: str, log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """The command (after `python -m`), once the URL `ready` answers; its output goes to `log`."""
    with log.open("ab") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=ROOT, stdout=stream, stderr=stream, env={**os.environ, **environment}
        )
    try:
        _wait(process, ready, log)
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(timeout=30)


def _wait(process: subprocess.Popen[bytes], ready: str, log: Path) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(ready, timeout=2).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(f"not ready: {log.read_text(encoding='utf-8', errors='replace')[-3000:]}")


class Conversation:
    """One person writing to the bot over REST."""

    def __init__(self, port: int, sender: str) -> None:
        self._url = f"http://127.0.0.1:{port}/webhooks/rest/webhook"
        self._sender = sender

    def say(self, message: str) -> list[str]:
        """The bot's messages in answer to `message`."""
        answer = httpx.post(self._url, json={"sender": self._sender, "message": message}, timeout=20)
        answer.raise_for_status()
        messages: list[dict[str, Any]] = answer.json()
        return [message["text"] for message in messages]
