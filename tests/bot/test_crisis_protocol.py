"""The protocol as it is served: a small bot with a form, no action server at all, and a webhook that can be turned off."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from crisis_bot import KINDS, ROOT, UTTERANCES
from servers import free_port, running
from test_hand_off import Receiver

from bot.safety.hotlines import PHONE_BUTTON, hotlines
from training.rasa_data import Crisis

STORIES = ROOT / "tests" / "stories" / "test_crisis.yml"
REPLIES = {
    name: {response["text"] for response in responses}
    for name, responses in Crisis.load(ROOT / "data" / "crisis.yml").responses.items()
}
_senders = count()


class Bot:
    """The running server and what it was started with."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port

    def person(self) -> Person:
        return Person(self, f"rest:person-{next(_senders)}")


class Person:
    """Somebody who writes to the bot."""

    def __init__(self, bot: Bot, sender: str) -> None:
        self._bot = bot
        self.sender = sender

    def say(self, text: str) -> list[dict[str, Any]]:
        """The bot's messages."""
        url = f"http://127.0.0.1:{self._bot.port}/webhooks/rest/webhook"
        answer = httpx.post(url, json={"sender": self.sender, "message": text}, timeout=30)
        answer.raise_for_status()
        messages: list[dict[str, Any]] = answer.json()
        return messages

    def hear(self, text: str) -> tuple[str, str]:
        """The response that was given, by its name, and its text without the notice."""
        said = self.say(text)[0]["text"].partition("\n\n")[0]
        (name,) = [name for name, texts in REPLIES.items() if said in texts] or [""]
        return name, said

    def stay_away(self, hours: float) -> None:
        """Makes everything in the tracker store so much older."""
        with closing(sqlite3.connect(self._bot.folder / "conversations.db")) as store:
            rows = store.execute("SELECT id, timestamp, data FROM events WHERE sender_id = ?", (self.sender,)).fetchall()
            for row, timestamp, data in rows:
                event = json.loads(data)
                event["timestamp"] -= hours * 3600
                new = (timestamp - hours * 3600, json.dumps(event), row)
                store.execute("UPDATE events SET timestamp = ?, data = ? WHERE id = ?", new)
            store.commit()


