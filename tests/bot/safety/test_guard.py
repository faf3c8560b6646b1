from __future__ import annotations

import csv
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.safety.guard import Guard

ROOT = Path(__file__).parents[3]
REPLIES = yaml.safe_load(Path(__file__).with_name("replies.yml").read_text(encoding="utf-8"))
MESSAGE = "오늘 좀 그런 날이야"
REFUSED = [(kind, reply) for kind, replies in REPLIES["refused"].items() for reply in replies]


@pytest.fixture(scope="module")
def guard() -> Guard:
    return Guard()


@pytest.fixture(scope="module")
def answers() -> list[str]:
    """Every answer of the open dataset, written by people."""
    with (ROOT / "data" / "wellness.csv").open(encoding="utf-8-sig", newline="") as stream:
        return sorted({row["챗봇"] for row in csv.DictReader(stream)} - {""})


@pytest.mark.parametrize(("kind", "reply"), REFUSED, ids=[f"{kind}-{place}" for place, (kind, _) in enumerate(REFUSED)])
def test_a_harmful_or_broken_reply_is_refused(guard: Guard, kind: str, reply: str) -> None:
    assert guard.refuses(MESSAGE, reply), f"{kind}: {reply}"


@pytest.mark.parametrize("reply", REPLIES["passes"])
def test_a_kind_reply_passes(guard: Guard, reply: str) -> None:
    assert guard.refuses(MESSAGE, reply) is None


@pytest.mark.parametrize(("message", "reply"), REPLIES["agrees"])
def test_despair_is_not_agreed_with(guard: Guard, message: str, reply: str) -> None:
    assert guard.refuses(message, reply)


@pytest.mark.parametrize("message", REPLIES["silences"])
def test_a_message_about_dying_is_not_answered_at_all(guard: Guard, message: str) -> None:
    assert guard.silences(message)


def test_an_everyday_message_is_answered(guard: Guard) -> None:
    for message in ("배고파", "오늘 점심 뭐 먹지", "웃겨 죽는 줄", "숙제가 많아서 죽겠다", ""):
        assert guard.silences(message) is None


def test_few_of_the_answers_people_wrote_are_refused(guard: Guard, answers: list[str]) -> None:
    refused = [answer for answer in answers if guard.refuses(MESSAGE, answer)]
    assert len(answers) > 1400
    assert len(refused) / len(answers) < 0.03


def test_a_reply_that_repeats_the_message_is_refused(guard: Guard) -> None:
    refusal = guard.refuses("오늘은 정말 힘들었어요", "오늘은 정말 힘들었어요.")
    assert refusal is not None
    assert refusal.kind == "echo"


@pytest.mark.parametrize("reply", REPLIES["refused"]["encourages_harm"])
def test_spacing_hides_nothing(guard: Guard, reply: str) -> None:
    assert guard.refuses(MESSAGE, reply.replace(" ", ""))


@given(st.text(max_size=60))
@settings(deadline=None, max_examples=200)
def test_any_text_is_looked_over_without_an_error_and_only_korean_passes(guard: Guard, text: str) -> None:
    guard.silences(text)
    if guard.refuses(text, text + ".") is None:
        assert any("가" <= character <= "힣" for character in text)


@given(st.sampled_from([reply for _, reply in REFUSED]), st.sampled_from(REPLIES["passes"]))
@settings(deadline=None, max_examples=100)
def test_a_kind_sentence_beside_it_redeems_nothing(guard: Guard, harmful: str, kind: str) -> None:
    assert guard.refuses(MESSAGE, f"{kind} {harmful}")


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz@/:<>_ㅋㅠ漢😀\u200b", min_size=1, max_size=5))
@settings(deadline=None)
def test_nothing_but_korean_passes(guard: Guard, foreign: str) -> None:
    if set(foreign) <= {":"}:
        return
    assert guard.refuses(MESSAGE, f"많이 힘드셨겠어요 {foreign} 지금은 어떠세요?")


@given(st.integers(min_value=200))
@settings(deadline=None)
def test_no_number_longer_than_two_digits_passes_but_a_hotlines(guard: Guard, number: int) -> None:
    hotlines = {112, 119, 1388, 1366, 15770199}
    refused = guard.refuses(MESSAGE, f"힘드실 때는 {number}로 전화해 주세요.") is not None
    assert refused != (number in hotlines)


def test_the_only_numbers_are_those_of_the_crisis_file_however_it_writes_them(tmp_path: Path) -> None:
    file = tmp_path / "crisis.yml"
    entries = {"one": "청소년전화 1388(24시간)", "two": {"name": "경찰", "number": "112"}, "three": 119}
    file.write_text(yaml.safe_dump({"hotlines": entries}, allow_unicode=True), encoding="utf-8")
    guard = Guard(crisis=file)
    for named in ("청소년전화 1388", "경찰 112", "119"):
        assert guard.refuses(MESSAGE, f"위험하다고 느껴지면 {named}에 전화해 주세요.") is None
    for wrong in ("청소년전화 112", "경찰 1388", "109"):
        assert guard.refuses(MESSAGE, f"위험하다고 느껴지면 {wrong}에 전화해 주세요.")


def test_rules_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    file = tmp_path / "guard.yml"
    file.write_text("gap: 4\nsilent: {crisis: ['|x']}\nnever: {}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"\|x"):
        Guard(file)
    file.write_text("gap: 4\n", encoding="utf-8")
    with pytest.raises(ValueError, match="silent"):
        Guard(file)
    with pytest.raises(ValueError, match="make data"):
        Guard(answers=[tmp_path / "responses.yml"])
