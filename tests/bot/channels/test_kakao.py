"""The KakaoTalk channel on a real server, with an agent that repeats what it hears as fast or slow as it is told."""

from __future__ import annotations

import asyncio
import json
import random
import re
import ssl
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import httpx
import pytest
from channel_servers import serving
from kakao_simulator import SECRET, CallbackReceiver, KakaoSimulator, check, payload, receiving_callbacks
from rasa.core.channels.channel import UserMessage
from rasa.shared.exceptions import RasaException
from servers import free_port

from bot.channels import kakao_turns
from bot.channels.kakao import KakaoConnector, KakaoInput
from bot.channels.kakao_answer import wording
from bot.channels.kakao_callback import may_be_called
from bot.channels.kakao_models import SkillRequest
from bot.channels.kakao_settings import KakaoSettings

WITHIN, CALLBACK_AFTER = 0.6, 0.3
T = TypeVar("T")


class Echo:
    """Says whose message it heard, and which; "… 2.5s" takes it so long. Knows what it was told in which order, and which of
    that can't answer what it said last."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self.unheard: list[str] = []

    async def __call__(self, message: UserMessage) -> None:
        self.heard.append((message.sender_id, message.text))
        if message.metadata:
            self.unheard.append(message.text)
        delay = re.search(r"([\d.]+)s$", message.text)
        await asyncio.sleep(float(delay.group(1)) if delay else 0)
        if "부서져" in message.text:
            raise RuntimeError(f"broken on purpose by {message.text}")
        if "말없이" not in message.text:
            texts = [f"{message.sender_id}: {message.text}", *(["끝."] if "끝" in message.text else [])]
            if "길게" in message.text:
                texts = [f"{letter}{'가' * 900}" for letter in "ABCDEFGH"]
            for text in texts:
                await message.output_channel.send_response(message.sender_id, {"text": text})


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def server(echo: Echo) -> Iterator[httpx.Client]:
    settings = KakaoSettings(
        secret=SECRET, answer_within_seconds=WITHIN, callback_after_seconds=CALLBACK_AFTER,
        callback_hosts=["127.0.0.1"], insecure_callbacks=True,
    )  # fmt: skip
    with serving(KakaoConnector(settings), handler=echo) as client:
        yield client


@pytest.fixture
def callbacks() -> Iterator[CallbackReceiver]:
    with receiving_callbacks(free_port()) as receiver:
        yield receiver


def run(server: httpx.Client, scene: Callable[[KakaoSimulator], Awaitable[T]]) -> T:
    """Plays a scene with a simulator."""

    async def play() -> T:
        async with KakaoSimulator(str(server.base_url.join("/webhooks/kakao/webhook"))) as kakao:
            return await scene(kakao)

    return asyncio.run(play())


def test_a_message_gets_its_answer(server: httpx.Client) -> None:
    shown = run(server, lambda kakao: kakao.say("민지", "안녕하세요"))
    assert shown.texts == ["민지: 안녕하세요"]


@pytest.mark.parametrize("secret", [None, "", "wrong", SECRET[:-1], SECRET + "x", "비밀"])
def test_strangers_are_refused(server: httpx.Client, echo: Echo, secret: str | None) -> None:
    headers = [] if secret is None else [(b"X-Skill-Secret", secret.encode())]
    answer = server.post("/webhooks/kakao/webhook", json=payload("민지", "안녕"), headers=headers)
    assert answer.status_code == 403
    assert echo.heard == []


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"1", b'"x"', b"\xff\xfe", b"[" * 100_000, b"{}", b'{"userRequest": null}',
        b'{"userRequest": {"utterance": "a"}}', b'{"userRequest": {"utterance": "a", "user": {}}}',
        b'{"userRequest": {"utterance": "a", "user": {"id": ""}}}',
        b'{"userRequest": {"utterance": null, "user": {"id": "a"}}}',
        b'{"userRequest": {"utterance": ["a"], "user": {"id": "a"}}}',
        b'{"userRequest": {"utterance": " \\n", "user": {"id": "a"}}}',
    ],
)  # fmt: skip
def test_what_cannot_be_read_gets_a_sentence_that_kakao_can_show(server: httpx.Client, echo: Echo, body: bytes) -> None:
    shown = run(server, lambda kakao: kakao.deliver(body))
    assert shown.texts == [wording().unreadable]
    assert echo.heard == []


def test_what_the_guides_leave_open_may_be_missing_or_of_another_kind(server: httpx.Client) -> None:
    request = {"userRequest": {"utterance": "안녕 \ud83d", "user": {"id": 265052}, "lang": None, "new": [1]}, "bot": "?"}
    shown = run(server, lambda kakao: kakao.deliver(request))
    assert shown.text.startswith("265052: 안녕")


def test_a_bot_that_breaks_or_stays_silent_still_answers_with_numbers_to_call(server: httpx.Client) -> None:
    for utterance in ("부서져", "말없이"):
        shown = run(server, lambda kakao, utterance=utterance: kakao.say("민지", utterance))  # type: ignore[misc]
        assert shown.texts == [wording().failed]
        assert shown.numbers == ["119", "109"]


def test_a_late_answer_comes_with_the_next_message(server: httpx.Client) -> None:
    async def scene(kakao: KakaoSimulator) -> None:
        held = await kakao.say("민지", "첫째 1.5s")
        assert held.texts == [wording().holding]
        assert {"109", "119"} == set(held.numbers), "who can't wait can call"
        assert WITHIN <= held.seconds < WITHIN + 0.5
        await asyncio.sleep(1.2)
        assert (await kakao.say("민지", "둘째")).texts == ["민지: 첫째 1.5s", "민지: 둘째"]
        assert (await kakao.say("민지", "셋째")).texts == ["민지: 셋째"]

    run(server, scene)


def test_what_is_written_before_the_answer_is_shown_is_marked(server: httpx.Client, echo: Echo) -> None:
    async def scene(kakao: KakaoSimulator) -> None:
        await kakao.say("민지", "첫째 1s")
        await kakao.say("민지", "둘째 0.5s")
        await asyncio.sleep(1)
        for text in ("셋째", "넷째", " ", "다섯째", "여섯째"):
            await kakao.say("민지", text)

    run(server, scene)
    assert echo.unheard == ["둘째 0.5s", "셋째", "다섯째"]


def test_a_late_answer_is_fetched_by_the_quick_reply_without_another_turn(server: httpx.Client, echo: Echo) -> None:
    async def scene(kakao: KakaoSimulator) -> None:
        held = await kakao.say("민지", "첫째 1.5s")
        (fetch,) = held.quick_replies.values()
        assert (await kakao.say("민지", fetch)).texts == [wording().holding], "it isn't there yet"
        await asyncio.sleep(0.5)
        assert (await kakao.say("민지", fetch)).texts == ["민지: 첫째 1.5s"]

    run(server, scene)
    assert echo.heard == [("민지", "첫째 1.5s")]


def test_what_has_no_place_in_three_bubbles_is_fetched_by_the_quick_reply(server: httpx.Client, echo: Echo) -> None:
    async def scene(kakao: KakaoSimulator) -> list[str]:
        shown = await kakao.say("민지", "길게")
        texts = shown.texts
        while shown.quick_replies:  # as fast as a finger, so the same request again within a second
            shown = await kakao.say("민지", *shown.quick_replies.values())
            texts += shown.texts
        return texts

    texts = run(server, scene)
    assert [text[0] for text in texts if text != wording().more] == list("ABCDEFGH")
    assert len(echo.heard) == 1


def test_a_turn_that_hangs_does_not_keep_the_next_from_its_answer(
    server: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kakao_turns, "_TURN_SECONDS", 0.8)

    async def scene(kakao: KakaoSimulator) -> None:
        await kakao.say("민지", "하나 60s")
        assert (await kakao.say("민지", "둘")).texts == [wording().failed, "민지: 둘"]

    run(server, scene)


def test_messages_sent_while_the_bot_thinks_are_answered_in_order(server: httpx.Client, echo: Echo) -> None:
    async def scene(kakao: KakaoSimulator) -> str:
        seen = []
        for number in range(4):
            seen.append(asyncio.create_task(kakao.say("민지", f"{number}번 0.4s")))
            await asyncio.sleep(0.05)
        texts = [(await one).text for one in seen]
        await asyncio.sleep(1.2)
        return "\n".join([*texts, (await kakao.say("민지", "이제")).text])

    seen = run(server, scene)
    assert re.findall(r"민지: (\S+)", seen) == ["0번", "1번", "2번", "3번", "이제"]
    assert [text for _, text in echo.heard] == ["0번 0.4s", "1번 0.4s", "2번 0.4s", "3번 0.4s", "이제"]


def test_a_repeated_delivery_gets_the_same_answer_and_no_second_turn(server: httpx.Client, echo: Echo) -> None:
    async def scene(kakao: KakaoSimulator) -> None:
        together = await asyncio.gather(*(kakao.say("민지", "하나 0.2s") for _ in range(5)))
        again = await kakao.say("민지", "하나 0.2s")
        assert {shown.text for shown in (*together, again)} == {"민지: 하나 0.2s"}

    run(server, scene)
    assert len(echo.heard) == 1


def test_the_same_words_later_are_another_message(server: httpx.Client, echo: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kakao_turns, "_REPEAT_SECONDS", 0.2)

    async def scene(kakao: KakaoSimulator) -> None:
        await kakao.say("민지", "네")
        await kakao.say("지호", "네")
        await asyncio.sleep(0.4)
        await kakao.say("민지", "네")

    run(server, scene)
    assert echo.heard == [("민지", "네"), ("지호", "네"), ("민지", "네")]


def test_a_held_message_delivered_again_gets_the_answer_itself(server: httpx.Client, echo: Echo) -> None:
    async def scene(kakao: KakaoSimulator) -> None:
        assert (await kakao.say("민지", "하나 1s")).texts == [wording().holding]
        assert (await kakao.say("민지", "하나 1s")).texts == ["민지: 하나 1s"]

    run(server, scene)
    assert len(echo.heard) == 1


def test_an_answer_that_nobody_waited_for_comes_with_the_next_message(server: httpx.Client, echo: Echo) -> None:
    async def scene(kakao: KakaoSimulator) -> None:
        with pytest.raises(asyncio.TimeoutError):
            await kakao.deliver(payload("민지", "하나 0.4s"), patience=0.15)
        await asyncio.sleep(0.5)
        assert (await kakao.say("민지", "둘")).texts == ["민지: 하나 0.4s", "민지: 둘"]

    run(server, scene)


def test_a_slow_answer_is_promised_and_comes_once_to_the_callback_address(
    server: httpx.Client, callbacks: CallbackReceiver, echo: Echo
) -> None:
    async def scene(kakao: KakaoSimulator) -> None:
        address = callbacks.address()
        promise = await kakao.say("민지", "하나 1s", address)
        assert promise.is_promise
        assert promise.answer["data"] == {"text": wording().waiting}
        assert promise.seconds < CALLBACK_AFTER + 0.5
        assert (await kakao.say("민지", "하나 1s", address)).is_promise, "delivered again, it is promised again"
        shown = await callbacks.arrival(address)
        assert shown.texts == ["민지: 하나 1s"]
        assert (await kakao.say("민지", "둘", callbacks.address())).texts == ["민지: 둘"]
        await asyncio.sleep(0.3)

    run(server, scene)
    assert len(callbacks.received) == 1
    assert callbacks.repeated == []
    assert len(echo.heard) == 2


def test_a_callback_that_kakao_does_not_take_comes_with_the_next_message(
    server: httpx.Client, callbacks: CallbackReceiver
) -> None:
    async def scene(kakao: KakaoSimulator) -> None:
        address = callbacks.address()
        callbacks.refused.add(address.rsplit("/", 1)[-1])
        assert (await kakao.say("민지", "하나 0.5s", address)).is_promise
        await asyncio.sleep(0.7)
        assert (await kakao.say("민지", "둘")).texts == ["민지: 하나 0.5s", "민지: 둘"]

    run(server, scene)


def test_a_callback_to_who_cannot_prove_to_be_kakao_comes_with_the_next_message(
    server: httpx.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(kakao_turns, "_CALLBACK_SECONDS", 1.0)
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=127.0.0.1"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(certificate, key)

    async def scene(kakao: KakaoSimulator) -> None:
        async with await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0, ssl=own) as impostor:
            address = f"https://127.0.0.1:{impostor.sockets[0].getsockname()[1]}/x"
            assert (await kakao.say("민지", "하나 0.5s", address)).is_promise
            await asyncio.sleep(1)
        assert (await kakao.say("민지", "둘")).texts == ["민지: 하나 0.5s", "민지: 둘"]

    run(server, scene)
    assert "certificate verify failed" in caplog.text


def test_a_callback_to_no_possible_address_comes_with_the_next_message(server: httpx.Client) -> None:
    async def scene(kakao: KakaoSimulator) -> None:
        assert (await kakao.say("민지", "하나 0.5s", f"http://{'a' * 64}.127.0.0.1/x")).is_promise
        await asyncio.sleep(0.7)
        assert (await kakao.say("민지", "둘")).texts == ["민지: 하나 0.5s", "민지: 둘"]

    run(server, scene)


def test_a_callback_is_tried_again_while_no_connection_comes_about(server: httpx.Client) -> None:
    async def scene(kakao: KakaoSimulator) -> None:
        port = free_port()
        address = CallbackReceiver(port).address()
        assert (await kakao.say("민지", "하나 0.5s", address)).is_promise
        await asyncio.sleep(1)
        with receiving_callbacks(port) as late:
            shown = await late.arrival(address, 10)
        assert shown.texts == ["민지: 하나 0.5s"]

    run(server, scene)


def test_a_callback_address_elsewhere_is_not_used(server: httpx.Client) -> None:
    async def scene(kakao: KakaoSimulator) -> None:
        assert (await kakao.say("민지", "하나 0.8s", "http://localhost:1/x")).texts == [wording().holding]

    run(server, scene)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://bot-api.kakao.com/v1/bots/1/callback/2", True),
        ("https://kakao.com:443/x", True),
        ("https://BOT.KAKAO.COM./x", True),
        ("https://x.kakaoenterprise.com/x", True),
        ("http://bot-api.kakao.com/x", False),
        ("https://bot-api.kakao.com:8443/x", False),
        ("https://kakao.com.evil.example/x", False),
        ("https://evilkakao.com/x", False),
        ("https://kakao.com@evil.example/x", False),
        ("https://a:b@kakao.com/x", False),
        ("https://evil.example\\.kakao.com/x", False),
        ("https://evil.example#.kakao.com/x", False),
        ("https://127.0.0.1/x", False),
        ("https://[::1]/x", False),
        ("https://kakao.com:x/", False),
        ("https://[kakao.com/", False),
        ("file:///etc/passwd", False),
        ("https:kakao.com", False),
        ("https://kakao.com/ x\n", False),
        ("", False),
    ],
)
def test_callbacks_go_to_kakao_by_https_and_nowhere_else(url: str, allowed: bool) -> None:
    assert may_be_called(url, KakaoSettings(secret=SECRET).callback_hosts, insecure=False) is allowed


def test_fifty_people_at_once_get_their_own_answers_and_all_of_them(
    server: httpx.Client, callbacks: CallbackReceiver, echo: Echo
) -> None:
    chance = random.Random(1)

    async def talk(kakao: KakaoSimulator, person: str) -> list[tuple[str, str]]:
        """What the person was shown of the bot's words, in the order of showing."""
        seen = []
        for number in range(4):
            address = callbacks.address() if chance.random() < 0.5 else None
            shown = await kakao.say(person, f"{number}번 {chance.choice(['0', '0.1', '0.9'])}s", address)
            if shown.is_promise:
                assert address is not None
                seen.append((await callbacks.arrival(address)).text)
            else:
                seen.append(shown.text)
        await asyncio.sleep(1)
        seen.append((await kakao.say(person, "끝")).text)
        return re.findall(r"^(\S+): (\S+)", "\n".join(seen), re.MULTILINE)

    async def scene(kakao: KakaoSimulator) -> list[list[tuple[str, str]]]:
        return await asyncio.gather(*(talk(kakao, f"사람{number}") for number in range(50)))

    everyone = run(server, scene)
    for number, seen in enumerate(everyone):
        assert seen == [(f"사람{number}", word) for word in ("0번", "1번", "2번", "3번", "끝")]
    assert callbacks.repeated == []


