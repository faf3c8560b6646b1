"""The web chat's page in Chromium, with a server whose part is played here, so that it says what a test wants."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import Watch, chromium
from channel_servers import serving
from playwright.sync_api import Browser, BrowserContext, Page, Route, WebSocketRoute, expect
from sanic import Request
from sanic.response import HTTPResponse, empty, raw

from bot.channels.web import WebInput
from bot.safety.hotlines import hotlines
from bot.web.page import HEADERS, INDEX, WebFile, web_files

ADDRESS = "http://localhost/"
PHONE = {"viewport": {"width": 360, "height": 640}, "is_mobile": True, "has_touch": True}
MARKUP = '<img src=x onerror="document.title=1"><script>document.title=2</script><b>굵게</b> javascript:alert(1)'
CRISIS = {
    "text": "말해 줘서 고마워요. 자살예방 상담전화 109(24시간)가 있어요. 지금 안전한가요?",
    "quick_replies": [
        {"title": "자살예방 상담전화 109", "type": "phone", "url": "tel:109", "payload": "109"},
        {"title": "네, 안전해요", "payload": "지금은 안전해요"},
        {"title": "아니요", "payload": "아니요"},
    ],
}

Answer = Callable[[str], Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def context(browser: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """A browser of its own, of the kind that the test names."""
    options = {"locale": "ko-KR", "service_workers": "block", **getattr(request, "param", {})}
    with browser.new_context(**options) as context:
        context.route("**/*", _serve)
        yield context


FILES = web_files("webhooks/web", "webhooks/web/socket")


def _serve(route: Route) -> None:
    name = route.request.url.removeprefix(ADDRESS).removeprefix("webhooks/web/") or INDEX
    file = FILES[name]
    route.fulfill(body=file.body, headers={**HEADERS, "Content-Type": file.content_type})


class Server:
    """The server's side of the WebSocket. `answer` makes of a message's text the bot's messages, or None: no answer comes."""

    def __init__(self, page: Page, answer: Answer) -> None:
        self.heard: list[str] = []
        self.early: list[str] = []
        self.answer = answer
        self.sessions = True
        page.route_web_socket(re.compile("/socket/"), self._open)

    def _open(self, socket: WebSocketRoute) -> None:
        socket.on_message(lambda frame: self._receive(socket, str(frame)))
        socket.send('0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000}')

    def _receive(self, socket: WebSocketRoute, frame: str) -> None:
        if frame == "40":
            socket.send('40{"sid":"s"}')
        elif frame.startswith("42"):
            start = frame.index("[")
            name, data = json.loads(frame[start:])
            if name == "session_request":
                self._socket = socket
                if self.sessions:
                    self.confirm()
                return
            self.heard.append(data["message"])
            self.early += [data["message"]] if data.get("early") else []
            said = self.answer(data["message"])
            if said is not None:
                messages = [{"id": f"{data['id']}-{n}", "reply_to": data["id"], **text} for n, text in enumerate(said)]
                result = {"status": "answered", "messages": messages} if said else {"status": "failed"}
                socket.send(f"43{frame[2:start]}[{json.dumps(result)}]")

    def confirm(self) -> None:
        self._socket.send('42["session_confirm","token"]')


def visit(context: BrowserContext, answer: Answer = lambda text: [{"text": "네, 듣고 있어요."}]) -> tuple[Page, Server, Watch]:
    page = context.new_page()
    watch, server = Watch(page), Server(page, answer)
    page.goto(ADDRESS)
    return page, server, watch


def say(page: Page, text: str) -> None:
    page.get_by_label("보낼 말").fill(text)
    page.get_by_role("button", name="보내기", exact=True).click()


def test_what_is_said_is_shown_as_text_from_either_side(context: BrowserContext) -> None:
    hostile = {
        "text": MARKUP,
        "quick_replies": [{"title": MARKUP, "url": "javascript:document.title=3", "payload": MARKUP}],
        "attachment": {"type": "image", "payload": {"src": "javascript:document.title=4"}},
    }
    page, server, watch = visit(context, lambda text: [hostile])
    say(page, MARKUP)
    expect(page.locator(".person .bubble")).to_contain_text(MARKUP)
    expect(page.locator(".bot .bubble")).to_contain_text(MARKUP)
    page.locator(".choices").get_by_role("button").click()
    expect(page.locator(".bot")).to_have_count(2)
    page.reload()
    expect(page.locator(".bot")).to_have_count(2)
    assert server.heard == [MARKUP, MARKUP]
    assert page.locator("#log :is(img, script, b, [onerror], [href^=javascript])").count() == 0
    assert page.title() == "마음"
    assert watch.complaints == []
    assert watch.hosts == {"localhost"}


