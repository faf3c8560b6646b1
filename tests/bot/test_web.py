"""The web chat in Chromium on the bot as it is served, and what its socket lets others do."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from browser import Watch, chromium
from playwright.sync_api import Browser, BrowserContext, Page, expect
from rasa.core.channels.channel import UserMessage
from rasa.shared.exceptions import InvalidConfigException
from servers import MODEL, ROOT, endpoints, free_port, running
from socket_client import SOCKET, client, message, run
from socketio import AsyncServer

from bot.channels.gate import Gate, Handler, Limits, refusals
from bot.channels.web import WebInput, WebOutput
from bot.safety.hotlines import hotlines


class Bot:
    """The Rasa server, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._process: Any = None

    def start(self) -> None:
        command = ["bot.quiet_rasa", "run", "--interface", "127.0.0.1", "--port", str(self.port), "--model", str(MODEL)]
        command += ["--endpoints", str(endpoints(self._folder, free_port())), "--credentials", str(ROOT / "credentials.yml")]
        ready = f"{self.address}/webhooks/health/"
        self._process = running(command, ready, self._folder / "rasa.log", MAEUM_WEB_KEY="k" * 32)
        self.process: subprocess.Popen[bytes] = self._process.__enter__()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        self._process.__exit__(None, None, None)

    def times_heard(self, text: str) -> int:
        """How often the conversations have the text as something a person said."""
        with sqlite3.connect(self._folder / "conversations.db") as database:
            rows = database.execute("select data from events where type_name = 'user'").fetchall()
        return sum(f'"text": {json.dumps(text)}' in data for (data,) in rows)

    @property
    def log(self) -> str:
        return (self._folder / "rasa.log").read_text(encoding="utf-8", errors="replace")


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    bot = Bot(tmp_path_factory.mktemp("web"))
    bot.start()
    yield bot
    bot.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    with browser.new_context(locale="ko-KR") as context:
        yield context


def visit(context: BrowserContext, bot: Bot) -> tuple[Page, Watch]:
    page = context.new_page()
    watch = Watch(page)
    page.goto(bot.address)
    return page, watch


def say(page: Page, text: str) -> None:
    page.get_by_label("보낼 말").fill(text)
    page.get_by_role("button", name="보내기", exact=True).click()


def answers(page: Page, count: int) -> None:
    """Waits until the bot has said so much and every message has got through."""
    expect(page.locator(".bot")).to_have_count(count)
    expect(page.locator(".trouble")).to_have_count(0)


def test_a_conversation(bot: Bot, context: BrowserContext) -> None:
    page, watch = visit(context, bot)
    say(page, "안녕하세요")
    answers(page, 2)
    expect(page.locator(".bot").last).to_contain_text("의사나 상담사가 아니고")
    say(page, "요즘 밤에 잠이 안 와요")
    answers(page, 3)
    assert watch.complaints == []
    assert watch.hosts == {f"127.0.0.1:{bot.port}"}
    page.reload()
    painted = page.wait_for_function("performance.getEntriesByName('first-contentful-paint')[0]?.startTime").json_value()
    sizes = page.evaluate("performance.getEntries().map(entry => [entry.name, entry.decodedBodySize ?? 0])")
    print(f"\nfirst contentful paint {painted:.0f} ms, {sum(size for _, size in sizes)} bytes in {len(sizes)} entries")


def test_a_crisis_gets_its_reply_with_a_number_to_tap(bot: Bot, context: BrowserContext) -> None:
    page, _ = visit(context, bot)
    say(page, "죽고 싶어요")
    expect(page.locator(".bot").first.locator("a[href='tel:109']").first).to_be_visible()
    page.get_by_role("link", name="지금 도움이 필요해요").click()
    for line in hotlines():
        expect(page.get_by_role("dialog").locator(f"a[href='{line.url}']")).to_be_visible()


def test_a_reload_keeps_what_was_said_and_what_was_being_written(bot: Bot, context: BrowserContext) -> None:
    page, _ = visit(context, bot)
    say(page, "안녕하세요")
    answers(page, 2)
    said = page.locator("#log").inner_text()
    page.get_by_label("보낼 말").fill("쓰다 만 말")
    page.reload()
    assert page.locator("#log").inner_text() == said
    expect(page.get_by_label("보낼 말")).to_have_value("쓰다 만 말")
    say(page, "잠이 안 와요")
    # The notice isn't said again: it is the same conversation.
    answers(page, 3)


