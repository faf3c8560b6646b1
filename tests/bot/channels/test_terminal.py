"""The terminal's channel, spoken to as Rasa's reader of the terminal speaks to it."""

from __future__ import annotations

import json

import httpx
import pytest
from channel_servers import serving
from rasa.core.channels.channel import UserMessage

from bot.channels.terminal import TerminalInput

BUTTONS = [
    {"title": "네, 안전해요", "payload": "네"},
    {"title": "아니요", "payload": "아니요"},
    {"title": "자살예방 상담전화 109", "payload": "전화할게요", "type": "phone", "url": "tel:109"},
]


async def asks(message: UserMessage) -> None:
    """An agent that repeats what it hears and asks a question with buttons."""
    if message.text == "부서져":
        raise RuntimeError("broken on purpose")
    await message.output_channel.send_response(message.sender_id, {"text": f"{message.text}\n\n안내"})
    if message.text == "안녕":
        await message.output_channel.send_response(message.sender_id, {"text": "안전하세요?", "buttons": [*BUTTONS]})


def say(client: httpx.Client, text: str) -> list[dict[str, str]]:
    answer = client.post("/webhooks/rest/webhook?stream=true&token=", json={"sender": "a", "message": text})
    return [json.loads(line) for line in answer.text.splitlines()]


def test_buttons_are_lines_to_read_and_their_numbers_press_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAEUM_EXPLAIN", raising=False)
    with serving(TerminalInput.from_credentials(None), handler=asks) as client:
        assert [one["text"] for one in say(client, "안녕")] == [
            "안녕", "안내", "안전하세요?\n  1. 네, 안전해요\n  2. 아니요\n  3. 자살예방 상담전화 109 (tel:109)",
        ]  # fmt: skip
        assert say(client, "1")[0]["text"] == "네"
        assert say(client, "1")[0]["text"] == "1", "the buttons are gone with the next answer"


def test_a_turn_that_fails_leaves_the_terminal_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAEUM_EXPLAIN", raising=False)
    with serving(TerminalInput(), handler=asks) as client:
        assert say(client, "부서져") == []
        assert say(client, "다시")[0]["text"] == "다시"