def test_a_picture_is_a_link_and_not_a_request(context: BrowserContext) -> None:
    picture = {"attachment": {"type": "image", "payload": {"src": "https://elsewhere.test/walk.png"}}}
    page, _, watch = visit(context, lambda text: [picture])
    say(page, "산책하고 싶어요")
    expect(page.get_by_role("link", name="그림 보기")).to_have_attribute("href", "https://elsewhere.test/walk.png")
    assert watch.hosts == {"localhost"}


def test_buttons_say_their_words_or_call_and_are_gone_when_one_is_pressed(context: BrowserContext) -> None:
    page, server, _ = visit(context, lambda text: [CRISIS] if text == "죽고 싶어요" else [{"text": "다행이에요."}])
    say(page, "죽고 싶어요")
    expect(page.get_by_role("link", name="자살예방 상담전화 109")).to_have_attribute("href", "tel:109")
    expect(page.locator(".bot .bubble").get_by_role("link", name="109")).to_have_attribute("href", "tel:109")
    page.get_by_role("button", name="네, 안전해요").click()
    expect(page.locator(".person").last).to_contain_text("네, 안전해요")
    expect(page.locator(".bot").last).to_contain_text("다행이에요.")
    assert server.heard == ["죽고 싶어요", "지금은 안전해요"], "the payload is what the bot gets"
    expect(page.locator(".choices").get_by_role("button")).to_have_count(0)
    expect(page.get_by_role("link", name="자살예방 상담전화 109")).to_be_visible()


def test_the_first_words_can_be_pressed(context: BrowserContext) -> None:
    page, server, _ = visit(context)
    page.get_by_role("button", name="밤에 잠이 안 와요").click()
    expect(page.locator(".bot")).to_have_count(1)
    assert server.heard == ["밤에 잠이 안 와요"]


@pytest.mark.parametrize("context", [{"reduced_motion": "reduce"}, {"reduced_motion": "no-preference"}], indirect=True)
def test_waiting_for_an_answer_shows_and_is_announced(context: BrowserContext) -> None:
    page, _, _ = visit(context, lambda text: None)
    expect(page.locator("#typing")).to_be_hidden()
    say(page, "안녕하세요")
    expect(page.locator("#typing")).to_be_visible()
    expect(page.locator("#status")).to_have_text("마음이 답을 고르고 있어요.")
    still = page.evaluate("getComputedStyle(document.querySelector('#typing i')).animationName") == "none"
    assert still == page.evaluate("matchMedia('(prefers-reduced-motion: reduce)').matches")


@pytest.mark.parametrize("context", [{}, PHONE], indirect=True)
def test_a_message_that_the_bot_failed_at_can_be_sent_again(context: BrowserContext) -> None:
    page, server, _ = visit(context, lambda text: [])
    say(page, "안녕하세요")
    expect(page.get_by_text("전하지 못했어요.")).to_be_visible()
    server.answer = lambda text: [{"text": "안녕하세요."}]
    page.get_by_role("button", name="다시 보내기").click()
    expect(page.locator(".bot")).to_have_count(1)
    expect(page.get_by_text("전하지 못했어요.")).to_have_count(0)
    assert server.heard == ["안녕하세요", "안녕하세요"]
    on_a_phone = page.evaluate("matchMedia('(hover: none)').matches")
    expect(page.locator("#room" if on_a_phone else "#message")).to_be_focused()


def test_the_bot_is_told_what_was_written_before_its_answer_was_there(context: BrowserContext) -> None:
    page = context.new_page()
    server = Server(page, lambda text: [{"text": "네, 듣고 있어요."}])
    server.sessions = False
    page.goto(ADDRESS)
    say(page, "죽고 싶어요")
    say(page, "네")
    server.confirm()
    expect(page.locator(".bot")).to_have_count(2)
    say(page, "네")
    expect(page.locator(".bot")).to_have_count(3)
    assert server.heard == ["죽고 싶어요", "네", "네"]
    assert server.early == ["네"]


def test_a_long_story_is_sent_whole(context: BrowserContext) -> None:
    page, server, _ = visit(context)
    story = "회사에서 있었던 일이에요. " * 100 + "죽고 싶어요"
    say(page, story)
    expect(page.locator(".bot")).to_have_count(1)
    assert server.heard == [story]


def test_a_browser_with_no_room_to_keep_anything_gets_messages_through(context: BrowserContext) -> None:
    context.add_init_script("Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }")
    page, server, _ = visit(context)
    for count in (1, 2):
        say(page, "죽고 싶어요")
        expect(page.locator(".person")).to_have_count(count)
        expect(page.locator(".bot")).to_have_count(count)
    assert server.heard == ["죽고 싶어요"] * 2
    page.get_by_role("button", name="대화 지우기").click()
    page.get_by_role("button", name="지우기", exact=True).click()
    expect(page.locator("#log > *")).to_have_count(0)


