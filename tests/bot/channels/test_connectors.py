"""What the connectors' own parts do: buttons, deliveries, messages for LINE, and starting without the platform."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import requests
import yaml
from channel_servers import serving
from hypothesis import given
from hypothesis import strategies as st
from platforms import TOKEN, Platforms, standing_in
from rasa.core.channels.channel import InputChannel, OutputChannel, UserMessage
from rasa.shared.exceptions import RasaException
from rasa.shared.utils.common import class_from_module_path
from servers import ROOT, free_port

from bot.channels.callback import CallbackChannel
from bot.channels.connectors import ApiSession, Deliveries, with_numbers
from bot.channels.facebook import FacebookChannel
from bot.channels.line import LineChannel, line_messages
from bot.channels.mattermost import MattermostChannel, MattermostOutput
from bot.channels.slack import SlackChannel
from bot.channels.switches import SwitchedOff
from bot.channels.telegram import TelegramBot, TelegramChannel
from bot.channels.twilio import TwilioChannel
from bot.safety.hotlines import hotlines

LONG = "요즘 잠이 안 와서 밤마다 너무 힘들고 지쳐요"  # more bytes than a button of Telegram's holds
TELEGRAM_PATH = "/webhooks/telegram/webhook"
CALL = hotlines()[0].button("109에 전화할게요")
BUTTONS = [{"title": "네", "payload": LONG}, {"title": "아니요", "payload": "아니요"}, CALL]


@pytest.fixture(scope="module")
def platforms() -> Iterator[Platforms]:
    with standing_in() as platforms:
        yield platforms


def _channel(kind: Any, platforms: Platforms, **credentials: str) -> OutputChannel:
    """The output channel of a connector that is on."""
    name = kind.name()
    variables = {credential: f"TEST_{index}" for index, credential in enumerate(credentials)}
    with pytest.MonkeyPatch.context() as patch:
        for credential, value in credentials.items():
            patch.setenv(variables[credential], value)
        channel = kind.from_credentials({"environment": variables, "api_base": platforms.base(name)})
    output: OutputChannel = channel.get_output_channel()
    return output


def _slack(platforms: Platforms) -> OutputChannel:
    return _channel(SlackChannel, platforms, slack_token=TOKEN, slack_signing_secret="s")


def _telegram(platforms: Platforms) -> OutputChannel:
    return TelegramBot(TOKEN, platforms.base("telegram"))


def _facebook(platforms: Platforms) -> OutputChannel:
    return _channel(FacebookChannel, platforms, verify="v", secret="s", **{"page-access-token": TOKEN})


def _twilio(platforms: Platforms) -> OutputChannel:
    return _channel(TwilioChannel, platforms, account_sid="AC1", auth_token=TOKEN, twilio_number="+1", webhook_url="https://a")


def _mattermost(platforms: Platforms) -> OutputChannel:
    return MattermostOutput(platforms.base("mattermost"), TOKEN, "1", "https://bot.example.org", "webhook's")


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        (_slack, lambda got: [button["value"] for button in got["blocks"][1]["elements"]] == [LONG, "아니요"]),
        (_telegram, lambda got: "아니요" in got["reply_markup"] and "callback_data" not in got["reply_markup"]),
        (_facebook, lambda got: [reply["payload"] for reply in got["message"]["quick_replies"]] == [LONG, "아니요"]),
        (_twilio, lambda got: got["Body"].endswith("네\n아니요")),
        (_mattermost, lambda got: got["props"]["attachments"][0]["actions"][0]["integration"]["context"]["action"] == LONG),
    ],
)  # fmt: skip
def test_buttons_speak_and_those_that_call_become_words(
    platforms: Platforms, output: Callable[[Platforms], OutputChannel], shown: Callable[[dict[str, Any]], bool]
) -> None:
    before = len(platforms.calls)

    async def send() -> None:
        channel = output(platforms)
        await channel.send_response("1", {"text": "괜찮으세요?", "buttons": [dict(button) for button in BUTTONS]})

    asyncio.run(send())
    [call] = [call for call in platforms.calls[before:] if "괜찮으세요?" in str(call.content)]
    assert f"괜찮으세요?\n{CALL['title']}" in str(call.content).replace("\\n", "\n")
    assert shown(call.content)


@pytest.mark.parametrize("output", [_facebook, _twilio, _mattermost], ids=lambda output: output.__name__)
def test_others_go_on_talking_while_a_platform_is_slow(
    platforms: Platforms, output: Callable[[Platforms], OutputChannel], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []
    send = ApiSession.send

    def seen(self: ApiSession, *args: Any, **kwargs: Any) -> requests.Response:
        threads.append(threading.current_thread())
        return send(self, *args, **kwargs)

    monkeypatch.setattr(ApiSession, "send", seen)
    asyncio.run(output(platforms).send_response("1", {"text": "안녕하세요"}))
    asyncio.run(output(platforms).send_text_message("1", "안녕하세요"))
    assert len(threads) == 2
    assert threading.main_thread() not in threads


def test_a_platform_that_cannot_be_reached_is_named_without_the_token() -> None:
    with pytest.raises(RasaException) as error:
        ApiSession().post(f"http://127.0.0.1:{free_port()}/me/messages", params={"access_token": TOKEN})
    assert str(error.value) == "127.0.0.1 can't be reached: ConnectionError."
    assert error.value.__context__ is None


@pytest.mark.parametrize("output", [_facebook, _twilio, _mattermost], ids=lambda output: output.__name__)
def test_a_message_that_a_platform_refuses_is_an_error_and_the_last(
    platforms: Platforms, output: Callable[[Platforms], OutputChannel], caplog: pytest.LogCaptureFixture
) -> None:
    before = len(platforms.calls)
    platforms.failing.add("1")
    with pytest.raises(RasaException, match="refused a message with status 503"):
        asyncio.run(output(platforms).send_response("1", {"text": "하나\n\n둘"}))
    assert "127.0.0.1 refused a message with status 503." in caplog.text
    assert len(platforms.calls) == before


@pytest.mark.parametrize("output", [_facebook, _twilio, _mattermost], ids=lambda output: output.__name__)
def test_what_nobody_waits_for_any_more_is_not_sent(
    platforms: Platforms, output: Callable[[Platforms], OutputChannel], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(platforms.calls)
    monkeypatch.setattr(platforms, "slow", {"1"})
    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(asyncio.wait_for(output(platforms).send_response("1", {"text": "하나\n\n둘"}), 0.5))
    assert "둘" not in str([call.content for call in platforms.calls[before:]])


def test_a_callback_that_is_refused_is_an_error_and_logged_without_what_it_repeats(
    platforms: Platforms, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CALLBACK_URL", platforms.base("callback"))
    monkeypatch.setenv("CALLBACK_TOKEN", TOKEN)
    channel: Any = CallbackChannel.from_credentials({"environment": {"url": "CALLBACK_URL", "token": "CALLBACK_TOKEN"}})
    platforms.failing.add("1")
    with pytest.raises(RasaException, match="refused a message with status 503"):
        asyncio.run(channel.get_output_channel().send_text_message("1", "goguma"))
    assert "CALLBACK_URL refused a message with status 503." in caplog.text
    assert "goguma" not in caplog.text


@pytest.fixture
def mattermost(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[httpx.Client, list[str | None]]]:
    """A client of a server with Mattermost's channel, whose webhook's token is TOKEN, and what the bot is told there."""
    credentials = {"url": "http://127.0.0.1:1", "token": "t", "webhook_url": "https://a", "webhook_token": TOKEN}
    for name, value in credentials.items():
        monkeypatch.setenv(name.upper(), value)
    channel = MattermostChannel.from_credentials({"environment": {name: name.upper() for name in credentials}})
    heard: list[str | None] = []

    async def listen(message: UserMessage) -> None:
        heard.append(message.text)

    with serving(channel, handler=listen) as client:
        yield client, heard


@pytest.mark.parametrize(
    ("text", "trigger_word", "words"),
    [
        ("@maeum 자살하고 싶어요", "@maeum", "자살하고 싶어요"),
        ("@maeum\n자살하고 싶어요", "@maeum", "자살하고 싶어요"),
        ("죽고 싶어요", "", "죽고 싶어요"),
        ("@maeum", "@maeum", ""),
    ],
)
def test_mattermosts_trigger_word_and_no_other_is_left_out(
    mattermost: tuple[httpx.Client, list[str | None]], text: str, trigger_word: str, words: str
) -> None:
    client, heard = mattermost
    sent = {"token": TOKEN, "trigger_word": trigger_word, "text": text, "user_id": "u", "channel_id": "c"}
    assert client.post("/webhooks/mattermost/webhook", json=sent).is_success
    assert heard == [words]


@pytest.mark.parametrize(
    "sent", [[], {"context": None}, {"context": "a"}, {"context": {"token": 1}}, {"token": [TOKEN]}, {"token": "\ud800"}]
)
def test_whatever_is_sent_to_mattermosts_address_without_the_token_is_refused(
    mattermost: tuple[httpx.Client, list[str | None]], sent: Any
) -> None:
    client, heard = mattermost
    # as JSON, because httpx takes no half of a character
    headers = {"Content-Type": "application/json"}
    assert client.post("/webhooks/mattermost/webhook", content=json.dumps(sent), headers=headers).status_code == 403
    assert heard == []


def test_a_reply_for_which_line_could_not_be_reached_in_time_is_pushed(
    platforms: Platforms, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = httpx.AsyncHTTPTransport.handle_async_request

    async def without_replies(transport: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/reply"):
            raise httpx.ConnectTimeout("", request=request)
        return await send(transport, request)

    async def answer(message: UserMessage) -> None:
        await message.output_channel.send_text_message(message.sender_id, "괜찮으세요?")

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", without_replies)
    monkeypatch.setenv("LINE_SECRET", "s")
    monkeypatch.setenv("LINE_TOKEN", TOKEN)
    variables = {"channel_secret": "LINE_SECRET", "channel_access_token": "LINE_TOKEN"}
    channel = LineChannel.from_credentials({"environment": variables, "api_base": platforms.base("line")})
    event = {
        "type": "message", "message": {"id": "1", "type": "text", "text": "안녕"}, "webhookEventId": "01H",
        "source": {"type": "user", "userId": "L-unreached"}, "replyToken": "r",
    }  # fmt: skip
    body = json.dumps({"events": [event]}).encode()
    signature = base64.b64encode(hmac.digest(b"s", body, "sha256")).decode()
    with serving(channel, handler=answer) as client:
        assert client.post("/webhooks/line/webhook", content=body, headers={"X-Line-Signature": signature}).is_success
        [call] = platforms.wait(lambda call: call.content.get("to") == "L-unreached")
    assert call.path.endswith("/push")


def telegram_channel(monkeypatch: pytest.MonkeyPatch, api: str, **other: str) -> InputChannel:
    """The channel, as `credentials.yml` and the environment make it."""
    credentials = {"access_token": TOKEN, "verify": "Maeum_Bot", "webhook_url": f"https://bot.example.org{TELEGRAM_PATH}"}
    for credential, value in (credentials | other).items():
        monkeypatch.setenv(credential.upper(), value)
    return TelegramChannel.from_credentials({"environment": {name: name.upper() for name in credentials}, "api_base": api})


def test_telegram_out_of_reach_keeps_no_server_from_starting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    channel = telegram_channel(monkeypatch, f"http://127.0.0.1:{free_port()}")
    with caplog.at_level(logging.ERROR), serving(channel) as client:
        assert client.post(TELEGRAM_PATH, json={}).status_code == 403
        _wait_for(lambda: caplog.text)
    assert "Telegram did not take the bot's address" in caplog.text
    assert TOKEN not in caplog.text


def test_telegram_says_that_all_is_well_and_takes_its_name_in_small_letters(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, platforms: Platforms
) -> None:
    with caplog.at_level(logging.INFO), serving(telegram_channel(monkeypatch, platforms.base("telegram"))):
        _wait_for(lambda: "@maeum_bot" in caplog.text)
    assert f"Telegram sends what people write to @maeum_bot to https://bot.example.org{TELEGRAM_PATH}." in caplog.text


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"webhook_url": f"bot.example.org{TELEGRAM_PATH}"}, "begins with https://"),
        ({"webhook_url": "https://bot.example.org"}, f"ends in {TELEGRAM_PATH}"),
        ({"access_token": TOKEN.partition(":")[2]}, "copy it whole"),
        ({"access_token": TOKEN.partition(":")[0] + ":"}, "copy it whole"),
        ({"access_token": TOKEN.replace(":", ": ")}, "copy it whole"),
    ],
)
def test_what_was_copied_wrongly_for_telegram_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str], sentence: str
) -> None:
    with pytest.raises(RasaException, match=sentence) as error:
        telegram_channel(monkeypatch, "http://127.0.0.1:1", **wrong)
    assert wrong.get("access_token", TOKEN) not in str(error.value)


def _wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)


def test_every_messenger_is_ready_and_off() -> None:
    credentials = yaml.safe_load((ROOT / "credentials.yml").read_text(encoding="utf-8"))
    channels = {name: class_from_module_path(name) for name in credentials if "environment" in (credentials[name] or {})}
    names = {channel.name() for channel in channels.values()}
    assert names >= {"telegram", "slack", "facebook", "line", "twilio", "mattermost", "callback"}
    for name, channel in channels.items():
        assert isinstance(channel.from_credentials(credentials[name]), SwitchedOff)
        assert (ROOT / "docs" / "channels" / f"{channel.name()}.md").exists()


def test_what_came_long_ago_is_forgotten() -> None:
    deliveries = Deliveries(capacity=2)
    assert [deliveries.is_new(key) for key in "aabca"] == [True, False, True, True, True]


def test_a_number_that_the_text_names_is_not_repeated() -> None:
    text = f"{CALL['title']}에 전화해 주세요."
    assert with_numbers(text, [CALL]) == (text, [])
    assert with_numbers("급할 때는", [{"title": "전화", "url": "tel:112"}]) == ("급할 때는\n전화 112", [])
    assert with_numbers("여기", [{"title": "안내", "url": "https://a.kr"}]) == ("여기\n안내 https://a.kr", [])


def test_line_shows_what_speaks_and_what_calls_below_the_last_message() -> None:
    image = {"recipient_id": "1", "image": "https://a.kr/b.png"}
    first, last = line_messages([{"text": "괜찮으세요?", "buttons": BUTTONS}, image])
    assert first == {"type": "text", "text": "괜찮으세요?"}
    assert last["originalContentUrl"] == image["image"]
    assert [item["action"] for item in last["quickReply"]["items"]] == [
        {"type": "uri", "label": CALL["title"], "uri": "tel:109"},
        {"type": "message", "label": "네", "text": LONG},
        {"type": "message", "label": "아니요", "text": "아니요"},
    ]


@given(
    st.lists(
        st.fixed_dictionaries(
            {"text": st.text(max_size=40) | st.just("가" * 12_000) | st.just("😀" * 3_000)},
            optional={
                "buttons": st.lists(st.fixed_dictionaries({"title": st.text(min_size=1), "payload": st.text(min_size=1)}))
            },
        ),
        max_size=4,
    )
)
def test_line_takes_every_message(messages: list[dict[str, Any]]) -> None:
    sent = line_messages(messages)
    for message in sent:
        assert 0 < len(message["text"].encode("utf-16-le", errors="surrogatepass")) // 2 <= 5000
        actions = [item["action"] for item in message.get("quickReply", {"items": []})["items"]]
        assert len(actions) <= 13
        assert all(
            len(action["label"]) <= 20 and len(action["text"]) <= 300 for action in actions if action["type"] == "message"
        )
    assert "".join("".join(one["text"].split()) for one in sent) == "".join("".join(one["text"].split()) for one in messages)
