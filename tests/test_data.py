"""The data that comes with the project."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
import yaml

from bot.safety.hotlines import hotlines
from training.checking import check
from training.dataset import WELLNESS_COLUMNS, WellnessData, wellness_data
from training.tables import clean, read_table

NUMBER = r"\b1(?!00)\d{2,3}(?:-\d{4})?"  # as hotlines are numbered; a score of 100 is none
DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def wellness() -> WellnessData:
    return wellness_data(read_table(DATA / "wellness.csv", [WELLNESS_COLUMNS])[1])


@pytest.fixture(scope="module")
def intents() -> dict[str, list[str]]:
    nlu = yaml.safe_load((DATA / "intents.yml").read_text(encoding="utf-8"))["nlu"]
    return {entry["intent"]: [line.removeprefix("- ") for line in entry["examples"].splitlines()] for entry in nlu}


def test_there_are_utterances_and_answers_enough(wellness: WellnessData) -> None:
    assert len(wellness.utterances) >= 60
    assert all(len(utterances) >= 12 for utterances in wellness.utterances.values())
    assert all(len(wellness.answers[category]) >= 3 for category in wellness.utterances)


def test_check_data_finds_nothing_to_mend() -> None:
    assert check(DATA / "wellness.csv", DATA / "banned_in_answers.yml").problems == []


def test_no_utterance_stands_in_an_ordinary_intent_too(wellness: WellnessData, intents: dict[str, list[str]]) -> None:
    everything = [text for texts in (*wellness.utterances.values(), *intents.values()) for text in texts]
    assert [text for text, count in Counter(everything).items() if count > 1] == []


def test_every_line_is_clean_text(wellness: WellnessData) -> None:
    for texts in (*wellness.utterances.values(), *wellness.answers.values()):
        assert all(text == clean(text) for text in texts)


def test_every_ordinary_intent_has_examples_enough(intents: dict[str, list[str]]) -> None:
    small_talk = {"greet", "goodbye", "thanks", "affirm", "deny", "help", "bot_challenge", "nlu_fallback"}
    safety = {"crisis_safe", "crisis_not_safe", "keep_talking", "about_someone_else"}
    own_data = {"forget_me", "show_my_data", "privacy"}
    assert set(intents) == small_talk | safety | own_data
    assert all(len(set(examples)) >= 20 for examples in intents.values())


def test_every_crisis_reply_names_a_number_and_asks_one_question() -> None:
    crisis = yaml.safe_load((DATA / "crisis.yml").read_text(encoding="utf-8"))
    assert set(crisis["replies"]) == {"감정/자살충동", "증상/자살시도", "증상/자해", "감정/살인욕구"}
    for replies in crisis["replies"].values():
        assert len(replies) >= 2, "so that the same words need not come twice running"
        for reply in replies:
            assert "{" in reply
            assert reply.count("?") == 1


def test_the_words_of_the_crisis_protocol_name_a_number_and_ask_for_safety_or_nothing() -> None:
    protocol = yaml.safe_load((DATA / "crisis.yml").read_text(encoding="utf-8"))["protocol"]
    for name, reply in protocol.items():
        groups = reply["texts"] if isinstance(reply["texts"], dict) else {"": reply["texts"]}
        asks = "네, 안전해요" in reply["buttons"]
        for texts in groups.values():
            assert len(set(texts)) >= 2
            for text in texts:
                assert "{" in text
                assert len(text) <= 220
                assert "\n" not in text, "a paragraph of its own is the notice"
                # A yes must mean safe, so nothing else is asked.
                assert re.findall(r"([^.?]*)\?", text) == re.findall(r"([^.?]*(?:안전|무사)[^.?]*)\?$", text)
                assert text.count("?") == asks, name
    for kind in ("thinking", "plan", "acted", "other_person", "harm_others"):
        assert len(protocol[kind]["texts"]) >= 3
    assert all(text.index("{emergency") < text.find("{suicide") % 1000 for text in protocol["acted"]["texts"])
    assert all("{police}" in text for text in protocol["harm_others"]["texts"])


def test_the_bots_own_words_name_no_telephone_number_but_by_the_crisis_file() -> None:
    domain = (DATA.parent / "domain.yml").read_text(encoding="utf-8")
    rules = (DATA / "rules.yml").read_text(encoding="utf-8")
    assert not re.search(r"\d{3}", domain + rules)


def test_an_answer_names_only_numbers_that_the_crisis_file_has(wellness: WellnessData) -> None:
    known = {hotline.number for hotline in hotlines()}
    named = {number for texts in wellness.answers.values() for text in texts for number in re.findall(NUMBER, text)}
    assert named <= known
