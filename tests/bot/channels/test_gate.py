from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from rasa.core.agent import Agent
from rasa.core.channels.channel import CollectingOutputChannel, UserMessage

from bot.channels.gate import Gate, Handler, Limits, Messages, client_address, refusals
from bot.safety.hotlines import hotlines

NUMBERS = {line.key: line.number for line in hotlines()}
IN_CRISIS = "죽고 싶어요"


@pytest.fixture(scope="module")
def agent(small_bot: Path) -> Agent:
    return Agent.load(small_bot)


class Handled:
    """Stands where Rasa handles messages, and keeps their texts."""

    def __init__(self, fails: bool = False, seconds: float = 0) -> None:
        self.texts: list[str] = []
        self._fails, self._seconds = fails, seconds

    async def __call__(self, agent: Agent, message: UserMessage) -> Messages | None:
        text = message.text or ""
        self.texts.append(text)
        await asyncio.sleep(self._seconds)
        if self._fails:
            raise OSError(f"database is full [parameters: {text!r}]")
        self.texts.append(f"answered {text}")
        return []


def say(gate: Gate, agent: Agent, text: str | None, handled: Handler, sender: str = "a") -> list[str]:
    """What the gate itself says to a message."""
    message = UserMessage(text, CollectingOutputChannel(), sender, input_channel="rest")
    asyncio.run(gate.handle(agent, message, handled))
    assert isinstance(message.output_channel, CollectingOutputChannel)
    return [each["text"] for each in message.output_channel.messages]


def test_a_message_reaches_rasa_clean(agent: Agent) -> None:
    handled = Handled()
    assert say(Gate(Limits()), agent, " \x1b[31m잠이\x00 안 와요\ud800 ", handled) == []
    assert handled.texts[0] == "[31m잠이 안 와요\ufffd"


@pytest.mark.parametrize("text", [None, "", "  \n", "\x00\x1b"])
def test_nothing_at_all_gets_a_kind_word(agent: Agent, text: str | None) -> None:
    handled = Handled()
    assert say(Gate(Limits()), agent, text, handled) == [refusals()["blank"]]
    assert handled.texts == []


def test_who_writes_too_fast_is_asked_to_wait_and_told_where_help_is(agent: Agent) -> None:
    gate, handled = Gate(Limits(messages_per_minute=3)), Handled()
    said = [say(gate, agent, "안녕하세요", handled) for _ in range(5)]
    assert said == [[], [], [], [refusals()["too_fast"]], [refusals()["too_fast"]]]
    assert say(gate, agent, "안녕하세요", handled, sender="b") == []


def test_a_crisis_is_heard_however_fast_it_comes(agent: Agent) -> None:
    gate, handled = Gate(Limits(messages_per_minute=3)), Handled()
    for _ in range(4):
        say(gate, agent, "안녕하세요", handled)
    assert say(gate, agent, IN_CRISIS, handled) == []
    assert handled.texts[-1] == f"answered {IN_CRISIS}"


def test_a_flood_of_them_still_gets_the_numbers(agent: Agent) -> None:
    gate, handled = Gate(Limits(messages_per_minute=3)), Handled()
    said = [say(gate, agent, IN_CRISIS, handled) for _ in range(10)]
    assert said[:6] == [[]] * 6
    assert said[6:] == [[refusals()["too_fast"]]] * 4
    for refusal in ("too_fast", "too_long", "failed"):
        assert all(NUMBERS[line] in refusals()[refusal] for line in ("suicide", "emergency"))
        assert "{" not in refusals()[refusal]


def test_an_address_is_limited_over_all_its_conversations_and_a_platforms_is_not(agent: Agent) -> None:
    for address, answered in (("203.0.113.5", 3), (None, 6)):
        gate, handled = Gate(Limits(messages_per_minute_and_address=3)), Handled()
        client_address.set(address)
        said = [say(gate, agent, "안녕하세요", handled, sender=f"person {number}") for number in range(6)]
        assert said.count([]) == answered
    client_address.set(None)


def test_a_story_too_long_is_asked_for_in_parts(agent: Agent) -> None:
    handled = Handled()
    assert say(Gate(Limits(message_length=100)), agent, "회사에서 있었던 일이에요. " * 20, handled) == [refusals()["too_long"]]
    assert handled.texts == []


def test_but_what_it_says_of_a_crisis_is_heard_wherever_it_stands(agent: Agent) -> None:
    filler = "회사에서 있었던 일이에요. " * 4
    for text in (f"{IN_CRISIS}. {filler}", f"{filler}{IN_CRISIS}", f"{filler}{IN_CRISIS}. {filler}"):
        handled = Handled()
        assert say(Gate(Limits(message_length=30)), agent, text, handled) == []
        assert IN_CRISIS in handled.texts[0]


def test_what_goes_wrong_is_said_kindly_and_logged_without_the_message(agent: Agent, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert say(Gate(Limits()), agent, "비밀 이야기", Handled(fails=True)) == [refusals()["failed"]]
    (record,) = caplog.records
    assert "OSError in __call__" in record.getMessage()
    assert "비밀" not in caplog.text


def test_without_a_model_nobody_is_met_with_silence() -> None:
    assert say(Gate(Limits()), Agent(), "안녕하세요", Handled()) == [refusals()["failed"]]


def test_messages_sent_at_once_are_answered_one_after_the_other_in_their_order(agent: Agent) -> None:
    gate, handled = Gate(Limits()), Handled(seconds=0.01)

    async def send_all() -> None:
        messages = [UserMessage(f"{number}", CollectingOutputChannel(), "a") for number in range(10)]
        await asyncio.gather(*(gate.handle(agent, message, handled) for message in messages))

    asyncio.run(send_all())
    assert handled.texts == [text for number in range(10) for text in (f"{number}", f"answered {number}")]


def test_a_turn_that_hangs_does_not_keep_the_next_one_waiting(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.channels.gate._TURN_SECONDS", 0.05)
    gate = Gate(Limits())
    assert say(gate, agent, "안녕하세요", Handled(seconds=5)) == [refusals()["failed"]]
    assert say(gate, agent, "안녕하세요", Handled()) == []


def test_limits_come_from_the_environment() -> None:
    assert Limits.from_environment({"MAEUM_MESSAGES_PER_MINUTE": "0", "MAEUM_MESSAGE_LENGTH": "50"}) == Limits(50, 0)
    for wrong in ("", "-1", "ten", "１"):
        with pytest.raises(ValueError, match="MAEUM_MESSAGE_LENGTH"):
            Limits.from_environment({"MAEUM_MESSAGE_LENGTH": wrong})
