"""What each messenger sends, signed as it signs, to the bot as it is served, and what goes back to its API."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx
import pytest
import yaml
from platforms import TOKEN, Call, Platforms, standing_in
from servers import ROOT, endpoints, free_port, running

from bot.channels.gate import refusals
from bot.safety.pseudonym import pseudonym

SECRET = "what-signs-the-requests"
TWILIO_URL = "https://bot.example.org/webhooks/twilio/webhook"
ENVIRONMENT = {
    "TELEGRAM_TOKEN": TOKEN, "TELEGRAM_BOT_NAME": "@maeum_bot",
    "TELEGRAM_WEBHOOK_URL": "https://bot.example.org/webhooks/telegram/webhook",
    "SLACK_TOKEN": TOKEN, "SLACK_SIGNING_SECRET": SECRET,
    "FACEBOOK_VERIFY": "verify-me", "FACEBOOK_SECRET": SECRET, "FACEBOOK_PAGE_ACCESS_TOKEN": TOKEN,
    "LINE_CHANNEL_SECRET": SECRET, "LINE_CHANNEL_ACCESS_TOKEN": TOKEN,
    "TWILIO_ACCOUNT_SID": "AC1", "TWILIO_AUTH_TOKEN": TOKEN, "TWILIO_NUMBER": "+15005550006", "TWILIO_WEBHOOK_URL": TWILIO_URL,
    "MATTERMOST_TOKEN": TOKEN, "MATTERMOST_WEBHOOK_TOKEN": SECRET,
    "MATTERMOST_WEBHOOK_URL": "https://bot.example.org/webhooks/mattermost/webhook",
    "CALLBACK_TOKEN": SECRET,
}  # fmt: skip
_numbers = count(1)


class Sent(NamedTuple):
    """A request of a platform's, and who the answer is for."""

    path: str
    body: bytes
    headers: dict[str, str]
    recipient: str


def _json(path: str, content: dict[str, Any], recipient: str, sign: Callable[[bytes], dict[str, str]]) -> Sent:
    body = json.dumps(content, ensure_ascii=False).encode()
    return Sent(path, body, {"Content-Type": "application/json", **sign(body)}, recipient)


def _hex(body: bytes, secret: str, method: str = "sha256") -> str:
    return hmac.new(secret.encode(), body, method).hexdigest()


def _slack_signature(body: bytes, secret: str) -> dict[str, str]:
    now = str(int(time.time()))
    return {"X-Slack-Request-Timestamp": now, "X-Slack-Signature": f"v0={_hex(f'v0:{now}:'.encode() + body, secret)}"}


def slack(words: str, secret: str = SECRET, number: int = 0, **other: Any) -> Sent:
    number = number or next(_numbers)
    event = {
        "type": "message", "channel": f"D{number}", "user": f"U{number}", "text": words, "ts": f"{number}.0",
        "channel_type": "im", "client_msg_id": f"c{number}", "team": "T1", **other,
    }  # fmt: skip
    content = {
        "token": "deprecated", "team_id": "T1", "api_app_id": "A1", "event": event, "type": "event_callback",
        "event_id": f"Ev{number}", "event_time": number, "authorizations": [{"user_id": "UBOT", "is_bot": True}],
    }  # fmt: skip
    return _json("slack", content, f"D{number}", lambda body: _slack_signature(body, secret))


def telegram(words: str | None, secret: str = "", kind: str = "message", number: int = 0, **other: Any) -> Sent:
    number = number or next(_numbers)
    chat = {"id": number, "first_name": "민지", "type": "private"}
    sender = {"id": number, "is_bot": False, "first_name": "민지", "language_code": "ko"}
    message = {
        "message_id": 1,
        "from": sender,
        "chat": chat,
        "date": 1,
        **({"text": words} if words is not None else {}),
        **other,
    }
    secret = secret or hashlib.sha256(f"webhook {TOKEN}".encode()).hexdigest()
    header = {"X-Telegram-Bot-Api-Secret-Token": secret}
    return _json("telegram", {"update_id": next(_numbers), kind: message}, str(number), lambda body: header)


def facebook(words: str, secret: str = SECRET, more: tuple[str, ...] = (), number: int = 0) -> Sent:
    number, delivery = number or next(_numbers), next(_numbers)
    messaging = [
        {
            "sender": {"id": f"F{number}"}, "recipient": {"id": "page"}, "timestamp": 1,
            "message": {"mid": f"m_{delivery}_{index}", "text": text},
        }
        for index, text in enumerate((words, *more))
    ]  # fmt: skip
    content = {"object": "page", "entry": [{"id": "page", "time": 1, "messaging": messaging}]}

    def sign(body: bytes) -> dict[str, str]:
        return {
            "X-Hub-Signature": f"sha1={_hex(body, secret, 'sha1')}",
            "X-Hub-Signature-256": f"sha256={_hex(body, secret)}",
        }

    return _json("facebook", content, f"F{number}", sign)