def test_deleting_forgets_the_words_and_the_session_in_every_tab(bot: Bot, context: BrowserContext) -> None:
    page, _ = visit(context, bot)
    say(page, "안녕하세요")
    answers(page, 2)
    other, _ = visit(context, bot)
    answers(other, 2)
    session = page.evaluate("localStorage['maeum.session']")
    page.get_by_label("보낼 말").fill("쓰다 만 말")

    page.get_by_role("button", name="대화 지우기").click()
    page.get_by_role("button", name="그대로 두기").click()
    answers(page, 2)
    page.get_by_role("button", name="대화 지우기").click()
    page.get_by_role("button", name="지우기", exact=True).click()

    for tab in (page, other):
        expect(tab.locator("#log > *")).to_have_count(0)
    expect(page.get_by_label("보낼 말")).to_have_value("")
    page.wait_for_function("session => ![undefined, session].includes(localStorage['maeum.session'])", arg=session)
    assert "안녕" not in page.evaluate("JSON.stringify(localStorage)")
    say(other, "잠이 안 와요")
    # The notice is said again: it is another conversation.
    answers(other, 2)
    answers(page, 2)


def test_the_conversation_goes_on_by_itself_when_the_server_was_killed_and_is_back(bot: Bot, context: BrowserContext) -> None:
    page, watch = visit(context, bot)
    say(page, "안녕하세요")
    answers(page, 2)
    page.evaluate("navigator.serviceWorker.ready.then(() => 0)")
    bot.kill()
    try:
        first, second = "사장님이 미워서 회사에 가기 싫어요", "남편이랑 어제 또 싸웠어요"
        say(page, first)
        expect(page.locator("#connection")).to_contain_text("연결이 잠시 끊겼어요")
        say(page, second)
        page.get_by_label("보낼 말").fill("쓰다 만 말")
        expect(page.get_by_text("이어지면 보낼게요")).to_have_count(2)

        reloaded, _ = visit(context, bot)
        expect(reloaded.get_by_text(second)).to_be_visible()
        reloaded.get_by_role("link", name="지금 도움이 필요해요").click()
        expect(reloaded.get_by_role("dialog").locator("a[href='tel:109']")).to_be_visible()
    finally:
        bot.start()
    expect(page.locator(".trouble")).to_have_count(0)
    expect(page.locator("#connection")).to_be_empty()
    expect(page.get_by_label("보낼 말")).to_have_value("쓰다 만 말")
    who = page.locator("#log > *").evaluate_all("elements => elements.map(element => element.classList[1])")
    assert who == ["person", "bot", "bot", "person", "bot", "person", "bot"], "each is answered once, and in its place"
    for text in (first, second):
        assert bot.times_heard(text) == 1, "though two tabs had it to send"
    assert not [complaint for complaint in watch.complaints if complaint.startswith("policy:")]


def test_the_page_is_served_with_a_strict_policy(bot: Bot) -> None:
    answer = httpx.get(bot.address)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert httpx.get(bot.address, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    for path in ("words.yml", "index.html/..", "..%2f..%2fcredentials.yml", "page.py", "%2e%2e/sessions.py"):
        assert httpx.get(f"{bot.address}/webhooks/web/{path}").status_code == 404, path


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://127.0.0.1:{port}"}, 101),
        ({"Origin": "https://127.0.0.1:{port}"}, 101),  # a proxy speaks TLS
        ({}, 101),
        ({"Origin": "http://evil.test"}, 400),
        ({"Origin": "http://127.0.0.1.evil.test:{port}"}, 400),
        ({"Origin": "null"}, 400),
        ({"Origin": "http://evil.test", "X-Forwarded-Host": "evil.test"}, 400),
    ],
)
def test_only_the_page_of_this_server_may_open_the_socket(bot: Bot, headers: dict[str, str], status: int) -> None:
    headers = {name: value.format(port=bot.port) for name, value in headers.items()}
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "a" * 22 + "==",
    }
    with httpx.stream("GET", f"{bot.address}{SOCKET}?EIO=4&transport=websocket", headers={**upgrade, **headers}) as answer:
        assert answer.status_code == status
        assert "Access-Control-Allow-Origin" not in answer.headers or status == 101


def test_behind_a_proxy_only_the_named_origins_may() -> None:
    channel = WebInput.from_credentials({"allowed_origins": ["https://chat.example.org"]})
    assert channel._is_allowed("https://chat.example.org", {"HTTP_HOST": "127.0.0.1:5005"})
    assert not channel._is_allowed("http://127.0.0.1:5005", {"HTTP_HOST": "127.0.0.1:5005"})
    for wrong in ("*", ["*"], ["chat.example.org"], ["https://chat.example.org/"], ["https://*.example.org"], [1]):
        with pytest.raises(InvalidConfigException, match="allowed_origins"):
            WebInput.from_credentials({"allowed_origins": wrong})