def test_a_server_that_stops_keeps_its_promises(echo: Echo, callbacks: CallbackReceiver) -> None:
    async def scene() -> None:
        turns = kakao_turns.KakaoTurns(
            KakaoSettings(secret=SECRET, callback_after_seconds=0.1, callback_hosts=["127.0.0.1"], insecure_callbacks=True),
            echo,
        )
        address = callbacks.address()
        request = SkillRequest.parse_obj(payload("민지", "하나 0.5s", address)).user_request
        assert (await turns.answer(request, "a")).use_callback
        await turns.finish(10)
        assert (await callbacks.arrival(address, 0)).texts == ["민지: 하나 0.5s"]

    asyncio.run(scene())


def test_the_channel_is_off_without_its_secret_and_a_weak_one_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = {"environment": {"secret": "KAKAO_SECRET"}}
    monkeypatch.delenv("KAKAO_SECRET", raising=False)
    with serving(KakaoInput.from_credentials(credentials)) as client:
        assert client.post("/webhooks/kakao/webhook", json={}).status_code == 404
    for weak in ("short", "비밀번호비밀번호비밀번호비밀번호"):
        monkeypatch.setenv("KAKAO_SECRET", weak)
        with pytest.raises(RasaException, match="secret: 16 or more") as error:
            KakaoInput.from_credentials(credentials)
        assert weak not in str(error.value)
    with pytest.raises(RasaException, match="secret: field required"):
        KakaoConnector.from_credentials(None)
    with pytest.raises(RasaException, match="answer_within_seconds"):
        KakaoConnector.from_credentials({"secret": SECRET, "answer_within_seconds": 6})


