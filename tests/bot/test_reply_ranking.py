from __future__ import annotations

from pathlib import Path

import pytest

from bot.reply_ranking import ReplyRanker

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def ranker(pairs: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory) -> ReplyRanker:
    """One that knows `pairs` and has the embedded encoder."""
    from training.generator import export_known

    folder = tmp_path_factory.mktemp("known")
    export_known(str(ROOT / ".cache" / "base-encoder"), pairs, folder)
    return ReplyRanker(folder)


def test_the_known_answer_of_a_like_question_comes_first(ranker: ReplyRanker, pairs: list[tuple[str, str]]) -> None:
    answers = [answer for _, answer in pairs]
    for message, answer in [
        ("밤에 통 잠이 안 오네", answers[0]),
        ("요즘 우울해요", answers[1]),
        ("회사 가기 싫다", answers[2]),
    ]:
        assert ranker.rank(message, answers)[0].text == answer


def test_a_reply_beside_the_point_comes_after_one_to_the_point(ranker: ReplyRanker) -> None:
    to_the_point, beside_it = "밤이 길게 느껴지시겠어요.", "맛있게 드세요."
    assert [ranked.text for ranked in ranker.rank("잠이 안 와요", [beside_it, to_the_point])] == [to_the_point, beside_it]


def test_every_reply_gets_a_score_the_best_first(ranker: ReplyRanker) -> None:
    replies = ["그랬군요.", "마음이 가라앉았군요.", "아침이 무겁지요."]
    ranked = ranker.rank("너무 우울해요", replies)
    assert sorted(reply.text for reply in ranked) == sorted(replies)
    assert [reply.score for reply in ranked] == sorted((reply.score for reply in ranked), reverse=True)
    assert ranker.rank("너무 우울해요", []) == []


@pytest.mark.parametrize("message", ["", "ㅠㅠ", "😀", "\ud800", "가" * 3000])
def test_any_message_can_be_ranked_for(ranker: ReplyRanker, message: str) -> None:
    (ranked,) = ranker.rank(message, ["그랬군요."])
    assert -1 <= ranked.score <= 1.01