@contextmanager
def serving(model: Path, folder: Path, webhook: str) -> Iterator[Bot]:
    endpoints = yaml.safe_load((ROOT / "endpoints.yml").read_text(encoding="utf-8"))
    endpoints["tracker_store"] = {"type": "SQL", "dialect": "sqlite", "db": str(folder / "conversations.db")}
    endpoints["action_endpoint"] = {"url": f"http://127.0.0.1:{free_port()}/webhook"}  # nobody is there
    (folder / "endpoints.yml").write_text(yaml.safe_dump(endpoints), encoding="utf-8")
    port = free_port()
    command = ["bot.quiet_rasa", "run", "--interface", "127.0.0.1", "--port", str(port), "--model", str(model)]
    command += ["--endpoints", str(folder / "endpoints.yml"), "--credentials", str(ROOT / "credentials.yml")]
    ready = f"http://127.0.0.1:{port}/webhooks/health/"
    settings = {"MAEUM_HAND_OFF_URL": webhook, "MAEUM_HAND_OFF_FOLDER": str(folder / "hand-off")}
    with running(command, ready, folder / "rasa.log", **settings):
        yield Bot(folder, port)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def bot(crisis_model: Path, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    with serving(crisis_model, tmp_path_factory.mktemp("crisis"), receiver.url) as running_bot:
        yield running_bot


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_turn_gets_the_kinds_reply_with_numbers_to_press_and_a_short_notice(bot: Bot, kind: str) -> None:
    (message,) = bot.person().say(UTTERANCES[kind][0])
    reply, _, notice = message["text"].partition("\n\n")
    assert reply in REPLIES[f"utter_crisis_{kind}"]
    assert {notice} == REPLIES["utter_crisis_notice"]
    assert message["buttons"][0] == {"title": "네, 안전해요", "payload": "네, 안전해요"}
    calls = {button["url"] for button in message["buttons"] if button.get("type") == PHONE_BUTTON}
    assert calls == {line.url for line in hotlines() if re.search(rf"(?<!\d){line.number}(?!\d)", reply)} != set()


def test_every_button_is_understood(bot: Bot) -> None:
    buttons = {
        button["payload"]
        for responses in Crisis.load(ROOT / "data" / "crisis.yml").responses.values()
        for response in responses
        for button in response.get("buttons", [])
    }
    expected = {"네, 안전해요": "safe", "아니요, 안전하지 않아요": "not_safe", "이제 안전해요": "safe"}
    expected |= {"더 이야기하고 싶어요": "keep_talking"}
    expected |= {f"{line.number}에 전화해 볼게요": "calling" for line in hotlines()}
    assert buttons <= set(expected)
    for payload in buttons:
        person = bot.person()
        person.say("죽고 싶어요")
        assert person.hear(payload)[0] == f"utter_crisis_{expected[payload]}", payload


def test_the_same_words_again_get_fresh_ones(bot: Bot) -> None:
    person = bot.person()
    assert len({person.hear("죽고 싶어요") for _ in range(5)}) == 5
    assert len({person.hear("그냥 그래요") for _ in range(5)}) == 5


def test_a_branch_answers_by_kind(bot: Bot) -> None:
    person = bot.person()
    person.say("그 사람을 죽이고 싶어요")
    assert "112" in person.hear("아니요")[1]
    other = bot.person()
    other.say("친구가 죽고 싶다고 해요")
    assert "그분" in other.hear("아니요")[1]


def test_a_crisis_in_a_form_ends_the_form_and_leaves_nothing_of_it_in_the_slots(bot: Bot) -> None:
    person = bot.person()
    assert person.say("일기 쓸래요")[0]["text"].startswith("오늘 기분을")
    assert person.hear("방금 약을 잔뜩 먹었어요")[0] == "utter_crisis_acted"
    assert person.hear("네, 안전해요")[0] == "utter_crisis_safe"
    assert person.say("일기 쓸래요")[0]["text"] == "오늘 기분을 한 단어로 적어 주세요.", "the form has kept nothing"


def test_nothing_ordinary_is_said_until_the_person_is_safe(bot: Bot) -> None:
    person = bot.person()
    person.say("유서도 써 놨어요")
    for text in ("안녕하세요", "잠이 안 와요", "양자역학 슈뢰딩거 방정식 풀이", "너 사람이야?", "일기 쓸래요", "😀", "ㅋㅋㅋ"):
        assert person.hear(text)[0].startswith("utter_crisis_"), text
    assert person.hear("이제 안전해요")[0] == "utter_crisis_safe"
    assert person.hear("안녕하세요")[0] == ""


def test_who_returns_after_the_session_is_greeted_with_care_and_then_free(bot: Bot) -> None:
    person = bot.person()
    person.say("죽고 싶어요")
    person.stay_away(hours=3)
    assert person.hear("안녕하세요")[0] == "utter_crisis_welcome_back"
    assert person.say("잠이 안 와요")[0]["text"] == "증상/불면 답"
    person.stay_away(hours=3)
    assert person.hear("안녕하세요")[0] == ""
    assert person.hear("죽고 싶어요")[0] == "utter_crisis_thinking"


def test_after_a_typed_restart_a_crisis_is_a_first_turn_again(bot: Bot) -> None:
    person = bot.person()
    person.say("죽고 싶어요")
    person.say("/restart")
    assert person.hear("손목을 그었어요")[0] == "utter_crisis_acted"


def test_a_human_is_called_in_and_a_webhook_that_hangs_delays_no_reply(bot: Bot, receiver: Receiver) -> None:
    person = bot.person()
    receiver.mood = "hanging"
    try:
        started = time.monotonic()
        person.say("손목을 그었어요")
        person.say("아니요")
        assert time.monotonic() - started < 4
    finally:
        receiver.mood = "well"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        handed = [event for event in receiver.taken if event["sender_id"] == person.sender]
        if len(handed) == 2:
            break
        time.sleep(0.1)
    assert [(event["kind"], event["stage"]) for event in handed] == [("acted", "asked"), ("acted", "told")]
    assert handed[0]["score"] > 0.5
    assert all("text" not in event for event in handed)


def test_a_crisis_goes_on_where_it_was_when_the_server_is_started_again(
    crisis_model: Path, receiver: Receiver, tmp_path: Path
) -> None:
    with serving(crisis_model, tmp_path, receiver.url) as first:
        person = first.person()
        assert person.hear("죽고 싶어요")[0] == "utter_crisis_thinking"
    with serving(crisis_model, tmp_path, receiver.url) as second:
        assert Person(second, person.sender).hear("잠이 안 와요")[0] == "utter_crisis_unclear"
        assert Person(second, person.sender).hear("네")[0] == "utter_crisis_safe"
    assert "Traceback" not in (tmp_path / "rasa.log").read_text(encoding="utf-8")


def test_the_stories_end_as_they_are_told(crisis_model: Path, tmp_path: Path) -> None:
    command = ["test", "core", "--e2e", "--fail-on-prediction-errors", "--no-plot", "--no-warnings"]
    command += ["--stories", str(STORIES), "--model", str(crisis_model), "--out", str(tmp_path)]
    result = subprocess.run(
        [sys.executable, "-m", "bot.quiet_rasa", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    told = yaml.safe_load(STORIES.read_text(encoding="utf-8"))["stories"]
    report = json.loads((tmp_path / "story_report.json").read_text(encoding="utf-8"))
    assert report["conversation_accuracy"]["correct"] == len(told) >= 12