def test_no_line_of_the_log_has_what_people_wrote(server: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    async def scene(kakao: KakaoSimulator) -> None:
        await kakao.say("민지", "부서져 비밀이야기")
        await kakao.say("민지", "비밀이야기 0.7s", "http://elsewhere.example/비밀이야기")
        await kakao.deliver(json.dumps({"userRequest": {"utterance": "비밀이야기"}}).encode())

    with caplog.at_level("INFO"):
        run(server, scene)
    messages = [record.getMessage() for record in caplog.records if record.name.startswith("bot.")]
    assert len(messages) == 3
    assert not any("비밀" in message for message in messages)


def test_the_simulator_refuses_what_kakao_refuses() -> None:
    from jsonschema import ValidationError

    def outputs(*made: object) -> object:
        return {"version": "2.0", "template": {"outputs": list(made)}}

    text = {"simpleText": {"text": "안녕"}}
    check(outputs(text))
    long_button = {"label": "아홉 글자가 넘어요", "action": "phone", "phoneNumber": "109"}
    for wrong in (
        {}, {"version": "2.0"}, {"template": {"outputs": [text]}}, outputs(), outputs(text, text, text, text),
        outputs({"simpleText": {"text": "가" * 1001}}), outputs({"simpleText": {"text": " "}}), outputs({"unknown": {}}),
        outputs({"textCard": {"description": "가", "buttons": [long_button, long_button]}}),
        outputs({"textCard": {"description": "가", "buttons": [{"label": "a", "action": "phone"}]}}),
        {"version": "2.0", "useCallback": True, "template": {"outputs": [text]}},
    ):  # fmt: skip
        with pytest.raises(ValidationError):
            check(wrong)
