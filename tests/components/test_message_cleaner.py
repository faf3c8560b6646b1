from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rasa.nlu.classifiers.regex_message_handler import RegexMessageHandler
from rasa.shared.core.domain import Domain
from rasa.shared.nlu.training_data.message import Message

from components.message_cleaner import COMMANDS_ALLOWED, MessageCleaner

DOMAIN = Domain.from_yaml("intents: [greet, restart]\nentities: [name]")
COMMANDS = [
    "/restart", "/back", "/session_start", "/greet", '/greet{"name": "x"}', "/greet@0.3", "/restart@1.0{}", "//restart",
    "/ /restart", " \n/restart", "\x1b\x00/restart", "\u200b/restart", "\ufeff /restart",
]  # fmt: skip


def understood(text: str) -> Message:
    """The message as it leaves the cleaner and Rasa's handler of commands, which Rasa puts last into every pipeline."""
    anything = cast(Any, None)
    messages = MessageCleaner.create({}, anything, anything, anything).process([Message({"text": text})])
    return cast(Message, RegexMessageHandler().process(messages, DOMAIN)[0])


@pytest.mark.parametrize("text", COMMANDS)
def test_nobody_drives_the_bot_with_a_message(text: str) -> None:
    message = understood(text)
    assert message.get("intent") is None
    assert not message.get("entities")
    assert message.get("text").strip("/ \n"), "its words are still there for the classifiers"


@given(st.lists(st.sampled_from(["/", " ", "\n", "\u200b", "\x1b", "restart", "greet", "@1", '{"name": "x"}'])).map("".join))
def test_nor_with_any_mixture_of_what_commands_are_made_of(text: str) -> None:
    assert understood(text).get("intent") is None


def test_developers_may_switch_commands_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COMMANDS_ALLOWED, "1")
    assert understood("/restart").get("intent")["name"] == "restart"


@pytest.mark.parametrize("text", [None, ""])
def test_a_message_without_text_is_an_empty_one(text: str | None) -> None:
    assert understood(cast(str, text)).get("text") == ""