def test_enter_sends_but_not_while_hangul_is_composed_and_shift_enter_breaks_the_line(context: BrowserContext) -> None:
    page, server, _ = visit(context)
    field = page.get_by_label("보낼 말")
    expect(field).to_be_focused()
    field.fill("안녕하세")
    for composing in ({"isComposing": True}, {"keyCode": 229}):
        page.evaluate(
            "options => document.activeElement.dispatchEvent(new KeyboardEvent('keydown',"
            " {key: 'Enter', bubbles: true, cancelable: true, ...options}))",
            composing,
        )
    assert server.heard == []
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("a")
    page.keyboard.press("Enter")
    expect(page.locator(".bot")).to_have_count(1)
    assert server.heard == ["안녕하세\na"]
    expect(field).to_be_focused()


def test_help_opens_and_closes_from_the_keyboard_and_has_every_number(context: BrowserContext) -> None:
    page, _, _ = visit(context)
    button, panel = page.get_by_role("link", name="지금 도움이 필요해요"), page.get_by_role("dialog")
    button.focus()
    page.keyboard.press("Enter")
    expect(panel).to_be_visible()
    for line in hotlines():
        link = panel.locator(f'a[href="{line.url}"]')
        expect(link).to_contain_text(line.number)
        expect(link).to_contain_text(line.name)
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(button).to_be_focused()


@pytest.mark.parametrize("context", [{"java_script_enabled": False}], indirect=True)
def test_help_needs_no_script(context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(ADDRESS)
    page.get_by_role("link", name="지금 도움이 필요해요").click()
    expect(page.locator("#help a[href='tel:109']")).to_be_visible()
    page.get_by_role("link", name="닫기").click()
    expect(page.locator("#help")).to_be_hidden()


def test_english_is_a_switch_that_is_remembered(context: BrowserContext) -> None:
    page, _, _ = visit(context)
    assert page.locator("html").get_attribute("lang") == "ko"
    page.get_by_role("button", name="English").click()
    page.reload()
    expect(page.get_by_role("heading", name="How are you feeling today?")).to_be_visible()
    assert page.locator("html").get_attribute("lang") == "en"
    page.get_by_role("link", name="I need help now").click()
    expect(page.get_by_role("dialog").locator("a[href='tel:109']")).to_contain_text("Suicide prevention line 24 hours")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="한국어").click()
    expect(page.get_by_role("heading", name="오늘 마음은 어떠세요?")).to_be_visible()


def test_another_language_does_not_have_everything_read_out_again(context: BrowserContext) -> None:
    page, _, _ = visit(context)
    say(page, "안녕하세요")
    expect(page.locator(".bot")).to_have_count(1)
    log = page.locator("#log")
    log.evaluate("log => { new MutationObserver(() => (window.heard = log.ariaLive)).observe(log, {childList: true}) }")
    page.get_by_role("button", name="English").click()
    expect(log).to_contain_text("You: ")
    assert page.evaluate("heard") == "off"
    expect(log).to_have_attribute("aria-live", "polite")


def test_a_screen_reader_knows_where_to_hear_of_the_connection_before_it_is_lost(context: BrowserContext) -> None:
    page, _, _ = visit(context)
    expect(page.get_by_role("status")).to_have_count(2)
    expect(page.locator("#connection")).to_be_empty()


def test_both_languages_say_the_same_things() -> None:
    words = json.loads(re.search(r'id="page-data">(.*?)</script>', FILES[INDEX].body.decode())[1])["words"]  # type: ignore[index]
    assert set(words["en"]) - set(words["ko"]) == {"hotlines", "hours"}
    assert not set(words["ko"]) - set(words["en"])
    assert set(words["en"]["hotlines"]) == {line.key for line in hotlines()}
    assert set(words["en"]["hours"]) == {line.hours for line in hotlines() if line.hours}


@pytest.mark.parametrize("context", [PHONE, {**PHONE, "viewport": {"width": 320, "height": 568}}], indirect=True)
def test_it_fits_a_phone(context: BrowserContext) -> None:
    page, _, _ = visit(context, lambda text: [CRISIS, {"text": "가" * 300}])
    say(page, "a" * 300)
    expect(page.locator(".bot")).to_have_count(2)
    size = page.viewport_size
    assert size
    assert page.evaluate("document.documentElement.scrollWidth") == size["width"]
    field = page.get_by_label("보낼 말")
    assert float(field.evaluate("element => parseFloat(getComputedStyle(element).fontSize)")) >= 16, "or iOS zooms in"
    for control in (page.locator("#help-button"), page.locator(".send"), page.locator(".choices button").first):
        box = control.bounding_box()
        assert box
        assert box["height"] >= 44
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= size["width"]
    page.set_viewport_size({"width": size["width"], "height": 300})  # an on-screen keyboard takes the rest
    expect(page.locator("#help-button")).to_be_in_viewport()
    expect(field).to_be_in_viewport(ratio=1)
    page.locator("#help-button").tap()
    expect(page.locator("#help .close")).to_be_in_viewport()


