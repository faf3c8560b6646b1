"""Personal data through a whole server, over SQLite and PostgreSQL, at DEBUG: what it leaves, shows and deletes.

The action server is down all the while: none of this needs it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from no_trace import PERSONAL, traces
from postgres import Postgres, postgres
from servers import Conversation, free_port, running

SECRET = "a secret for tests alone"
# Also known as a text that must be found, for the searches to mean anything.
CANARY = "요즘 잠이 안 와서 힘들어요"


@dataclass
class Bot:
    """A running server and where it leaves things."""

    port: int
    folder: Path
    database: Postgres | None
    called_back: list[dict[str, Any]] = field(default_factory=list)

    @property
    def log(self) -> Path:
        return self.folder / "rasa.log"

    def kept(self) -> list[Path | bytes]:
        """All that the server wrote, its database's own files and log among it."""
        if self.database is None:
            return [self.folder]
        return [self.folder, self.database.folder.parent, self.database.dump()]

    def conversations(self) -> list[Path | bytes]:
        """The database: SQLite's file, or all that PostgreSQL would tell."""
        return [self.database.dump() if self.database else self.folder / "conversations.db"]

    def post(self, channel: str, body: Any) -> httpx.Response:
        return httpx.post(f"http://127.0.0.1:{self.port}/webhooks/{channel}/webhook", json=body, timeout=30)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def bot(request: pytest.FixtureRequest, small_bot: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    folder = tmp_path_factory.mktemp(request.param)
    with ExitStack() as stack:
        database = stack.enter_context(postgres()) if request.param == "postgresql" else None
        yield stack.enter_context(serving(folder, small_bot, database))


@contextmanager
def serving(folder: Path, model: Path, database: Postgres | None) -> Iterator[Bot]:
    """The bot over the database (SQLite if None), with a file as its event broker and somebody to call back."""
    bot = Bot(free_port(), folder, database)
    with calls_into(bot.called_back) as url:
        store = {"type": "bot.tracker_store.PrivateTrackerStore", "db": str(folder / "conversations.db"), "retention_days": 30}
        endpoints = {
            "tracker_store": database.tracker_store() if database else store,
            "event_broker": {"type": "file", "path": str(folder / "events.json")},
            "nlg": {"type": "bot.nlg.CarefulResponseGenerator"},
            "action_endpoint": {"url": f"http://127.0.0.1:{free_port()}/webhook"},
        }
        (folder / "endpoints.yml").write_text(yaml.safe_dump(endpoints), encoding="utf-8")
        credentials = {"rest": None, "callback": {"url": url}, "bot.channels.health.HealthInput": None}
        (folder / "credentials.yml").write_text(yaml.safe_dump(credentials), encoding="utf-8")
        command = [
            "bot.quiet_rasa",
            "run",
            "--debug",
            "--port",
            str(bot.port),
            "--interface",
            "127.0.0.1",
            "--model",
            str(model),
        ]
        command += ["--endpoints", str(folder / "endpoints.yml"), "--credentials", str(folder / "credentials.yml")]
        ready = f"http://127.0.0.1:{bot.port}/webhooks/health/"
        with running(command, ready, bot.log, MAEUM_SECRET=SECRET, LOG_LEVEL_LIBRARIES="DEBUG"):
            yield bot


@contextmanager
def calls_into(calls: list[dict[str, Any]]) -> Iterator[str]:
    """The URL of a server that puts each JSON posted to it in the list."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            calls.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def test_one_piece_of_each_kind_over_rest_and_callback_leaves_no_trace(bot: Bot) -> None:
    senders = []
    for number, (kind, personal) in enumerate(PERSONAL.items()):
        senders += [f"rest-person-{number}", f"callback-person-{number}"]
        text = f"{CANARY}. {kind} {personal} 이에요"
        body = {"sender": senders[-2], "message": text, "metadata": {"user": senders[-2], "note": [personal]}}
        assert bot.post("rest", body).json()[0]["text"]
        assert bot.post("callback", {"sender": senders[-1], "message": text}).is_success
        # Turns that break: no text, and Rasa's own syntax, on which it raises and logs what it got.
        assert bot.post("rest", {"sender": senders[-2], "message": {"text": personal}}).status_code < 600
        assert bot.post("rest", {"sender": senders[-2], "message": f"/wellness {personal}"}).status_code < 600
        assert bot.post("rest", [personal]).status_code < 600
    assert {call["recipient_id"] for call in bot.called_back} >= set(senders[1::2]), "replies reach people under their own ids"
    time.sleep(1)
    settings = [bot.folder / "endpoints.yml", bot.folder / "credentials.yml"]
    assert [trace for place in bot.kept() for trace in traces([*PERSONAL.values(), *senders], [place], settings)] == []
    log = bot.log.read_text(encoding="utf-8")
    assert "Traceback" in log or '"exc_type"' in log, "turns that broke were logged"
    assert "[전화번호]" in log
    events = [json.loads(line) for line in (bot.folder / "events.json").read_text(encoding="utf-8").splitlines()]
    assert {event["event"] for event in events} >= {"user", "bot", "action", "session_started"}
    assert all(len(event["sender_id"]) == 64 for event in events)
    assert traces([f"{CANARY}. 전화번호 [전화번호] 이에요"], bot.conversations()) != [], "what is not personal was kept"


def test_a_person_sees_what_is_kept_keeps_it_and_then_has_it_deleted(bot: Bot) -> None:
    someone, other = Conversation(bot.port, "someone-who-leaves"), Conversation(bot.port, "someone-who-stays")
    stays, goes = "요즘 우울해요 강아지 이름은 보리예요", "요즘 잠이 안 와요 고양이 이름은 나비예요"
    other.say(stays)
    assert "저장돼 있는 이야기가 없어요" in someone.say("내 기록 보여줘")[0]
    someone.say(goes)
    shown = someone.say("내 기록 보여줘")[0]
    assert goes in shown
    assert "메시지 2개" in shown
    assert "30일" in someone.say("상담 기록 남나요")[0]
    for answer in ("아니요, 그대로 둘게요", "요즘 잠이 안 와요"):
        assert "'네'" in someone.say("내 기록 지워줘")[0]
        someone.say(answer)
        assert "모두 지웠어요" not in "".join(someone.say("네")), "only a yes right after the question deletes"
    assert traces([goes], bot.conversations()) != []
    asked = bot.post("rest", {"sender": "someone-who-leaves", "message": "내 기록 지워줘"}).json()
    assert [button["payload"] for button in asked[0]["buttons"]] == ["네, 지워 주세요", "아니요, 그대로 둘게요"]
    assert "모두 지웠어요" in someone.say("네, 지워 주세요")[0]
    assert traces([goes, "네, 지워 주세요", "상담 기록 남나요"], bot.conversations()) == []
    assert traces([stays], bot.conversations()) != []
    assert "저장돼 있는 이야기가 없어요" in someone.say("내 기록 보여줘")[0]


def test_replies_go_on_while_postgresql_is_away_and_are_kept_when_it_is_back(small_bot: Path, tmp_path: Path) -> None:
    with postgres() as database, serving(tmp_path, small_bot, database) as bot:
        someone = Conversation(bot.port, "someone-in-need")
        someone.say("안녕하세요")
        database.stop()
        start = time.monotonic()
        assert someone.say("밤에 잠이 안 와요")
        assert time.monotonic() - start < 5
        assert someone.say("데이터베이스가 없을 때 한 이야기")
        assert "지우지도 못했어요" in someone.say("내 기록 보여줘")[0]
        database.start()
        time.sleep(11)
        assert someone.say("요즘 우울해요")
        assert traces(["데이터베이스가 없을 때 한 이야기"], [database.dump()]) != []
        assert "메시지 5개" in someone.say("내 기록 보여줘")[0]
