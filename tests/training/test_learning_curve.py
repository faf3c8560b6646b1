"""The learning curve of the lexical model on a slice of the open dataset."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from components.category_model import CategoryModel
from training.evaluation import figures
from training.learning_curve import SHARES, learning_curve

ROOT = Path(__file__).parents[2]
TESTED = 3
Examples = tuple[list[str], list[str]]


@pytest.fixture(scope="module")
def parts() -> tuple[Examples, Examples]:
    """Utterances and categories to train on, and to test on: every thirtieth category."""
    utterances: dict[str, list[str]] = {}
    with (ROOT / "data" / "wellness.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            if row["유저"]:
                utterances.setdefault(row["구분"], []).append(row["유저"])
    chosen = {category: utterances[category] for category in sorted(utterances)[::30]}
    train = [(text, category) for category, texts in chosen.items() for text in texts[TESTED:]]
    test = [(text, category) for category, texts in chosen.items() for text in texts[:TESTED]]
    return ([text for text, _ in train], [name for _, name in train]), ([text for text, _ in test], [name for _, name in test])


def test_it_ends_where_training_on_everything_does(parts: tuple[Examples, Examples], tmp_path: Path) -> None:
    train, test = parts
    curve = learning_curve(train, test)
    model = CategoryModel.train(*train, tmp_path)
    whole = figures(model.predict(test[0]), model.labels, test[1])
    assert curve[-1] == (len(train[0]), whole["top1"], whole["top3"])


def test_shares_are_taken_from_every_category(parts: tuple[Examples, Examples]) -> None:
    train, test = parts
    curve = learning_curve(train, test)
    assert [point.utterances / len(train[0]) for point in curve] == pytest.approx(SHARES, abs=0.06)
    assert all(0 <= point.top1 <= point.top3 <= 1 for point in curve)
    assert curve[-1].top1 > curve[0].top1


def test_a_category_of_one_utterance_is_never_left_out() -> None:
    texts = ["우울해요", "잠이 안 와요", "잠을 못 자요", "잠을 설쳐요", "불면증이에요"]
    [point] = learning_curve((texts, ["우울감", *["불면"] * 4]), (["정말 우울해요"], ["우울감"]), shares=[0.25])
    assert point.utterances == 2
    assert np.isfinite(point.top1)
