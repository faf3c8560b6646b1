from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.crisis_text import canonical, jamo, letters_of

hangul = st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), min_size=3, max_size=12)
invisible = st.sampled_from(["\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u3164"])
marks = st.sampled_from(["*", "@", "·", "♥", "💀", "^"])


@given(st.text())
def test_any_text_is_read_and_reading_it_twice_changes_nothing_more(text: str) -> None:
    assert canonical(canonical(text)) == canonical(text)


@given(hangul.filter(lambda text: all(letters_of(syllable)[2] != "ㅅ" for syllable in text)))
def test_hangul_that_is_whole_stays_as_it_is(text: str) -> None:
    assert len(set(text)) < len(text) or canonical(text) == text


@given(hangul, invisible)
def test_invisible_characters_hide_nothing(text: str, character: str) -> None:
    assert canonical(character.join(text)) == canonical(text)


@given(hangul, marks)
def test_marks_between_syllables_hide_nothing(text: str, mark: str) -> None:
    assert canonical(mark.join(text)) == canonical(text)


@given(hangul, st.sampled_from([" ", "  ", ".", "-", "/", "\n"]))
def test_syllables_apart_are_one_word(text: str, space: str) -> None:
    assert canonical(space.join(text)) == canonical(text)


@given(hangul)
def test_hangul_from_a_mac_is_ordinary_hangul(text: str) -> None:
    assert canonical(unicodedata.normalize("NFD", text)) == canonical(text)


@given(hangul)
def test_spacing_is_not_in_the_letters(text: str) -> None:
    assert jamo(" ".join(text)) == jamo(text)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("ㅈㅜㄱㄱㅗ ㅅㅣㅍㄷㅏ", "죽고 싶다"),
        ("ㅈ ㅜ ㄱ ㄱ ㅗ", "죽고"),
        ("주ㄱ고 싶ㅇㅓ", "죽고 싶어"),
        ("자ㅅㅏㄹ", "자살"),
        ("퇴근하고 그엇어", "퇴근하고 그었어"),
        ("다 먹엇는데 졸려", "다 먹었는데 졸려"),
        ("돌아가셧어", "돌아가셨어"),
        ("ㅈr살", "자살"),
        ("죽1고1싶1다", "죽고싶다"),
        ("죽̶고̶ 싶̶다̶", "죽고 싶다"),
        ("자.살.생.각 해요", "자살생각 해요"),
        ("wnrrh tlvek", "죽고 싶다"),
        ("ㅇㅏㄴㅎㅇㅏ", "않아"),
        ("ＳＯＳ", "sos"),
    ],
)
def test_tricks_of_spelling_are_seen_through(written: str, read: str) -> None:
    assert canonical(written) == read


@pytest.mark.parametrize(
    "plain",
    [
        "아니ㅋㅋ 진짜ㄹㅇ",
        "ㅋㅋㅠㅠ 힘들다ㅎㅎ",
        "네. 알겠어요",
        "3시 10분",
        "엄마/아빠",
        "ㅈㄱㅅㄷ",
        "hello there friend",
        "want to sleep",
        "ㅠㅠ",
    ],
)
def test_ordinary_chat_stays_as_it_is(plain: str) -> None:
    assert canonical(plain) == plain
