from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.safety.morpheme_rules import MorphemeRule
from components.morphemes import Morpheme, morphemes

_FORMS = st.sampled_from(["손목", "을", "긋", "어", "한번", "목", "매"])
_SENTENCES = st.lists(st.builds(Morpheme, _FORMS, st.sampled_from(["NNG", "VV", "JKO"]), st.just(0), st.just(0)), max_size=8)


def _found(rule: str, text: str, gap: int = 4) -> bool:
    return bool(MorphemeRule.parse(rule, gap).spans(morphemes(text)))


def test_endings_and_spacing_do_not_matter() -> None:
    for text in ("손목을 그어 보세요", "손목을그어보세요", "손목 한번 그었어요"):
        assert _found("손목 긋", text)


def test_a_tag_tells_words_of_one_form_apart() -> None:
    assert _found("죽/V", "죽고 나면")
    assert not _found("죽/V", "따뜻한 죽을 드셔 보세요")


def test_alternatives_beginnings_and_adjacency() -> None:
    assert _found("술|담배 끊", "담배를 끊었어요")
    assert _found("섹시*", "섹시하네요")
    assert _found("지 +말 +세요", "울지 마세요")
    assert not _found("지 +말 +세요", "울지 말고 기다려 보세요")


def test_words_too_far_apart_are_not_a_match() -> None:
    assert not _found("손목 긋", "손목이 아파서 병원에 갔다가 오는 길에 선을 그었어요", gap=2)


@pytest.mark.parametrize("text", ["", "  ", "|술", "술 |", "+", "*"])
def test_a_rule_without_words_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="rule"):
        MorphemeRule.parse(text, 4)


@given(_SENTENCES, st.lists(_FORMS, min_size=1, max_size=3), st.integers(0, 8))
def test_every_match_lies_in_the_sentence_and_a_wider_gap_loses_none(
    sentence: list[Morpheme], words: list[str], gap: int
) -> None:
    narrow, wide = (set(MorphemeRule.parse(" ".join(words), size).spans(sentence)) for size in (gap, gap + 1))
    assert narrow <= wide
    assert all(0 <= start < end <= len(sentence) for start, end in wide)
