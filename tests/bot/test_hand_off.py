"""A real webhook server that works, fails, hangs and recovers, and a broker in front of it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from rasa.core.brokers.broker import EventBroker
from rasa.utils.endpoints import EndpointConfig

from bot.safety.hand_off import HandOffBroker, Webhook


class Receiver(ThreadingHTTPServer):
    """Counts what is asked of it and keeps what it took; `mood` and, for a kind of risk, `refused` say how it behaves."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.mood = "well"
        self.refused: dict[str, int] = {}  # the status that a kind gets
        self.tries = 0
        self.taken: list[dict[str, Any]] = []
        self.tokens: set[str | None] = set()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook?secret=s3cret"

    def wait_for(self, number: int, seconds: float = 15) -> list[dict[str, Any]]:
        deadline = time.monotonic() + seconds
        while len(self.taken) < number and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(self.taken) == number
        return self.taken


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.server.tries += 1
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.mood == "hanging":
            time.sleep(30)
            return
        status = self.server.refused.get(body["kind"], 200 if self.server.mood == "well" else 503)
        if status == 200:
            self.server.taken.append(body)
            self.server.tokens.add(self.headers["Authorization"])
        self.send_response(status)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "hand-off"


class Recorder(EventBroker):
    """The broker behind, which may fail."""

    def __init__(self, fails: bool = False) -> None:
        self.events: list[dict[str, Any]] = []
        self.fails = fails

    def publish(self, event: dict[str, Any]) -> None:
        if self.fails:
            raise ConnectionError("죽고 싶어요")
        self.events.append(event)


def turn(text: str, kind: str = "acted", sender: str = "4f1c") -> list[dict[str, Any]]:
    """A turn's events as Rasa's tracker store publishes them."""
    told = {"crisis": {"kind": kind, "stage": "asked", "score": 0.93}}
    return [
        {"sender_id": sender, "event": "user", "text": text, "timestamp": 1.0, "metadata": {}},
        {"sender_id": sender, "event": "slot", "name": "crisis", "value": kind, "timestamp": 2.0},
        {
            "sender_id": sender,
            "event": "action",
            "name": f"utter_crisis_{kind}",
            "timestamp": 3.0,
            "metadata": told,
        },
        {"sender_id": sender, "event": "bot", "text": "…", "timestamp": 4.0, "metadata": {}},
        {"sender_id": sender, "event": "action", "name": "action_listen", "timestamp": 5.0},
    ]


def test_a_crisis_reply_is_handed_off_with_who_when_kind_and_score_and_nothing_said(receiver: Receiver, folder: Path) -> None:
    behind = Recorder()
    broker = HandOffBroker(Webhook(receiver.url, folder, token="t0ken"), behind)
    for event in turn("약을 먹었어요"):
        broker.publish(event)
    (hand_off,) = receiver.wait_for(1)
    assert hand_off | {"id": ""} == {
        "event": "crisis_hand_off", "id": "", "sender_id": "4f1c", "timestamp": 3.0, "kind": "acted", "stage": "asked",
        "score": 0.93,
    }  # fmt: skip
    assert receiver.tokens == {"Bearer t0ken"}
    assert [event["event"] for event in behind.events] == ["user", "slot", "action", "crisis_hand_off", "bot", "action"]
    asyncio.run(broker.close())
    assert list(folder.iterdir()) == []


def test_ordinary_turns_hand_nothing_off(receiver: Receiver, folder: Path) -> None:
    broker = HandOffBroker(Webhook(receiver.url, folder))
    for event in turn("안녕하세요")[:2] + turn("안녕하세요")[3:]:
        broker.publish(event)
    asyncio.run(broker.close())
    assert receiver.tries == 0


def test_the_message_goes_along_only_if_the_operator_says_so(receiver: Receiver, folder: Path) -> None:
    broker = HandOffBroker(Webhook(receiver.url, folder), with_text=True)
    for event in [*turn("약을 먹었어요"), *turn("도와줘", sender="other")]:
        broker.publish(event)
    assert [hand_off["text"] for hand_off in receiver.wait_for(2)] == ["약을 먹었어요", "도와줘"]