def line(words: str | None, secret: str = SECRET, reply_token: str = "", **event: Any) -> Sent:
    number = next(_numbers)
    kind = {"type": "sticker", "packageId": "1"} if words is None else {"type": "text", "text": words, "quoteToken": "q"}
    told = {
        "type": "message", "message": {"id": str(number), **kind}, "webhookEventId": f"01H{number}",
        "deliveryContext": {"isRedelivery": False}, "timestamp": 1, "source": {"type": "user", "userId": f"L{number}"},
        "replyToken": reply_token or f"reply-{number}", "mode": "active", **event,
    }  # fmt: skip

    content = {"destination": "UBOT", "events": [told]}
    return _json("line", content, told["replyToken"], lambda body: _line_signature(body, secret))


def _line_signature(body: bytes, secret: str) -> dict[str, str]:
    return {"X-Line-Signature": base64.b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()}


def twilio(words: str, secret: str = TOKEN, number: int = 0, **other: str) -> Sent:
    person = f"+8210{number or next(_numbers):08}"
    fields = {"MessageSid": "SM1", "AccountSid": "AC1", "From": person, "To": "+15005550006", "Body": words, "NumMedia": "0"}
    fields |= other
    signed = TWILIO_URL + "".join(f"{name}{fields[name]}" for name in sorted(fields))
    signature = base64.b64encode(hmac.digest(secret.encode(), signed.encode(), "sha1")).decode()
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8", "X-Twilio-Signature": signature}
    return Sent("twilio", urlencode(fields).encode(), headers, person)


def mattermost(words: str, secret: str = SECRET, number: int = 0) -> Sent:
    number = number or next(_numbers)
    content = {
        "token": secret, "team_id": "t", "team_domain": "team", "channel_id": f"c{number}", "channel_name": "town-square",
        "timestamp": 1, "user_id": f"u{number}", "user_name": "minji", "post_id": "p", "text": f"@maeum {words}",
        "trigger_word": "@maeum", "file_ids": "",
    }  # fmt: skip
    return _json("mattermost", content, f"c{number}", lambda body: {})


def callback(words: str, secret: str = SECRET, number: int = 0) -> Sent:
    sender = f"someone-{number or next(_numbers)}"
    header = {"Authorization": f"Bearer {secret}"}
    return _json("callback", {"sender": sender, "message": words}, sender, lambda body: header)


# What each sends, and where the recipient and the text stand in what it gets.
PLATFORMS: dict[str, tuple[Callable[..., Sent], Callable[[dict[str, Any]], tuple[Any, Any]]]] = {
    "slack": (slack, lambda got: (got.get("channel"), got.get("text"))),
    "telegram": (telegram, lambda got: (got.get("chat_id"), got.get("text"))),
    "facebook": (facebook, lambda got: (got.get("recipient", {}).get("id"), got.get("message", {}).get("text"))),
    "line": (line, lambda got: (got.get("replyToken") or got.get("to"), "\n".join(m["text"] for m in got["messages"]))),
    "twilio": (twilio, lambda got: (got.get("To"), got.get("Body"))),
    "mattermost": (mattermost, lambda got: (got.get("channel_id"), got.get("message"))),
    "callback": (callback, lambda got: (got.get("recipient_id"), got.get("text"))),
}


class Bot:
    """The served bot, as the platforms reach it, and what they got from it."""

    def __init__(self, port: int, platforms: Platforms, log: Path) -> None:
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}/webhooks/", timeout=30, trust_env=False)
        self.platforms = platforms
        self.log = log

    def post(self, sent: Sent) -> httpx.Response:
        return self.client.post(f"{sent.path}/webhook", content=sent.body, headers=sent.headers)

    def told(self, sent: Sent, number: int = 1) -> list[str]:
        """The texts that the sender is answered with, once there are so many."""
        read = PLATFORMS[sent.path][1]

        def is_for_them(call: Call) -> bool:
            return (
                call.path.startswith(f"{sent.path}/")
                and read(call.content)[0] == sent.recipient
                and bool(read(call.content)[1])
            )

        return [read(call.content)[1] for call in self.platforms.wait(is_for_them, number)]

    def say(self, sent: Sent, number: int = 1) -> list[str]:
        assert self.post(sent).is_success
        return self.told(sent, number)


