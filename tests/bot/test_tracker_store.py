"""The tracker store by itself, over SQLite: what it keeps, under which name, and what deletion leaves."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from no_trace import PERSONAL, traces
from postgres import postgres
from rasa.core.brokers.broker import EventBroker
from rasa.core.tracker_store import create_tracker_store
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import ActionExecuted, BotUttered, SessionStarted, SlotSet, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.exceptions import RasaException
from rasa.utils.endpoints import EndpointConfig
from servers import ROOT

from bot.own_data import FORGOTTEN, MY_DATA, NO_DATA, PRIVACY, UNREACHABLE, own_data
from bot.safety import pseudonym as names
from bot.safety.pseudonym import pseudonym
from bot.tracker_store import PrivateTrackerStore, StoreUnreachableError

SOMEONE = "kakao-4f2a-someone"
DOMAIN = Domain.from_yaml("slots:\n  anything:\n    type: any\n    mappings:\n    - type: custom\n")


class ListBroker(EventBroker):
    """Keeps what is published."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.fails = False

    def publish(self, event: dict[str, Any]) -> None:
        if self.fails:
            raise ConnectionError("no broker")
        self.events.append(event)


@pytest.fixture
def broker() -> ListBroker:
    return ListBroker()


@pytest.fixture
def store(tmp_path: Path, broker: ListBroker, monkeypatch: pytest.MonkeyPatch) -> Iterator[PrivateTrackerStore]:
    monkeypatch.setenv("MAEUM_SECRET", "a secret for tests alone")
    names._key.cache_clear()
    yield PrivateTrackerStore(DOMAIN, event_broker=broker, db=str(tmp_path / "conversations.db"))
    names._key.cache_clear()


def turn(store: PrivateTrackerStore, text: str, *more: Any, sender_id: str = SOMEONE) -> DialogueStateTracker:
    """One turn as Rasa's processor makes it: fetch, add, save."""

    async def run() -> DialogueStateTracker:
        tracker = await store.get_or_create_tracker(sender_id, append_action_listen=False)
        if not tracker.events:
            tracker.update(SessionStarted())
        tracker.update(
            UserUttered(text, {"name": "greet", "confidence": 1.0}, parse_data={"text": text, "intent": {"name": "greet"}})
        )
        for event in more:
            tracker.update(event)
        await store.save(tracker)
        return tracker

    return asyncio.run(run())


def texts(store: PrivateTrackerStore, sender_id: str = SOMEONE) -> list[str]:
    tracker = asyncio.run(store.retrieve(sender_id))
    return [event.text for event in tracker.events if isinstance(event, UserUttered)] if tracker else []


def rows(folder: Path) -> list[tuple[str, str]]:
    with sqlite3.connect(folder / "conversations.db") as connection:
        return connection.execute("SELECT sender_id, data FROM events ORDER BY id").fetchall()


def test_a_conversation_comes_back_under_its_own_name_and_is_kept_under_another(
    store: PrivateTrackerStore, tmp_path: Path
) -> None:
    turn(store, "잠이 안 와요")
    turn(store, "오늘도 그래요")
    tracker = asyncio.run(store.retrieve(SOMEONE))
    assert tracker is not None
    assert tracker.sender_id == SOMEONE, "replies go there"
    assert texts(store) == ["잠이 안 와요", "오늘도 그래요"]
    assert texts(store, "someone else") == []
    assert {name for name, _ in rows(tmp_path)} == {str(pseudonym(SOMEONE))}
    assert len(rows(tmp_path)) == 3
    assert traces([SOMEONE], [tmp_path]) == []


def test_personal_data_is_masked_wherever_an_event_holds_it(
    store: PrivateTrackerStore, broker: ListBroker, tmp_path: Path
) -> None:
    turn(store, "안녕")  # Rasa gives back what came after the session's start
    for kind, personal in PERSONAL.items():
        entity = {"entity": "number", "value": personal, "start": 0, "end": len(personal)}
        user = UserUttered(
            f"이거 {personal} 예요", {"name": "greet"}, [entity],
            {"text": personal, "intent": {"name": "greet"}, "entities": [entity]},
            metadata={"user": SOMEONE, "deep": [{personal: personal}]},
        )  # fmt: skip
        turn(store, personal, user, SlotSet("anything", {"x": [personal]}), BotUttered(personal, {"custom": {"a": personal}}))
        assert f"이거 [{kind}] 예요" in texts(store)
    assert traces([*PERSONAL.values(), SOMEONE], [tmp_path, json.dumps(broker.events, ensure_ascii=False).encode()]) == []
    assert traces(["[전화번호]"], [tmp_path]) != [], "or the search finds nothing whatever is there"


