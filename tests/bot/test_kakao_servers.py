"""KakaoTalk against the bot as it is served, with a generator that is slowed to 8 s on purpose."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from kakao_simulator import SECRET, CallbackReceiver, KakaoSimulator, Shown, receiving_callbacks
from servers import MODEL, ROOT, endpoints, free_port, running

from bot.channels.kakao_answer import wording

UNSURE = "양자역학 슈뢰딩거 방정식 풀이"
CREDENTIALS = """
bot.channels.health.HealthInput:
bot.channels.kakao.KakaoInput:
  environment: {secret: KAKAO_SECRET}
  callback_hosts: [127.0.0.1]
  insecure_callbacks: true
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The skill's address on a server of its own."""
    folder = tmp_path_factory.mktemp("kakao")
    (folder / "credentials.yml").write_text(CREDENTIALS, encoding="utf-8")
    port, actions_port = free_port(), free_port()
    actions = ["rasa_sdk", "--actions", "slow_actions", "--port", str(actions_port)]
    rasa = ["bot.quiet_rasa", "run", "--interface", "127.0.0.1", "--port", str(port), "--model", str(MODEL)]
    rasa += ["--endpoints", str(endpoints(folder, actions_port)), "--credentials", str(folder / "credentials.yml")]
    with (
        running(
            actions, f"http://127.0.0.1:{actions_port}/health", folder / "actions.log",
            SANIC_HOST="127.0.0.1", PYTHONPATH=str(ROOT / "tests" / "bot"),
        ),
        running(rasa, f"http://127.0.0.1:{port}/webhooks/health/", folder / "rasa.log", KAKAO_SECRET=SECRET),
    ):  # fmt: skip
        yield f"http://127.0.0.1:{port}/webhooks/kakao/webhook"


@dataclass
class Person:
    """Somebody who writes to the bot, whose block has callbacks or hasn't."""

    kakao: KakaoSimulator
    name: str
    callbacks: CallbackReceiver | None = None

    async def say(self, utterance: str) -> Shown:
        """What the person is shown: by callback where the answer was promised."""
        if self.callbacks is None:
            return await self.kakao.say(self.name, utterance)
        address = self.callbacks.address()
        shown = await self.kakao.say(self.name, utterance, address)
        return await self.callbacks.arrival(address) if shown.is_promise else shown

    async def talk(self) -> list[str]:
        """A conversation in five messages, of which the second meets the slow generator; all that was shown, in order."""
        shown = [await self.say(one) for one in ("안녕하세요", f"{UNSURE} 8초", "밤에 잠이 안 와요", f"{UNSURE} {self.name}")]
        shown.append(await self.say("죽고 싶어요"))
        while wording().holding in shown[-1].texts:
            shown.append(await self.say(wording().fetch.message_text))
        assert "109" in [number for one in shown[4:] for number in one.numbers]
        return [text for one in shown for text in one.texts if text != wording().holding]


def test_fifty_conversations_at_once_are_answered_in_time_whole_and_to_the_right_person(url: str) -> None:
    async def scene(callbacks: CallbackReceiver) -> tuple[list[list[str]], float]:
        async with KakaoSimulator(url) as kakao:
            people = [Person(kakao, f"사람{number}", callbacks if number % 2 else None) for number in range(50)]
            return await asyncio.gather(*(person.talk() for person in people)), kakao.slowest

    with receiving_callbacks(free_port()) as callbacks:
        conversations, slowest = asyncio.run(scene(callbacks))
    responses = written_responses()
    for number, texts in enumerate(conversations):
        whole = "\n".join(texts)
        parts = [
            responses["utter_greet"], responses["utter_notice"],
            responses["utter_open_question"] + responses["utter_still_unsure"],
            [text for name, said in responses.items() if name.startswith("utter_wellness/") for text in said],
            [f"들은 말: {UNSURE} 사람{number}"],
        ]  # fmt: skip
        places = [min((whole.find(text) for text in part if text in whole), default=-1) for part in parts]
        assert -1 not in places, f"something is missing in {texts}"
        assert places == sorted(places), f"out of order: {texts}"
        assert set(re.findall(r"사람\d+", whole)) == {f"사람{number}"}
    assert callbacks.repeated == []
    print(f"slowest answer of {50 * 5}: {slowest:.2f} s")


def test_a_weak_secret_stops_the_start_with_one_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bot.quiet_rasa", "run", "--port", str(free_port()), "--model", str(MODEL)]
    environment = {**os.environ, "KAKAO_SECRET": "short", "LOG_LEVEL": "ERROR"}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert "credentials.yml, the KakaoTalk channel: secret: 16 or more letters" in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr


def written_responses() -> dict[str, list[str]]:
    """The texts of every response the bot has, by name."""
    files = [ROOT / "domain.yml", ROOT / "data" / "generated" / "responses.yml"]
    loaded = [yaml.safe_load(file.read_text(encoding="utf-8"))["responses"] for file in files]
    return {name: [text["text"] for text in texts if "text" in text] for part in loaded for name, texts in part.items()}
