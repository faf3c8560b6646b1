"""How fast a turn is and how much memory it takes, beside the least a Rasa bot can do: `python -m training benchmark`."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
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
_WARM_UP = 20


@dataclass(frozen=True)
class Measurement:
    """One server's figures: milliseconds a REST turn takes, megabytes it holds, seconds until it answers."""

    name: str
    p50: float
    p99: float
    memory: float
    start: float


def benchmark(model: Path, messages: list[str], project: Path, conversation_turns: int = 10) -> list[Measurement]:
    """Measures the floor and the bot, each alone, with the same messages in conversations of so many turns."""
    with tempfile.TemporaryDirectory() as work:
        floor, bot = Path(work) / "floor", Path(work) / "bot"
        floor.mkdir()
        bot.mkdir()
        for name, text in _FLOOR.items():
            (floor / name).write_text(text, encoding="utf-8")
        train = [sys.executable, "-m", "rasa", "train", "--data", "data.yml", "--fixed-model-name", "floor"]
        subprocess.run(train, cwd=floor, check=True, capture_output=True)
        endpoints = (project / "endpoints.yml").read_text(encoding="utf-8")
        (bot / "endpoints.yml").write_text(
            endpoints.replace("conversations.db", str(bot / "conversations.db")), encoding="utf-8"
        )
        return [
            _measure("one keyword, one rule", floor, floor / "models" / "floor.tar.gz", floor, messages, conversation_turns),
            _measure("the bot", project, model, bot, messages, conversation_turns),
        ]


def _measure(name: str, project: Path, model: Path, endpoints: Path, messages: list[str], turns: int) -> Measurement:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "rasa", "run", "--interface", "127.0.0.1", "--port", str(port), "--model", str(model)]
    command += ["--endpoints", str(endpoints / "endpoints.yml"), "--credentials", str(project / "credentials.yml")]
    started = time.perf_counter()
    server = subprocess.Popen(command, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            _wait(server, client)
            start = time.perf_counter() - started
            seconds = [_turn(client, f"benchmark-{index // turns}", message) for index, message in enumerate(messages)]
        memory = psutil.Process(server.pid).memory_info().rss
    finally:
        server.terminate()
        server.wait(timeout=30)
    p50, p99 = np.percentile(np.array(seconds[_WARM_UP:]) * 1000, [50, 99])
    return Measurement(name, float(p50), float(p99), memory / 1e6, start)


def _wait(server: subprocess.Popen[bytes], client: httpx.Client) -> None:
    while server.poll() is None:
        try:
            client.get("/")
            return
        except httpx.TransportError:
            time.sleep(0.2)
    raise RuntimeError("Rasa did not start; try `rasa run` to see why.")


def _turn(client: httpx.Client, sender: str, message: str) -> float:
    started = time.perf_counter()
    client.post("/webhooks/rest/webhook", json={"sender": sender, "message": message}).raise_for_status()
    return time.perf_counter() - started