def test_the_broker_gets_each_event_once_with_the_hashed_name_and_its_failure_loses_nothing(
    store: PrivateTrackerStore, broker: ListBroker
) -> None:
    turn(store, "안녕")
    assert [(event["event"], event["sender_id"]) for event in broker.events] == [
        ("session_started", pseudonym(SOMEONE)), ("user", pseudonym(SOMEONE)),
    ]  # fmt: skip
    broker.fails = True
    turn(store, "잠이 안 와요")
    assert texts(store) == ["안녕", "잠이 안 와요"]


def test_a_hash_is_nobodys_way_into_a_conversation(store: PrivateTrackerStore) -> None:
    turn(store, "비밀이에요")
    assert texts(store, str(pseudonym(SOMEONE))) == []
    (key,) = asyncio.run(store.keys())
    assert texts(store, key) == ["비밀이에요"], "but for Rasa's own export"


def test_erasing_leaves_no_byte_and_the_turns_own_save_brings_nothing_back(
    store: PrivateTrackerStore, broker: ListBroker, tmp_path: Path
) -> None:
    turn(store, "아무에게도 하지 않은 이야기")
    turn(store, "남의 이야기", sender_id="another person")

    async def forget() -> None:
        tracker = await store.get_or_create_tracker(SOMEONE)
        tracker.update(UserUttered("네, 지워 주세요", {"name": "affirm"}))
        assert own_data(FORGOTTEN, SOMEONE) == (FORGOTTEN, {})
        tracker.update(ActionExecuted(FORGOTTEN))
        await store.save(tracker)

    asyncio.run(forget())
    assert traces(["아무에게도 하지 않은 이야기", "네, 지워 주세요", pseudonym(SOMEONE)], [tmp_path]) == []
    assert traces(["남의 이야기", pseudonym("another person")], [tmp_path]) != []
    assert broker.events[-1]["event"] == "conversation_erased"
    assert broker.events[-1]["sender_id"] == pseudonym(SOMEONE)
    turn(store, "다시 왔어요")
    assert texts(store) == ["다시 왔어요"]


def test_a_turn_that_broke_after_erasing_does_not_cost_the_next_one(store: PrivateTrackerStore) -> None:
    turn(store, "안녕")
    store.erase(SOMEONE)
    turn(store, "다시 왔어요")
    assert texts(store) == ["다시 왔어요"]


def test_what_is_kept_is_told_as_it_is_stored(store: PrivateTrackerStore) -> None:
    assert own_data(MY_DATA, SOMEONE) == (NO_DATA, {"days": "30"})
    for number in range(5):
        turn(store, f"{number}번째 이야기 {PERSONAL['전화번호']}")
    action, values = own_data(MY_DATA, SOMEONE)
    assert action == MY_DATA
    assert values["messages"] == 5
    assert values["latest"] == "· 2번째 이야기 [전화번호]\n· 3번째 이야기 [전화번호]\n· 4번째 이야기 [전화번호]"
    assert own_data(PRIVACY, SOMEONE) == (PRIVACY, {"days": "30"})
    assert own_data("utter_greet", SOMEONE) == ("utter_greet", {})


def test_while_the_database_is_away_the_conversation_goes_on_and_is_saved_when_it_is_back(
    store: PrivateTrackerStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn(store, "하나")
    (tmp_path / "conversations.db").rename(tmp_path / "away")
    (tmp_path / "conversations.db").mkdir()
    turn(store, "둘")
    turn(store, f"셋 {PERSONAL['전화번호']}")
    assert texts(store) == ["둘", "셋 [전화번호]"]
    assert own_data(FORGOTTEN, SOMEONE) == (UNREACHABLE, {}), "nobody is told that what is kept has gone"
    assert own_data(MY_DATA, SOMEONE) == (UNREACHABLE, {})
    (tmp_path / "conversations.db").rmdir()
    (tmp_path / "away").rename(tmp_path / "conversations.db")
    monkeypatch.setattr(store, "_retry_at", 0.0)
    turn(store, "넷")
    assert [json.loads(data)["text"] for _, data in rows(tmp_path) if '"user"' in data] == ["하나", "둘", "셋 [전화번호]", "넷"]
    assert texts(store) == ["둘", "셋 [전화번호]", "넷"], "the session that began without the database"


def test_the_key_is_made_once_for_this_user_alone_and_its_loss_hides_what_was_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    monkeypatch.delenv("MAEUM_SECRET", raising=False)
    monkeypatch.setenv("MAEUM_SECRET_FILE", str(file))
    names._key.cache_clear()
    first = pseudonym(SOMEONE)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    names._key.cache_clear()
    assert pseudonym(SOMEONE) == first
    file.unlink()
    names._key.cache_clear()
    assert pseudonym(SOMEONE) != first
    for content, secret in (("short", ""), ("", "short")):
        file.write_text(content, encoding="utf-8")
        monkeypatch.setenv("MAEUM_SECRET", secret)
        names._key.cache_clear()
        with pytest.raises(RasaException, match=r"MAEUM_SECRET|this is no key"):
            PrivateTrackerStore(db=str(tmp_path / "conversations.db"))
    names._key.cache_clear()


def test_the_file_is_this_users_alone(store: PrivateTrackerStore, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "conversations.db").stat().st_mode) == 0o600