@pytest.mark.parametrize("mood", ["failing", "hanging"])
def test_a_webhook_that_fails_or_hangs_delays_nothing_and_gets_it_later_in_order(
    receiver: Receiver, folder: Path, mood: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.safety.hand_off._TIMEOUT_SECONDS", 0.3)
    receiver.mood = mood
    webhook = Webhook(receiver.url, folder, round_seconds=0.3)
    broker = HandOffBroker(webhook)
    started = time.monotonic()
    for kind in ("thinking", "plan", "acted"):
        for event in turn("…", kind):
            broker.publish(event)
    assert time.monotonic() - started < 0.2
    deadline = time.monotonic() + 15
    while receiver.tries < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert receiver.taken == []
    receiver.mood = "well"
    assert [hand_off["kind"] for hand_off in receiver.wait_for(3)] == ["thinking", "plan", "acted"]


@pytest.mark.parametrize("place", ["folder", "memory"])
def test_one_that_is_refused_holds_no_other_up_and_is_tried_again(receiver: Receiver, tmp_path: Path, place: str) -> None:
    if place == "memory":  # where there can be no folder
        (tmp_path / "hand-off").write_text("", encoding="utf-8")
    receiver.refused = {"thinking": 422}
    broker = HandOffBroker(Webhook(receiver.url, tmp_path / "hand-off", round_seconds=0.3))
    for kind in ("thinking", "plan", "acted"):
        for event in turn("…", kind):
            broker.publish(event)
    assert [hand_off["kind"] for hand_off in receiver.wait_for(2)] == ["plan", "acted"]
    receiver.refused = {}
    assert receiver.wait_for(3)[-1]["kind"] == "thinking"
    asyncio.run(broker.close())


@pytest.mark.parametrize("status", [401, 429])
def test_one_that_would_be_taken_later_keeps_its_place(receiver: Receiver, folder: Path, status: int) -> None:
    receiver.refused = {"thinking": status}
    broker = HandOffBroker(Webhook(receiver.url, folder, round_seconds=0.3))
    for kind in ("thinking", "plan"):
        for event in turn("…", kind):
            broker.publish(event)
    deadline = time.monotonic() + 15
    while receiver.tries < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert receiver.taken == []
    receiver.refused = {}
    assert [hand_off["kind"] for hand_off in receiver.wait_for(2)] == ["thinking", "plan"]


def test_what_was_not_delivered_is_delivered_after_a_restart_and_no_stranger_can_read_it(
    receiver: Receiver, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.mood = "failing"
    webhook = Webhook(receiver.url, folder)
    broker = HandOffBroker(webhook, with_text=True)
    with caplog.at_level(logging.ERROR):
        for event in turn("약을 먹었어요"):
            broker.publish(event)
        deadline = time.monotonic() + 15
        while "did not take" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.05)
    assert "HTTPStatusError 503" in caplog.text
    assert "약을" not in caplog.text
    assert "s3cret" not in caplog.text
    asyncio.run(broker.close())
    (file,) = folder.iterdir()
    assert (file.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
    receiver.mood = "well"
    again = Webhook(receiver.url, folder)
    assert receiver.wait_for(1)[0]["text"] == "약을 먹었어요"
    again.close()
    assert list(folder.iterdir()) == []


def test_what_comes_while_the_webhook_hangs_is_there_after_a_restart(receiver: Receiver, folder: Path) -> None:
    receiver.mood = "hanging"
    broker = HandOffBroker(Webhook(receiver.url, folder))
    for event in turn("…", "thinking"):
        broker.publish(event)
    deadline = time.monotonic() + 15
    while receiver.tries < 1 and time.monotonic() < deadline:
        time.sleep(0.02)
    for event in turn("…", "plan"):
        broker.publish(event)
    asyncio.run(broker.close())
    assert [json.loads(file.read_bytes())["kind"] for file in sorted(folder.iterdir())] == ["thinking", "plan"]


def test_what_is_older_than_a_day_is_given_up(receiver: Receiver, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder.mkdir()
    file = folder / "1-a.json"
    file.write_text("{}", encoding="utf-8")

    os.utime(file, (time.time() - 90_000,) * 2)
    with caplog.at_level(logging.ERROR):
        webhook = Webhook(receiver.url, folder)
        deadline = time.monotonic() + 15
        while file.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        webhook.close()
    assert not file.exists()
    assert receiver.tries == 0
    assert "given up" in caplog.text


def test_a_broker_behind_that_fails_neither_raises_nor_stops_the_hand_off(
    receiver: Receiver, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker = HandOffBroker(Webhook(receiver.url, folder), Recorder(fails=True))
    with caplog.at_level(logging.ERROR):
        for event in turn("죽고 싶어요"):
            broker.publish(event)
    receiver.wait_for(1)
    assert "Recorder did not take an event: ConnectionError" in caplog.text
    assert "죽고" not in caplog.text


def test_a_disk_that_cannot_be_written_is_logged_and_the_event_sent_all_the_same(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    with caplog.at_level(logging.ERROR):
        broker = HandOffBroker(Webhook(receiver.url, blocked / "hand-off", round_seconds=0.1))
        for event in turn("죽고 싶어요"):
            broker.publish(event)
        receiver.wait_for(1)
        asyncio.run(broker.close())
    assert "are sent from memory" in caplog.text


@pytest.mark.parametrize("event", [{}, {"sender_id": "a", "event": "action", "metadata": {"crisis": {}}}, {"event": "action"}])
def test_an_event_it_does_not_know_raises_nothing(event: dict[str, Any]) -> None:
    HandOffBroker(None).publish(event)


def test_rasa_makes_it_from_the_endpoints_file_with_another_behind_it(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAEUM_HAND_OFF_URL", receiver.url)
    monkeypatch.setenv("MAEUM_HAND_OFF_FOLDER", str(tmp_path / "hand-off"))
    behind = {"type": "file", "path": str(tmp_path / "events.log")}
    config = EndpointConfig(type="bot.safety.hand_off.HandOffBroker", broker=behind)
    broker = asyncio.run(EventBroker.create(config))
    assert isinstance(broker, HandOffBroker)
    for event in turn("약을 먹었어요"):
        broker.publish(event)
    receiver.wait_for(1)
    assert "crisis_hand_off" in (tmp_path / "events.log").read_text(encoding="utf-8")


def test_no_webhook_is_said_once_at_the_start(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.delenv("MAEUM_HAND_OFF_URL", raising=False)
    with caplog.at_level(logging.WARNING):
        broker = asyncio.run(EventBroker.create(EndpointConfig(type="bot.safety.hand_off.HandOffBroker")))
    assert isinstance(broker, HandOffBroker)
    for event in turn("죽고 싶어요"):
        broker.publish(event)
    assert caplog.text.count("MAEUM_HAND_OFF_URL is not set") == 1
