from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
import yaml
from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from bot.actions import generate_reply
from bot.actions.generate_reply import ActionGenerateReply

Pair = tuple[str, str]


@pytest.fixture(scope="module")
def model(
    kogpt2: Path, koelectra: Path, pairs: list[Pair], harmful_pair: Pair, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A generator that has learned kind answers and a harmful one by heart."""
    from training.generator import GeneratorSettings, finetune_generator

    work = tmp_path_factory.mktemp("generator")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(work)
        settings = GeneratorSettings(
            source=str(kogpt2), encoder=str(koelectra), epochs=40, patience=40, learning_rate=5e-3, batch_size=8
        )
        finetune_generator(settings, [*pairs, harmful_pair] * 20, work / "model")
    return work / "model"


@pytest.fixture
def reply(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the action says to a message; None if nothing."""

    def say(message: str, threshold: float = 0, intent: str = "nlu_fallback", **slots: Any) -> str | None:
        file = tmp_path / "generation.yml"
        content = {"model": str(model), "decoding": {"method": "greedy"}, "ranking": {"threshold": threshold}}
        file.write_text(yaml.safe_dump(content), encoding="utf-8")
        monkeypatch.setattr(generate_reply, "_SETTINGS_FILE", file)
        latest = {"text": message, "intent": {"name": intent, "confidence": 1.0}, "entities": []}
        tracker = Tracker("a", slots, latest, [], False, None, {}, "action_listen")
        dispatcher = CollectingDispatcher()
        (event,) = asyncio.run(ActionGenerateReply().run(dispatcher, tracker, {}))
        assert event["value"] == bool(dispatcher.messages), "the slot says whether a reply was given"
        return dispatcher.messages[0]["reply"] if dispatcher.messages else None

    return say


def test_a_fitting_reply_is_said(reply: Any, pairs: list[Pair]) -> None:
    for question, answer in pairs:
        assert reply(question) == answer


def test_a_reply_that_fits_too_little_is_not_said(reply: Any, pairs: list[Pair], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert reply(pairs[0][0], threshold=1) is None
    assert "fitted less well" in caplog.text


def test_a_harmful_reply_is_not_said(reply: Any, harmful_pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert reply(harmful_pair[0]) is None
    assert "the guard refused 1 for harm" in caplog.text


def test_nothing_is_generated_in_a_crisis(reply: Any, pairs: list[Pair]) -> None:
    question, answer = pairs[0]
    assert reply(question, intent="crisis") is None
    assert reply(question, crisis="thinking") is None
    assert reply(question, crisis=None) == answer


def test_nothing_is_generated_for_a_message_about_dying(reply: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert reply("잠이 안 와요 죽고 싶어") is None
    assert "life at risk" in caplog.text


def test_the_log_holds_nothing_of_what_was_written(
    reply: Any, pairs: list[Pair], harmful_pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    reply(harmful_pair[0])
    reply("죽고 싶어")
    reply(pairs[0][0], threshold=1)
    assert not any(text in caplog.text for text in ("우울", "나쁜 생각", "죽고", "잠이", "밤이"))


def test_a_generator_without_its_ranking_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "generation.yml"
    file.write_text(f"model: {tmp_path}\n", encoding="utf-8")
    monkeypatch.setattr(generate_reply, "_SETTINGS_FILE", file)
    tracker = Tracker("a", {}, {"text": "잠이 안 와요"}, [], False, None, {}, "action_listen")
    dispatcher = CollectingDispatcher()
    asyncio.run(ActionGenerateReply().run(dispatcher, tracker, {}))
    assert dispatcher.messages == []
    assert "finetune-generator" in caplog.text
