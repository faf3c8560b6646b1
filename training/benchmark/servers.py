"""The bot, and the least bot that Rasa can serve, each started alone on free ports of this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

# The least that answers at all: one keyword, one rule.
_FLOOR = {
    "config.yml": "recipe: default.v1\nassistant_id: floor\nlanguage: ko\n"
    "pipeline:\n- name: WhitespaceTokenizer\n- name: KeywordIntentClassifier\npolicies:\n- name: RulePolicy\n",
    "domain.yml": 'version: "3.1"\nintents: [greet]\nresponses:\n  utter_greet:\n  - text: 안녕하세요.\n',
    "data.yml": 'version: "3.1"\nnlu:\n- intent: greet\n  examples: |\n    - 안녕\n    - 안녕하세요\n'
    "rules:\n- rule: greet\n  steps:\n  - intent: greet\n  - action: utter_greet\n",
    "credentials.yml": "rest:\n",
    "endpoints.yml": "tracker_store:\n  type: SQL\n  dialect: sqlite\n  db: conversations.db\n",
}
_START_SECONDS = 300
_STOP_SECONDS = 60


@dataclass(frozen=True)
class Server:
    """A running bot: where it listens, how long it took to answer, and its processes by what they do."""

    url: str
    start: float
    processes: dict[str, psutil.Process]

    def memory(self, name: str) -> float:
        """The resident memory of a process in MB."""
        return self.processes[name].memory_info().rss / 1e6


@contextmanager
def floor(folder: Path) -> Iterator[Server]:
    """The least Rasa bot, made, trained and served in `folder`."""
    for name, text in _FLOOR.items():
        (folder / name).write_text(text, encoding="utf-8")
    train = [sys.executable, "-m", "rasa", "train", "--data", "data.yml", "--fixed-model-name", "floor"]
    subprocess.run(train, cwd=folder, check=True, capture_output=True, env=_environment())
    port = _free_port()
    command = ["rasa", "run", "--interface", "127.0.0.1", "--port", str(port), "--model", "models/floor.tar.gz"]
    with _running(command, folder, folder / "log", [f"http://127.0.0.1:{port}/"]) as (process, start):
        yield Server(f"http://127.0.0.1:{port}", start, {"rasa": process})


@contextmanager
def bot(project: Path, model: Path, folder: Path) -> Iterator[Server]:
    """The bot as `make serve` serves it, with its conversations in `folder`."""
    port, actions_port = _free_port(), _free_port()
    endpoints = (project / "endpoints.yml").read_text(encoding="utf-8").replace(":5055/", f":{actions_port}/")
    (folder / "endpoints.yml").write_text(
        endpoints.replace("conversations.db", str(folder / "conversations.db")), encoding="utf-8"
    )
    command = ["bot.serve", "--port", str(port), "--actions-port", str(actions_port)]
    command += ["--model", str(model), "--endpoints", str(folder / "endpoints.yml")]
    ready = [f"http://127.0.0.1:{port}/webhooks/health/", f"http://127.0.0.1:{actions_port}/health"]
    with _running(command, project, folder / "log", ready) as (process, start):
        children = {" ".join(child.cmdline()): child for child in process.children(recursive=True)}
        modules = {"rasa": "bot.quiet_rasa", "actions": "rasa_sdk"}
        processes = {
            name: next(child for line, child in children.items() if f"-m {module}" in line) for name, module in modules.items()
        }
        yield Server(f"http://127.0.0.1:{port}", start, processes)


@contextmanager
def _running(command: list[str], cwd: Path, log: Path, ready: list[str]) -> Iterator[tuple[psutil.Process, float]]:
    """`python -m` the command, once all the addresses answer, and how many seconds that took; stopped on leaving."""
    started = time.perf_counter()
    with log.open("wb") as stream:
        process = psutil.Popen([sys.executable, "-m", *command], cwd=cwd, stdout=stream, stderr=stream, env=_environment())
    try:
        for url in ready:
            _wait(process, url, log)
        yield process, time.perf_counter() - started
    finally:
        process.terminate()
        process.wait(timeout=_STOP_SECONDS)


def _environment() -> dict[str, str]:
    return {**os.environ, "RASA_TELEMETRY_ENABLED": "false", "LOG_LEVEL": "ERROR"}


def _wait(process: psutil.Popen, url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url, timeout=5).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"No answer from {url}: {log.read_text(encoding='utf-8', errors='replace')[-2000:]}")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