@pytest.mark.parametrize(
    "context",
    [{"viewport": {"width": 320, "height": 256}}, {**PHONE, "viewport": {"width": 640, "height": 360}}],
    ids=["zoomed to 400 %", "a phone held sideways"],
    indirect=True,
)
def test_a_low_window_lacks_nothing(context: BrowserContext) -> None:
    page, _, _ = visit(context)
    page.get_by_label("보낼 말").press("Tab")
    page.keyboard.press("Tab")
    expect(page.locator("#clear")).to_be_focused()
    expect(page.get_by_text("의사나 상담사가 아니에요", exact=True)).to_be_in_viewport(ratio=1)
    for control in (page.locator("#help-button"), page.locator("#clear"), page.locator("#language"), page.locator(".send")):
        expect(control).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("context", [{**PHONE, "viewport": {"width": 360, "height": 300}}], indirect=True)
def test_an_on_screen_keyboard_takes_the_small_print_and_no_touch(context: BrowserContext) -> None:
    page, server, _ = visit(context)
    page.get_by_label("보낼 말").tap()
    expect(page.locator(".small-print")).to_be_hidden()
    page.keyboard.insert_text("잠이 안 와요")
    page.locator(".send").tap()
    expect(page.locator(".bot")).to_have_count(1)
    assert server.heard == ["잠이 안 와요"]
    expect(page.locator("#clear")).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize(
    "context",
    [
        {"color_scheme": "light"},
        {"color_scheme": "dark"},
        {**PHONE, "color_scheme": "light"},
        {**PHONE, "color_scheme": "dark"},
    ],
    indirect=True,
)
def test_axe_finds_nothing(context: BrowserContext) -> None:
    page, _, _ = visit(context, lambda text: [CRISIS] if text == "죽고 싶어요" else [])
    _no_violations(page)
    say(page, "죽고 싶어요")
    expect(page.locator(".choices button")).to_have_count(2)
    say(page, "안녕하세요")
    expect(page.get_by_role("button", name="다시 보내기")).to_be_visible()
    _no_violations(page)
    page.get_by_role("link", name="지금 도움이 필요해요").click()
    _no_violations(page)
    page.get_by_role("link", name="닫기").click()
    page.get_by_role("button", name="대화 지우기").click()
    _no_violations(page)


def _no_violations(page: Page) -> None:
    page.evaluate("document.getAnimations().forEach(animation => animation.finish())")
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_a_kept_page_is_there_where_too_many_ask_for_it(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAEUM_WEB_KEY", "k" * 32)
    with serving(WebInput()) as server, browser.new_context() as context:
        page = _kept(context, str(server.base_url))
        monkeypatch.setattr(WebFile, "response", lambda file, request: empty(status=429))
        page.reload()
        page.get_by_role("link", name="지금 도움이 필요해요").click()
        expect(page.locator("#help[open] a[href='tel:109']")).to_be_visible()


def test_an_old_browser_gets_a_number_that_changed(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    def old(address: str, socket: str) -> dict[str, WebFile]:
        files = web_files(address, socket)
        worker = files["service_worker.js"]
        return {**files, "service_worker.js": replace(worker, body=b"delete AbortSignal.timeout;\n" + worker.body)}

    def changed(file: WebFile, request: Request) -> HTTPResponse:
        return raw(file.body.replace(b"tel:109", b"tel:1090"), content_type=file.content_type)

    monkeypatch.setenv("MAEUM_WEB_KEY", "k" * 32)
    monkeypatch.setattr("bot.channels.web.web_files", old)
    with serving(WebInput()) as server, browser.new_context() as context:
        page = _kept(context, str(server.base_url))
        monkeypatch.setattr(WebFile, "response", changed)
        page.reload()
        expect(page.locator("#help a[href='tel:1090']")).to_have_count(1)


def _kept(context: BrowserContext, address: str) -> Page:
    """The page, once the service worker has kept it."""
    page = context.new_page()
    page.goto(address)
    page.evaluate("navigator.serviceWorker.ready.then(() => 0)")
    return page


def test_the_whole_page_is_light() -> None:
    assert sum(len(file.body) for file in FILES.values()) < 150_000
