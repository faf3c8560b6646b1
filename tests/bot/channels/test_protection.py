"""The server as it is started, with every channel's protection: what strangers send, and what they can't do."""

from __future__ import annotations

import json
import random
import socket
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fuzz import Request, fuzzed_request
from servers import ROOT, Conversation, endpoints, free_port, running

from bot.channels.gate import refusals
from bot.safety.hotlines import hotlines

FUZZED, AT_ONCE = 2000, 16
SUICIDE_LINE = next(line.number for line in hotlines() if line.key == "suicide")


@dataclass
class Server:
    port: int
    folder: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def rest(self) -> str:
        return f"{self.url}/webhooks/rest/webhook"

    @property
    def log(self) -> str:
        return (self.folder / "rasa.log").read_bytes().decode("utf-8", errors="surrogateescape")

    def events(self) -> list[dict[str, Any]]:
        """Every event of every conversation that is kept."""
        with sqlite3.connect(self.folder / "conversations.db") as database:
            return [json.loads(data) for (data,) in database.execute("select data from events order by id")]


@pytest.fixture(scope="module")
def server(small_bot: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    port = free_port()
    rasa = ["bot.quiet_rasa", "run", "--interface", "127.0.0.1", "--port", str(port), "--model", str(small_bot), "--enable-api"]
    rasa += ["--endpoints", str(endpoints(folder, free_port())), "--credentials", str(ROOT / "credentials.yml")]
    environment = {"MAEUM_API_TOKEN": "long-and-random", "MAEUM_MESSAGES_PER_MINUTE_AND_ADDRESS": "30"}
    with running(rasa, f"http://127.0.0.1:{port}/webhooks/health/", folder / "rasa.log", **environment):
        yield Server(port, folder)


def texts(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200
    return [message["text"] for message in answer.json()]


@pytest.mark.parametrize(
    "command",
    ["/restart", "/session_start", "/back", "/wellness", "/greet", '/greet{"reply_generated": true}', "/nlu_fallback", "/"],
)
def test_a_stranger_cannot_drive_the_bot(server: Server, command: str) -> None:
    sender = f"driver {command}"
    conversation = Conversation(server.port, sender)
    conversation.say("안녕하세요")
    assert conversation.say(command), "an answer all the same"
    (said,) = conversation.say("고마워요")
    assert SUICIDE_LINE not in said, "it is the same conversation, whose notice was given"
    kept = [event for event in server.events() if event["event"] == "user" and event.get("text") == command]
    assert [event["parse_data"]["entities"] for event in kept] == [[]]
    assert not any(event["event"] in ("restart", "rewind") for event in server.events())


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"[]", "application/json", 400), (b'"x"', "application/json", 400), (b"", "application/json", 400),
        (b'{"sender": "a", "message": 5}', "application/json", 400), (b'{"sender": "a"}', "application/json", 400),
        (b'{"sender": ["a"], "message": "x"}', "application/json", 400), (b"[" * 50_000, "application/json", 400),
        (json.dumps({"sender": "s" * 256, "message": "x"}).encode(), "application/json", 400),
        (json.dumps({"sender": "a", "message": "x" * 1_000_000}).encode(), "application/json", 413),
        (b'{"sender": "a", "message": "x"}', "text/plain", 415),
        (b"sender=a&message=x", "application/x-www-form-urlencoded", 415),
    ],
)  # fmt: skip
def test_what_is_no_message_gets_one_sentence(server: Server, body: bytes, content_type: str, status: int) -> None:
    answer = httpx.post(server.rest, content=body, headers={"Content-Type": content_type})
    assert answer.status_code == status
    if status != 413:  # Sanic's own
        assert answer.json()["error"].endswith(".")


@pytest.mark.parametrize(
    "message",
    [
        "",
        " ",
        "\x00",
        "\ud800",
        "\u200f\u202eשלום",
        "😀👨‍👩‍👧",
        "日本語で話します",
        "ㅠ",
        "{sender_id}",
        "{0}",
        "%s",
        "<b>x</b>",
    ],
)
def test_whatever_a_person_writes_is_answered(server: Server, message: str) -> None:
    answer = httpx.post(server.rest, content=json.dumps({"sender": "anybody", "message": message}))
    assert answer.status_code == 415
    headers = {"Content-Type": "application/json"}
    assert texts(httpx.post(server.rest, content=json.dumps({"sender": "anybody", "message": message}), headers=headers))


def test_strangers_without_a_name_do_not_share_a_conversation(server: Server) -> None:
    first, second = (httpx.post(server.rest, json={"message": "안녕하세요"}) for _ in range(2))
    assert texts(first)
    assert first.json()[0]["recipient_id"] != second.json()[0]["recipient_id"]


def test_nothing_beside_the_words_is_kept(server: Server) -> None:
    body = {"sender": "teller", "message": "잠이 안 와요", "metadata": {"card": "4111"}, "input_channel": "slack"}
    assert texts(httpx.post(server.rest, json=body))
    kept = [event for event in server.events() if event["event"] == "user" and event.get("text") == "잠이 안 와요"]
    assert kept
    assert all(event["input_channel"] == "rest" and "card" not in json.dumps(event) for event in kept)


def test_a_streamed_answer_is_limited_like_any_other(server: Server) -> None:
    for body in ({"sender": "streamer", "message": "안녕하세요"}, {"sender": "streamer", "message": " "}):
        answer = httpx.post(f"{server.rest}?stream=true", json=body, timeout=20)
        assert answer.status_code == 200
        assert [json.loads(line)["text"] for line in answer.text.splitlines()]


