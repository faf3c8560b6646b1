from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from rasa.core.agent import Agent
from rasa.core.brokers.broker import EventBroker
from rasa.core.channels.channel import CollectingOutputChannel, OutputChannel, UserMessage
from rasa.core.processor import MessageProcessor
from rasa.shared.core.domain import Domain
from rasa.utils.endpoints import EndpointConfig

from bot.channels.gate import Gate, Handler, Limits, Messages, client_address, install, refusals
from bot.safety.hand_off import EVENT_NAME, HandOffBroker
from bot.safety.hotlines import hotlines
from bot.tracker_store import PrivateTrackerStore
from components.crisis_policy import UNHEARD

NUMBERS = {line.key: line.number for line in hotlines()}
IN_CRISIS = "죽고 싶어요"


@pytest.fixture(scope="module")
def agent(small_bot: Path) -> Agent:
    return Agent.load(small_bot)


class Handled:
    """Stands where Rasa handles messages, and keeps their texts, and which of them can't answer the bot's last reply."""

    def __init__(self, fails: bool = False, seconds: float = 0) -> None:
        self.texts: list[str] = []
        self.unheard: list[str] = []
        self._fails, self._seconds = fails, seconds

    async def __call__(self, agent: Agent, message: UserMessage) -> Messages | None:
        text = message.text or ""
        self.texts.append(text)
        if (message.metadata or {}).get(UNHEARD):
            self.unheard.append(text)
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
    for refusal in ("blank", "too_fast", "too_long", "failed"):
        assert all(NUMBERS[line] in refusals()[refusal] for line in ("suicide", "emergency"))
        assert "{" not in refusals()[refusal]


def test_an_address_is_limited_over_all_its_conversations_and_a_platforms_is_not(agent: Agent) -> None:
    for address, answered in (("203.0.113.5", 3), (None, 6)):
        gate, handled = Gate(Limits(messages_per_minute_and_address=3)), Handled()
        client_address.set(address)
        said = [say(gate, agent, "안녕하세요", handled, sender=f"person {number}") for number in range(6)]
        assert said.count([]) == answered
    client_address.set(None)


def test_who_makes_up_a_name_for_each_message_is_not_read_for_ever(agent: Agent) -> None:
    gate, handled = Gate(Limits(messages_per_minute_and_address=3)), Handled()
    client_address.set("203.0.113.5")
    said = [say(gate, agent, IN_CRISIS, handled, sender=f"person {number}") for number in range(10)]
    assert said == [[]] * 6 + [[refusals()["too_fast"]]] * 4
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