def test_a_session_cannot_be_chosen_guessed_or_joined(bot: Bot) -> None:
    async def scenario() -> None:
        async with client(bot.port) as person:
            token = person.token.result()
            session_id, signature = token.split(".")
            forged = [f"{session_id}.", f"{session_id}.{signature[:-1]}", f"{session_id}.{'0' * 64}", f"chosen.{signature}",
                      session_id, f"web-{session_id}", signature, "마음", "", 1, None, [token], {"a": 1}]  # fmt: skip
            tokens = [token]
            for attempt in forged:
                async with client(bot.port, attempt) as stranger:
                    tokens.append(stranger.token.result())
                    await person.say(message("안녕하세요"))
                    await stranger.say(message("안녕하세요", session_id=token))
                    assert len(stranger.heard) == 2, "an answer and the notice, as in a new conversation, and nobody else's"
                    assert not {said["id"] for said in stranger.heard} & {said["id"] for said in person.heard}
            assert len(set(tokens)) == len(tokens)
            async with client(bot.port, token) as again:
                assert again.token.result() == token
                await person.say(message("잠이 안 와요"))
                await again.say(message("안녕하세요"))
                assert again.heard[0] in person.heard, "who has the token is in the conversation"

    run(scenario())


def test_a_message_sent_again_gets_the_same_answer_and_is_heard_once(bot: Bot) -> None:
    async def scenario() -> None:
        text = "팀장님이 사람들 앞에서 소리를 질러요"
        sent = message(text)
        async with client(bot.port) as person:
            first, second = await asyncio.gather(person.say(sent), person.say(sent))
            assert first == second
            assert first["status"] == "answered"
            assert len(first["messages"]) == 2
        async with client(bot.port, person.token.result()) as person:
            assert await person.say(sent) == first
        assert bot.times_heard(text) == 1

    run(scenario())


def test_a_yes_that_was_written_before_the_question_was_there_is_not_an_answer_to_it(bot: Bot) -> None:
    async def scenario() -> None:
        async with client(bot.port) as person:
            await person.say(message("죽고 싶어요"))
            asked_again = await person.say(message("네") | {"early": True})
            assert asked_again["messages"][-1]["quick_replies"][0]["title"] == "네, 안전해요"
            believed = await person.say(message("네"))
            assert "네, 안전해요" not in [choice["title"] for choice in believed["messages"][-1].get("quick_replies", [])]

    run(scenario())


def test_the_word_that_a_turn_failed_does_not_stand_where_the_answer_will(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.channels.gate._TURN_SECONDS", 0.1)

    async def hangs(agent: Any, message: UserMessage) -> None:
        await asyncio.sleep(60)

    async def replies(agent: Any, message: UserMessage) -> None:
        await message.output_channel.send_response(message.sender_id, {"text": "네, 듣고 있어요."})

    async def scenario() -> None:
        gate, sio, agent = Gate(Limits()), AsyncServer(async_mode="sanic"), SimpleNamespace(is_ready=lambda: True)

        async def said(handler: Handler) -> list[dict[str, Any]]:
            output = WebOutput(sio, "bot_uttered", reply_to="0" * 32)
            await gate.handle(agent, UserMessage("안녕하세요", output, "web-1", input_channel="web"), handler)
            return output.messages

        failed, answer = [*await said(hangs), *await said(replies)]
        assert failed["text"] == refusals()["failed"]
        assert answer == {"id": f"{'0' * 32}-0", "reply_to": "0" * 32, "text": "네, 듣고 있어요."}
        assert failed["id"] != answer["id"], "or the page would take it for one that it has"
        assert await said(hangs) == [failed]

    run(scenario())


@pytest.mark.parametrize(
    "sent",
    [None, "안녕", 1, [], {}, {"message": "안녕"}, {"id": "1", "message": "안녕"}, {"id": "g" * 32, "message": "안녕"},
     {"id": ["0" * 32], "message": "안녕"}, {"id": "0" * 32}, {"id": "0" * 32, "message": 1},
     {"id": "0" * 32, "message": " \n"}],
)  # fmt: skip
def test_what_is_no_message_is_refused_and_the_next_one_answered(bot: Bot, sent: Any) -> None:
    async def scenario() -> None:
        async with client(bot.port) as person:
            assert await person.say(sent) == {"status": "refused"}
            assert person.heard == []
            assert (await person.say(message("\ud800 안녕하세요")))["status"] == "answered"

    run(scenario())


def test_nobody_is_heard_without_a_session(bot: Bot) -> None:
    async def scenario() -> None:
        async with client(bot.port, ask=False) as person:
            assert await person.say(message("안녕하세요")) == {"status": "refused"}

    run(scenario())


def test_the_log_has_nothing_of_what_was_said(bot: Bot) -> None:
    assert "안녕하세요" not in bot.log
    assert "Traceback" not in bot.log