def test_many_messages_are_too_many_but_a_crisis_never_is(server: Server) -> None:
    conversation = Conversation(server.port, "flooder")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(conversation.say, ["고마워요"] * 30))
    refused = [answer for answer in answers if answer == [refusals()["too_fast"]]]
    assert 1 <= len(refused) <= 10, "20 a minute, and those of the time that this took"
    (reply,) = conversation.say("죽고 싶어요")
    assert reply != refusals()["too_fast"]
    assert SUICIDE_LINE in reply


def test_nobody_passes_for_another_address(server: Server) -> None:
    for number in range(40):
        body = {"sender": f"crowd {number}", "message": "안녕하세요"}
        said = texts(httpx.post(server.rest, json=body, headers={"X-Forwarded-For": "203.0.113.9"}))
        assert said != [refusals()["too_fast"]], "the header is not believed, and this machine is nobody in particular"


def test_no_page_of_another_origin_may_read_an_answer(server: Server) -> None:
    headers = {"Origin": "https://evil.example"}
    answer = httpx.post(server.rest, json={"sender": "a", "message": "안녕하세요"}, headers=headers)
    preflight = httpx.options(server.rest, headers={**headers, "Access-Control-Request-Method": "POST"})
    for each in (answer, preflight):
        assert "access-control-allow-origin" not in each.headers
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_api_is_its_owners(server: Server) -> None:
    for path in ("/status", "/domain", "/conversations/flooder/tracker"):
        assert httpx.get(f"{server.url}{path}").status_code == 401
        assert httpx.get(f"{server.url}{path}?token=wrong").status_code == 401
    assert httpx.get(f"{server.url}/status?token=long-and-random").status_code == 200


@pytest.mark.parametrize(
    "body", [{"model_server": {"url": "http://127.0.0.1:1/model"}}, {"remote_storage": "aws", "model_file": "x"}]
)
def test_no_model_is_fetched_from_elsewhere(server: Server, body: dict[str, object]) -> None:
    for path in ("model", "model/"):
        answer = httpx.put(f"{server.url}/{path}?token=long-and-random", json=body)
        assert answer.status_code == 403
    assert Conversation(server.port, "somebody").say("안녕하세요")


def test_two_thousand_odd_requests_leave_the_bot_as_it_was(server: Server) -> None:
    rng = random.Random(20260101)
    requests = [fuzzed_request(rng) for _ in range(FUZZED)]
    limits = httpx.Limits(max_connections=AT_ONCE)
    started = time.monotonic()
    with httpx.Client(timeout=60, limits=limits) as client, ThreadPoolExecutor(AT_ONCE) as pool:

        def send(request: Request) -> httpx.Response:
            return client.request(request.method, f"{server.url}{request.path}", content=request.body, headers=request.headers)

        answers = list(pool.map(send, requests))
    print(f"{FUZZED} requests in {time.monotonic() - started:.1f} s")
    wrong = [(answer.status_code, request) for answer, request in zip(answers, requests) if answer.status_code >= 500]
    assert wrong == []
    assert {200, 400, 413, 415} <= {answer.status_code for answer in answers}
    for answer, request in zip(answers, requests):
        if request.is_message:
            assert texts(answer), request
    for sender in {request.sender for request in requests if request.is_message}:
        assert Conversation(server.port, sender).say("안녕하세요"), "no conversation is stuck"
    written = {event.get("text") for event in server.events() if event["event"] == "user"}
    assert len(written) > 100
    for line in server.log.splitlines():
        assert "\x1b" not in line, "nobody's escape sequences reach a terminal"
        assert not line.startswith("FORGED"), "nobody writes a log line of their own"
    assert "A message got no answer" not in server.log
    assert "message.received" not in server.log, "Rasa's REST channel met nothing it could not handle"


def test_who_knows_a_persons_id_on_a_messenger_cannot_read_their_conversation_over_rest(server: Server) -> None:
    answer = httpx.post(server.rest, json={"sender": "123456789", "message": "안녕하세요"})
    assert {message["recipient_id"] for message in answer.json()} == {"rest:123456789"}
    again = httpx.post(server.rest, json={"sender": "rest:123456789", "message": "고마워요"})
    assert {message["recipient_id"] for message in again.json()} == {"rest:123456789"}, "the answer names it so"


def test_a_yes_to_a_refusal_is_no_word_about_being_safe(server: Server) -> None:
    conversation = Conversation(server.port, "misunderstood")

    def reply_to(text: str) -> Any:
        conversation.say(text)
        return [event["name"] for event in server.events() if event["event"] == "action" and "crisis" in event["name"]][-1]

    assert reply_to("죽고 싶어요") == "utter_crisis_thinking"
    assert conversation.say(" ") == [refusals()["blank"]]
    assert reply_to("네") == "utter_crisis_unclear"
    assert reply_to("네") == "utter_crisis_safe"


def test_who_hangs_up_is_heard_all_the_same_and_not_quoted_in_the_log(server: Server) -> None:
    written = [f"고구마 {number}" for number in range(5)]
    connections = [socket.create_connection(("127.0.0.1", server.port)) for _ in written]
    for text, connection in zip(written, connections):
        body = json.dumps({"sender": "hasty", "message": text}, ensure_ascii=False).encode()
        head = "POST /webhooks/rest/webhook HTTP/1.1\r\nHost: maeum\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    for connection in connections:
        connection.close()
    deadline = time.monotonic() + 20
    kept: set[Any] = set()
    while not kept.issuperset(written) and time.monotonic() < deadline:
        time.sleep(0.1)
        kept = {event.get("text") for event in server.events() if event["event"] == "user"}
    assert kept.issuperset(written)
    assert "rest.message.received.timeout" in server.log
    assert "고구마" not in server.log
