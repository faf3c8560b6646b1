from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.chat_spelling import chat_spelling


@pytest.mark.parametrize(
    ("written", "typed"),
    [
        ("기분이 좋아요", "기분이 조아요"),
        ("회사 가기 싫어", "회사가기시러"),
        ("친구가 없어", "친구가 업서"),
        ("죽고 싶어", "죽고 시퍼"),
        ("많이 우울해", "마니 우울해"),
        ("아무것도 못하겠어", "아무것도 모타겠어"),
        ("어떻게 하지", "어떠케 하지"),
        ("잠을 못 잤어", "잠을 못 잣어"),
    ],
)
def test_it_spells_as_people_do(written: str, typed: str) -> None:
    assert typed in {chat_spelling(written, random.Random(seed)) for seed in range(2000)}


@given(text=st.text(st.sampled_from("좋아요 싫어 없어요 hi!1ㅠㅋ😀겠않읽값"), max_size=30), seed=st.integers(0, 100))
def test_nothing_but_hangul_and_spaces_changes(text: str, seed: int) -> None:
    typed = chat_spelling(text, random.Random(seed))
    assert len(typed.replace(" ", "")) == len(text.replace(" ", ""))
    for before, after in zip(text.replace(" ", ""), typed.replace(" ", "")):
        assert before == after or ("가" <= before <= "힣" and "가" <= after <= "힣")
    assert typed == chat_spelling(text, random.Random(seed))