@pytest.fixture(scope="module")
def bot(small_bot: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    """The project's own credentials.yml with every messenger on; only their APIs are elsewhere."""
    folder = tmp_path_factory.mktemp("messengers")
    port = free_port()
    with standing_in() as platforms:
        credentials = yaml.safe_load((ROOT / "credentials.yml").read_text(encoding="utf-8"))
        for connector, settings in credentials.items():
            platform = connector.split(".")[2] if connector.startswith("bot.") else ""
            if platform in PLATFORMS and platform not in ("mattermost", "callback"):
                settings["api_base"] = platforms.base(platform)
        (folder / "credentials.yml").write_text(yaml.safe_dump(credentials, allow_unicode=True), encoding="utf-8")
        rasa = ["bot.quiet_rasa", "run", "--interface", "127.0.0.1", "--port", str(port), "--model", str(small_bot)]
        rasa += ["--endpoints", str(endpoints(folder, free_port())), "--credentials", str(folder / "credentials.yml")]
        own = {"MATTERMOST_URL": platforms.base("mattermost") + "/api/v4", "CALLBACK_URL": platforms.base("callback") + "/here"}
        own |= {"MAEUM_HAND_OFF_URL": platforms.base("hand-off"), "MAEUM_HAND_OFF_FOLDER": str(folder / "hand-off")}
        with running(rasa, f"http://127.0.0.1:{port}/webhooks/health/", folder / "rasa.log", **ENVIRONMENT, **own):
            bot = Bot(port, platforms, folder / "rasa.log")
            yield bot
            bot.client.close()  # the server waits for open connections when it stops


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_crisis_is_answered_with_a_number_to_whom_it_concerns(bot: Bot, platform: str) -> None:
    answers = bot.say(PLATFORMS[platform][0]("죽고 싶어요"))
    assert "109" in answers[0]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_the_platform_did_not_sign_is_refused(bot: Bot, platform: str) -> None:
    send, read = PLATFORMS[platform]
    refused = [send("죽고 싶어요", secret="somebody else's")]
    if platform != "mattermost":  # whose secret stands in the body
        unsigned = send("죽고 싶어요")
        refused.append(unsigned._replace(headers={"Content-Type": unsigned.headers["Content-Type"]}))
    if platform in ("slack", "facebook", "line", "twilio"):  # the others sign nothing and send a secret
        signed = send("죽고 싶어요")
        refused.append(signed._replace(body=signed.body + b" "))
    for sent in refused:
        assert bot.post(sent).status_code == (400 if platform == "slack" else 403)
    bot.say(send("안녕하세요"))  # comes later and is answered, so they would have been by now
    told = {read(call.content)[0] for call in bot.platforms.calls if call.path.startswith(f"{platform}/") and call.content}
    assert not told & {sent.recipient for sent in refused}


def test_a_platform_that_asks_whether_the_address_is_ours_is_told(bot: Bot) -> None:
    challenge = _json(
        "slack",
        {"type": "url_verification", "challenge": "3eZb", "token": "t"},
        "",
        lambda body: _slack_signature(body, SECRET),
    )
    assert bot.post(challenge).json() == "3eZb"
    asked = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": "verify-me"}
    assert bot.client.get("facebook/webhook", params=asked).text == "1158201444"
    assert bot.client.get("facebook/webhook", params={**asked, "hub.verify_token": "another"}).status_code == 403
    body = b'{"destination":"UBOT","events":[]}'
    assert bot.post(Sent("line", body, _line_signature(body, SECRET), "")).status_code == 200


def test_telegram_is_told_where_the_bot_is_and_what_its_secret_is(bot: Bot) -> None:
    [call] = bot.platforms.wait(lambda call: call.path.endswith("/setWebhook"))
    assert call.content["url"] == ENVIRONMENT["TELEGRAM_WEBHOOK_URL"]
    assert call.content["secret_token"] == telegram("").headers["X-Telegram-Bot-Api-Secret-Token"]
    assert "my_chat_member" not in json.loads(call.content["allowed_updates"])


def test_telegrams_start_is_a_greeting(bot: Bot) -> None:
    domain = yaml.safe_load((ROOT / "domain.yml").read_text(encoding="utf-8"))
    greetings = {text for response in domain["responses"]["utter_greet"] for text in response["text"].split("\n\n")}
    assert bot.say(telegram("/start"))[0] in greetings


def test_an_update_that_is_no_message_is_taken_and_ignored(bot: Bot) -> None:
    sent = telegram("")
    for content in ({"update_id": 1, "my_chat_member": {"chat": {"id": 1}}}, {"update_id": 2, "poll": {}}):
        assert bot.post(sent._replace(body=json.dumps(content).encode())).text == "ignored"


@pytest.mark.parametrize(
    "sent",
    [
        slack("", subtype="file_share", files=[{"id": "F1", "mimetype": "image/png"}]),
        telegram(None, sticker={"file_id": "f"}),
        telegram(None, location={"latitude": 37.57, "longitude": 126.98}),
        line(None),
        twilio(""),
        twilio("", Latitude="37.57", Longitude="126.98"),
    ],
    ids=lambda sent: sent.path,
)
def test_a_sticker_a_picture_or_a_place_is_answered_with_a_kind_word(bot: Bot, sent: Sent) -> None:
    assert bot.say(sent) == [refusals()["blank"]]


@pytest.mark.parametrize("kind", ["message", "edited_message"])
def test_the_words_under_a_picture_on_telegram_are_read(bot: Bot, kind: str) -> None:
    photo = {"file_id": "f", "file_unique_id": "u", "width": 1, "height": 1}
    assert "109" in bot.say(telegram(None, kind=kind, photo=[photo], caption="죽고 싶어요"))[0]


def test_nobody_who_shares_their_way_on_telegram_is_asked_for_words_at_each_step(bot: Bot) -> None:
    step = telegram(None, kind="edited_message", location={"latitude": 37.57, "longitude": 126.98, "live_period": 60})
    assert bot.post(step).text == "ignored"


@pytest.mark.parametrize("platform", ["telegram", "facebook", "line"])
def test_what_comes_twice_is_answered_once(bot: Bot, platform: str) -> None:
    send = PLATFORMS[platform][0]
    parts = 1 if platform == "line" else 2  # the first answer brings the notice
    first = send("안녕하세요")
    bot.say(first, parts)
    again = first
    if platform == "line":
        body = first.body.replace(b'"isRedelivery": false', b'"isRedelivery": true')
        assert body != first.body
        again = first._replace(body=body, headers=_line_signature(body, SECRET))
    assert bot.post(again).is_success
    bot.say(send("안녕하세요"), parts)  # comes later and is answered, so it would have been by now
    assert len(bot.told(first)) == parts


def test_every_message_of_one_delivery_by_facebook_is_answered(bot: Bot) -> None:
    answers = bot.say(facebook("안녕하세요", more=("죽고 싶어요",)), number=3)
    assert any("109" in answer for answer in answers)


def test_line_pushes_what_a_used_reply_token_cannot_bring(bot: Bot) -> None:
    bot.say(line("안녕하세요", reply_token="used"))
    late = line("죽고 싶어요", reply_token="used", source={"type": "user", "userId": "L-late"})
    assert bot.post(late).is_success
    [text] = bot.told(late._replace(recipient="L-late"))
    assert "109" in text
    [call] = bot.platforms.wait(lambda call: call.content.get("to") == "L-late")
    assert call.headers["X-Line-Retry-Key"]


def test_two_answers_on_line_arrive_in_their_order(bot: Bot) -> None:
    source = {"type": "user", "userId": "L-quick"}
    first, second = line("안녕하세요", reply_token="slow", source=source), line("죽고 싶어요", source=source)
    for sent in (first, second):
        assert bot.post(sent).is_success
    bot.told(second)
    tokens = [call.content.get("replyToken") for call in bot.platforms.calls]
    assert tokens.index("slow") < tokens.index(second.recipient)


def test_line_calls_a_hotline_at_a_touch_and_leaves_groups_alone(bot: Bot) -> None:
    group = line("죽고 싶어요", source={"type": "group", "groupId": "G1", "userId": "L0"})
    sent = line("죽고 싶어요")
    assert bot.post(group).is_success
    bot.say(sent)
    [call] = bot.platforms.wait(lambda call: call.content.get("replyToken") == sent.recipient)
    actions = [item["action"] for item in call.content["messages"][-1]["quickReply"]["items"]]
    assert {"type": "uri", "label": "자살예방 상담전화 109", "uri": "tel:109"} in actions
    assert not any(call.content.get("replyToken") == group.recipient for call in bot.platforms.calls)


def test_a_button_of_mattermost_says_what_it_holds(bot: Bot) -> None:
    pressed = {"user_id": "u-pressed", "channel_id": "c-pressed", "context": {"action": "죽고 싶어요", "token": SECRET}}
    sent = _json("mattermost", pressed, "c-pressed", lambda body: {})
    assert any("109" in answer for answer in bot.say(sent))


def test_a_button_of_slack_says_what_it_holds(bot: Bot) -> None:
    payload = {
        "type": "block_actions", "user": {"id": "U-pressed"}, "channel": {"id": "D-pressed"}, "message": {"ts": "1.0"},
        "actions": [{"type": "button", "value": "죽고 싶어요", "action_id": "a", "block_id": "b"}],
    }  # fmt: skip
    body = urlencode({"payload": json.dumps(payload)}).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded", **_slack_signature(body, SECRET)}
    assert any("109" in answer for answer in bot.say(Sent("slack", body, headers, "D-pressed")))


def test_what_is_kept_of_slack_does_not_name_a_persons_channel(bot: Bot) -> None:
    number = next(_numbers)
    bot.say(slack("안녕하세요", number=number), number=2)
    bot.say(slack("고마워요", number=number), number=3)  # by now the first turn is kept
    with sqlite3.connect(bot.log.with_name("conversations.db")) as connection:
        rows = connection.execute("SELECT data FROM events WHERE sender_id = ?", [pseudonym(f"U{number}")]).fetchall()
    kept = "\n".join(data for (data,) in rows)
    assert json.dumps("안녕하세요") in kept
    assert f"D{number}" not in kept


@pytest.mark.parametrize(
    ("platform", "person"),
    [
        ("slack", "U{}"), ("telegram", "{}"), ("facebook", "F{}"), ("twilio", "+8210{:08}"), ("mattermost", "u{}"),
        ("callback", "someone-{}"),
    ],
)  # fmt: skip
def test_a_crisis_whose_reply_a_platform_does_not_take_is_handed_to_a_human_and_goes_on(
    bot: Bot, platform: str, person: str
) -> None:
    send, number = PLATFORMS[platform][0], next(_numbers)
    sent = send("죽고 싶어요", number=number)
    bot.platforms.failing.add(sent.recipient)
    assert bot.say(sent) == [refusals()["failed"]]
    bot.say(send("안녕하세요", number=number), number=2)
    sender = pseudonym(person.format(number))
    handed_off = bot.platforms.wait(lambda call: call.content.get("sender_id") == sender, number=2)
    assert [call.content["kind"] for call in handed_off] == ["thinking", "thinking"]


def test_a_server_that_stops_gives_slack_the_answer_under_way(small_bot: Path, tmp_path: Path) -> None:
    port, sent = free_port(), slack("죽고 싶어요")
    with standing_in() as platforms:
        platforms.slow.add(sent.recipient)
        credentials = yaml.safe_load((ROOT / "credentials.yml").read_text(encoding="utf-8"))
        credentials["bot.channels.slack.SlackChannel"]["api_base"] = platforms.base("slack")
        (tmp_path / "credentials.yml").write_text(yaml.safe_dump(credentials, allow_unicode=True), encoding="utf-8")
        rasa = ["bot.quiet_rasa", "run", "--interface", "127.0.0.1", "--port", str(port), "--model", str(small_bot)]
        rasa += ["--endpoints", str(endpoints(tmp_path, free_port())), "--credentials", str(tmp_path / "credentials.yml")]
        own = {name: value for name, value in ENVIRONMENT.items() if name.startswith("SLACK")}
        with running(rasa, f"http://127.0.0.1:{port}/webhooks/health/", tmp_path / "rasa.log", **own):
            address = f"http://127.0.0.1:{port}/webhooks/slack/webhook"
            assert httpx.post(address, content=sent.body, headers=sent.headers).is_success
        [call, *_] = platforms.wait(lambda call: call.content.get("channel") == sent.recipient, seconds=0.1)
    assert "109" in call.content["text"]
    with sqlite3.connect(tmp_path / "conversations.db") as connection:
        kept = [json.loads(data) for (data,) in connection.execute("SELECT data FROM events")]
    assert "utter_crisis_thinking" in [event.get("name") for event in kept]


def test_a_callback_without_words_is_refused_with_a_sentence(bot: Bot) -> None:
    sent = _json("callback", {"message": 5}, "", lambda body: {"Authorization": f"Bearer {SECRET}"})
    assert bot.post(sent).json() == {"error": '"message" must be a text.'}


def test_an_answer_to_a_callback_carries_the_token(bot: Bot) -> None:
    sent = callback("안녕하세요")
    bot.say(sent)
    calls = bot.platforms.wait(lambda call: call.content.get("recipient_id") == sent.recipient)
    assert {call.headers["Authorization"] for call in calls} == {f"Bearer {SECRET}"}


def test_the_log_holds_nothing_that_was_said(bot: Bot) -> None:
    for platform in PLATFORMS:
        bot.say(PLATFORMS[platform][0]("비밀스러운 고구마 이야기"))
    log = bot.log.read_text(encoding="utf-8")
    assert "고구마" not in log
    assert TOKEN not in log
