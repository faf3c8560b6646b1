from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.message_text import one_line, printable, without_command

ANY_TEXT = st.text(st.characters(), max_size=200)  # with control characters and halves of surrogate pairs
# Texts of what commands are made of, so that the odd ones are met.
COMMAND_LIKE = st.text(st.sampled_from(["/", " ", "\n", "\t", "\u3000", "\u200b", "\ufeff", "r", "가", "{", "@"]), max_size=12)


@given(ANY_TEXT)
def test_a_printable_text_can_be_stored_and_does_nothing_to_a_terminal(text: str) -> None:
    cleaned = printable(text)
    assert cleaned.encode("utf-8").decode("utf-8") == cleaned
    assert not any(ord(character) < 32 and character not in "\n\t" for character in cleaned)
    assert not any(0x7F <= ord(character) < 0xA0 for character in cleaned)
    assert printable(cleaned) == cleaned


@pytest.mark.parametrize(
    "text", ["잠이 안 와요", "👨‍👩‍👧 가족이요 ❤️", "첫 줄\n둘째 줄", "שלום\u200f", "ㅠㅠ… ‘네’", "日本語 العربية"]
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert printable(text) == text
    assert without_command(text) == text


def test_line_breaks_of_all_kinds_are_one() -> None:
    assert printable("가\r\n나\r다\x85라\u2028마") == "가\n나\n다\n라\n마"


@given(st.one_of(ANY_TEXT, COMMAND_LIKE))
def test_no_text_starts_like_a_command_once_its_slash_is_gone(text: str) -> None:
    assert not without_command(printable(text)).strip().startswith("/")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/restart", "restart"), ('  /greet{"name": "x"}', 'greet{"name": "x"}'), ("//back", "back"), ("/", ""),
        ("\u200b/session_start", "session_start"), ("/ / 힘들어요", "힘들어요"), ("그냥/그래요", "그냥/그래요"), ("1/2", "1/2"),
    ],
)  # fmt: skip
def test_a_command_loses_its_slash_and_nothing_else(text: str, words: str) -> None:
    assert without_command(text) == words


@given(ANY_TEXT)
def test_a_log_line_is_one_short_line(text: str) -> None:
    line = one_line(text, 50)
    assert len(line) <= 50
    assert len(line.splitlines()) <= 1
