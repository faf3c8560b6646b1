from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from components.text import normalise, squeeze

korean = st.text(st.one_of(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), st.sampled_from(" .,!?ㅠㅋㅎa1😀~")))


@given(korean)
def test_hangul_from_a_mac_becomes_ordinary_hangul(text: str) -> None:
    assert normalise(unicodedata.normalize("NFD", text)).text == text


@given(st.text(st.characters()))
@example("각ᆨ")
@example("👨‍👩‍👧 가족")
@example("\ud800잠\u200b이 안 와")
def test_any_text_at_all_is_normalised_with_an_offset_for_every_character(text: str) -> None:
    normalised = normalise(text)
    assert len(normalised.offsets) == len(normalised.text) + 1
    assert list(normalised.offsets) == sorted(normalised.offsets)
    assert normalised.offsets[-1] == len(text)
    normalised.text.encode("utf-8")


def test_offsets_lead_back_to_where_a_decomposed_syllable_began() -> None:
    text = unicodedata.normalize("NFD", "잠이 와")
    normalised = normalise(text)
    start = normalised.offsets[normalised.text.index("와")]
    assert unicodedata.normalize("NFC", text[start:]) == "와"


@pytest.mark.parametrize("hidden", ["죽\u200b고", "죽\u2060고", "\ufeff죽고", "죽\u00ad고", "죽\u3164고"])
def test_invisible_characters_hide_nothing(hidden: str) -> None:
    assert normalise(hidden).text == "죽고"


@given(st.text())
def test_squeezing_twice_changes_nothing_more(text: str) -> None:
    assert squeeze(squeeze(text)) == squeeze(text)


def test_chat_spelling_is_squeezed() -> None:
    assert squeeze("너무  힘들어ㅠㅠㅠㅠㅠ!!!!!! OMG") == "너무 힘들어ㅠㅠ!! omg"