@pytest.mark.parametrize("days", [0, -1, "thirty", None, True])
def test_a_retention_that_is_no_time_is_refused(days: Any, tmp_path: Path) -> None:
    with pytest.raises(RasaException, match="retention_days"):
        PrivateTrackerStore(db=str(tmp_path / "conversations.db"), retention_days=days)


def retention(folder: Path, *options: str, **store: Any) -> subprocess.CompletedProcess[str]:
    """The command, over an endpoints.yml in the folder."""
    settings = {"type": "bot.tracker_store.PrivateTrackerStore", "db": str(folder / "conversations.db"), **store}
    (folder / "endpoints.yml").write_text(yaml.safe_dump({"tracker_store": settings}), encoding="utf-8")
    command = [sys.executable, "-m", "bot.retention", "--endpoints", str(folder / "endpoints.yml"), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_retention_deletes_what_is_old_for_good_and_leaves_what_is_not(store: PrivateTrackerStore, tmp_path: Path) -> None:
    long_ago = time.time() - 40 * 86_400
    old = UserUttered("마흔 날 전 이야기", {"name": "greet"}, timestamp=long_ago)
    asyncio.run(store.save(DialogueStateTracker.from_events("gone", [old])))
    turn(store, "오늘 이야기")
    done = retention(tmp_path, retention_days=30)
    assert (done.returncode, done.stdout[:42]) == (0, "Deleted 1 events of 1 conversations, from ")
    assert traces(["마흔 날 전 이야기", pseudonym("gone")], [tmp_path]) == []
    assert texts(store) == ["오늘 이야기"]
    assert retention(tmp_path, "--days", "0").returncode == 0
    assert rows(tmp_path) == []


def test_retention_empties_postgresql_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAEUM_SECRET", "a secret for tests alone")
    names._key.cache_clear()
    with postgres() as database:
        store = create_tracker_store(EndpointConfig.from_dict(database.tracker_store()), DOMAIN)
        assert isinstance(store, PrivateTrackerStore)
        turn(store, f"아무에게도 하지 않은 이야기 {PERSONAL['전화번호']}")
        assert texts(store) == ["아무에게도 하지 않은 이야기 [전화번호]"]
        store._execute("CHECKPOINT")  # what is in memory goes to the files
        assert traces(["아무에게도 하지 않은 이야기"], [database.folder / "base"]) != []
        done = retention(tmp_path, "--days", "0", **database.tracker_store())
        assert (done.returncode, done.stdout[:41]) == (0, "Deleted 2 events of 1 conversations, from")
        store._execute("CHECKPOINT")
        assert traces(["아무에게도 하지 않은 이야기"], [database.folder / "base", database.dump()]) == []
        assert texts(store) == []
    names._key.cache_clear()


def test_retention_on_postgresql_may_take_longer_than_a_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAEUM_SECRET", "a secret for tests alone")
    monkeypatch.setattr("bot.tracker_store._STATEMENT_TIMEOUT", 1)
    names._key.cache_clear()
    with postgres() as database:
        store = create_tracker_store(EndpointConfig.from_dict(database.tracker_store()), DOMAIN)
        assert isinstance(store, PrivateTrackerStore)
        turn(store, "잠이 안 와요")
        store._execute(
            "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1.5); RETURN NULL; END $$",
            "CREATE TRIGGER wait BEFORE DELETE ON events EXECUTE FUNCTION wait()",
        )
        with pytest.raises(StoreUnreachableError):
            store.erase(SOMEONE)
        monkeypatch.setattr(store, "_retry_at", 0.0)
        assert store.erase_before(time.time() + 1) == (2, 1)
    names._key.cache_clear()


def test_retention_says_in_a_sentence_what_is_wrong(tmp_path: Path) -> None:
    for done in (
        retention(tmp_path, type="SQL"),
        retention(tmp_path, retention_days=0),
        retention(tmp_path, "--days", "-1"),
        retention(tmp_path, db=str(tmp_path / "nowhere" / "conversations.db")),
    ):
        assert done.returncode == 2
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        assert done.stderr.strip()
