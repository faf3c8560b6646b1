"""The pairs that a generator is fine-tuned on, read from files as people save them."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.generator import GeneratorError, read_pairs

PAIRS = [("잠이 안 와요", "밤이 길지요."), ("심심해", "놀아 드릴까요?")]
TABLE = "question,answer\n" + "".join(f"{question},{answer}\n" for question, answer in PAIRS)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
def test_pairs_are_read_in_every_encoding_that_excel_saves(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text(TABLE, encoding=encoding)
    assert read_pairs(file) == PAIRS


def test_a_row_without_a_question_or_an_answer_is_no_pair(tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text(TABLE + "짧은 줄\n답이 빈 줄,\n,물음이 빈 줄\n답이 없는 줄,nan\n", encoding="utf-8")
    assert read_pairs(file) == PAIRS


UNUSABLE = {
    "no such file": (None, "there is no such file; `make data` makes the pairs"),
    "other columns": ("Q,A\n심심해,놀아 드릴까요?\n", "the columns question, answer are wanted"),
    "header only": ("question,answer\n", "nothing under the header"),
    "one pair": (
        "question,answer\n심심해,놀아 드릴까요?\n심심해\n",
        "at least two question-answer pairs are needed, and it has 1",
    ),
}


@pytest.mark.parametrize(("content", "reason"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_file_without_pairs_is_refused_in_one_sentence(tmp_path: Path, content: str | None, reason: str) -> None:
    file = tmp_path / "pairs.csv"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    with pytest.raises(GeneratorError, match=reason) as error:
        read_pairs(file)
    assert str(error.value).startswith(str(file))
    assert str(error.value).endswith(".")