@pytest.fixture
def read(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that the agent is given to classify, as they come."""
    read: list[str] = []
    parse_message = agent.parse_message

    async def parse(text: str) -> dict[str, Any]:
        read.append(text)
        parse_data: dict[str, Any] = await parse_message(text)
        return parse_data

    monkeypatch.setattr(agent, "parse_message", parse)
    return read


def test_of_a_very_long_one_the_beginning_and_the_end_are_read(agent: Agent, read: list[str]) -> None:
    filler = "회사에서 있었던 일이에요. " * 400
    for text in (f"{IN_CRISIS}. {filler}", f"{filler}{IN_CRISIS}"):
        handled = Handled()
        assert say(Gate(Limits(message_length=100)), agent, text, handled) == []
        assert IN_CRISIS in handled.texts[0]
    read.clear()
    assert say(Gate(Limits(message_length=100)), agent, filler, Handled()) == [refusals()["too_long"]]
    assert len(read) == 16


def test_long_messages_count_for_what_reading_them_costs(agent: Agent, read: list[str]) -> None:
    gate, handled = Gate(Limits(message_length=100, messages_per_minute=6)), Handled()
    filler = "회사에서 있었던 일이에요. " * 400
    for _ in range(3):
        assert say(gate, agent, filler, handled) == [refusals()["too_long"]]
    assert 6 <= len(read) <= 8, "and those of the time that this took"
    for text in (f"{IN_CRISIS}. {filler}", f"{filler}{IN_CRISIS}"):
        assert say(Gate(Limits(message_length=100, messages_per_minute=2)), agent, text, handled) == []


def test_while_it_is_read_others_are_answered_and_what_follows_it_waits(agent: Agent) -> None:
    gate, handled = Gate(Limits(message_length=30)), Handled()
    filler = "회사에서 있었던 일이에요. " * 5  # its beginning and end are read first
    long = f"{filler}{IN_CRISIS}. {filler}"

    async def send_all() -> None:
        sent = ((long, "a"), ("그래요", "a"), ("네", "b"))
        messages = [UserMessage(text, CollectingOutputChannel(), sender) for text, sender in sent]
        await asyncio.gather(*(gate.handle(agent, message, handled) for message in messages))

    asyncio.run(send_all())
    assert handled.texts[:2] == ["네", "answered 네"]
    assert IN_CRISIS in handled.texts[2]
    assert handled.texts[4:] == ["그래요", "answered 그래요"]


def test_what_goes_wrong_is_said_kindly_and_logged_without_the_message(agent: Agent, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert say(Gate(Limits()), agent, "비밀 이야기", Handled(fails=True)) == [refusals()["failed"]]
    (record,) = caplog.records
    assert "OSError in __call__" in record.getMessage()
    assert "비밀" not in caplog.text


class Recorder(EventBroker):
    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def publish(self, event: dict[str, Any]) -> None:
        self.events.append(event)


class Messenger(OutputChannel):
    """Fails to take the first message, at once or after a while."""

    def __init__(self, seconds: float) -> None:
        self.said: list[str] = []
        self._seconds = seconds
        self._has_failed = False

    async def send_text_message(self, recipient_id: str, text: str, **kwargs: Any) -> None:
        if not self._has_failed:
            self._has_failed = True
            await asyncio.sleep(self._seconds)
            raise ConnectionError(text)
        self.said.append(text)


@pytest.mark.parametrize("seconds", [0, 5])
def test_a_crisis_whose_reply_a_messenger_does_not_take_is_kept_and_handed_to_a_human(
    small_bot: Path, tmp_path: Path, seconds: float, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for of, name in ((Agent, "handle_message"), (MessageProcessor, "_send_bot_messages")):
        monkeypatch.setattr(of, name, getattr(of, name))  # what `install` puts there is taken away again
    monkeypatch.setattr("bot.channels.gate._SEND_SECONDS", 0.2)
    install(Gate(Limits()))
    published = Recorder()
    store = PrivateTrackerStore(event_broker=HandOffBroker(None, published), db=str(tmp_path / "conversations.db"))
    generator = EndpointConfig(type="bot.nlg.CarefulResponseGenerator")
    agent = Agent.load(small_bot, Domain.empty(), generator, store)
    messenger = Messenger(seconds)

    def write(text: str) -> list[str]:
        """What the messenger takes in answer to it."""
        before = len(messenger.said)
        asyncio.run(agent.handle_message(UserMessage(text, messenger, "someone", input_channel="messenger")))
        return messenger.said[before:]

    with caplog.at_level(logging.ERROR):
        assert write(IN_CRISIS) == [refusals()["failed"]]
    assert "A message got no answer" in caplog.text
    assert IN_CRISIS not in caplog.text
    tracker = asyncio.run(store.retrieve("someone"))
    assert tracker is not None
    assert tracker.get_slot("crisis") == "thinking"
    notice = agent.domain.responses["utter_crisis_notice"][0]["text"]
    assert notice in "\n".join(write("안녕하세요"))  # nobody has seen it yet
    assert [event["kind"] for event in published.events if event["event"] == EVENT_NAME] == ["thinking", "thinking"]


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


def test_what_answers_a_refusal_or_was_written_before_the_answer_came_is_marked(agent: Agent) -> None:
    gate, handled = Gate(Limits(message_length=100)), Handled()
    for text in ("하나", "", "둘", "셋", "회사에서 있었던 일이에요. " * 20, "넷", "다섯"):
        say(gate, agent, text, handled)
    say(gate, agent, "여섯", Handled(fails=True))
    say(gate, agent, "일곱", handled)
    say(gate, agent, "여덟", handled, sender="b")
    assert handled.unheard == ["둘", "넷", "일곱"]

    async def send_at_once() -> None:
        messages = [UserMessage(text, CollectingOutputChannel(), "c") for text in ("아홉", "열")]
        await asyncio.gather(*(gate.handle(agent, message, handled) for message in messages))

    asyncio.run(send_at_once())
    assert handled.unheard[3:] == ["열"]


def test_who_hangs_up_has_been_heard_all_the_same(agent: Agent) -> None:
    gate, handled = Gate(Limits()), Handled(seconds=0.1)

    async def hang_up() -> None:
        message = UserMessage("안녕하세요", CollectingOutputChannel(), "a")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(gate.handle(agent, message, handled), 0.02)
        await gate.finish()
        await gate.handle(agent, UserMessage("네", CollectingOutputChannel(), "a"), handled)

    asyncio.run(hang_up())
    assert handled.texts[1] == "answered 안녕하세요"
    assert handled.unheard == ["네"], "nobody has read the answer"


def test_limits_come_from_the_environment() -> None:
    assert Limits.from_environment({"MAEUM_MESSAGES_PER_MINUTE": "0", "MAEUM_MESSAGE_LENGTH": "50"}) == Limits(50, 0)
    for wrong in ("", "-1", "ten", "１"):
        with pytest.raises(ValueError, match="MAEUM_MESSAGE_LENGTH"):
            Limits.from_environment({"MAEUM_MESSAGE_LENGTH": wrong})
