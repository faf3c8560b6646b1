from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.kakao_models import length
from bot.channels.sentences import split_text


@pytest.mark.parametrize(
    ("text", "limit", "pieces"),
    [
        ("힘드셨겠어요. 언제부터 그러셨나요? 들려주세요.", 16, ["힘드셨겠어요.", "언제부터 그러셨나요?", "들려주세요."]),
        ("힘드셨겠어요. 언제부터 그러셨나요? 들려주세요.", 20, ["힘드셨겠어요. 언제부터 그러셨나요?", "들려주세요."]),
        ('"이제 정말 죽겠다…" 하고 말했군요. 놀랐어요!!', 16, ['"이제 정말 죽겠다…"', "하고 말했군요. 놀랐어요!!"]),
        ("정말 그랬구나ㅠㅠ 많이 아팠겠다ㅠㅠ 어떡해", 16, ["정말 그랬구나ㅠㅠ", "많이 아팠겠다ㅠㅠ 어떡해"]),
        ("평점은 딱 3.5점을 받았다고 하셨지요", 16, ["평점은 딱 3.5점을 받았다고", "하셨지요"]),
        ("여기까지 한 줄\n두 번째 줄이에요 여기", 16, ["여기까지 한 줄", "두 번째 줄이에요 여기"]),
        ("쉬지도띄지도않고길게이어지는말인데", 16, ["쉬지도띄지도않고길게이어지는말인", "데"]),
        ("  \n ", 16, []),
    ],
)
def test_sentences_stay_whole(text: str, limit: int, pieces: list[str]) -> None:
    assert split_text(text, limit) == pieces


def test_a_family_is_not_torn_apart() -> None:
    family = "👩\u200d👩\u200d👧"
    assert split_text("가" * 14 + family, 16) == ["가" * 14, family]


@given(
    st.text(st.sampled_from("가나 .!?…ㅠ\n😀\u200d👩é\u0301abc\"'"), max_size=200),
    st.integers(16, 60),
    st.sampled_from([len, length]),
)
def test_nothing_is_lost_and_every_piece_fits(text: str, limit: int, measure: object) -> None:
    assert callable(measure)
    pieces = split_text(text, limit, measure)
    assert all(piece.strip() == piece != "" and measure(piece) <= limit for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())
