"""What more data would bring: the lexical model trained on growing shares of the data."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from components.category_model import CategoryModel

SHARES = (0.25, 0.5, 0.75, 1.0)


class LearningPoint(NamedTuple):
    """How many utterances were trained on, and the share of the test utterances that came first, and among the first three."""

    utterances: int
    top1: float
    top3: float


def learning_curve(
    train: tuple[list[str], list[str]],
    test: tuple[list[str], list[str]],
    shares: Sequence[float] = SHARES,
    seed: int = 0,
) -> list[LearningPoint]:
    """Trains the lexical model alone on each of `shares` of every category, and tests it.

    A smaller share is part of a greater one, and no category is ever left without an utterance: the points differ in how much
    is known of each category, not in which categories are known.

    Args:
        train: the texts to learn from, and their categories.
        test: the texts to be tested on, and theirs.
        seed: which utterances a share takes.

    Raises:
        ValueError: there are fewer than two categories.
    """
    texts, labels = (np.array(part, dtype=object) for part in train)
    rank = _rank_within_category(labels, seed)
    points = []
    for share in shares:
        learned = rank < share
        with tempfile.TemporaryDirectory() as folder:
            model = CategoryModel.train(list(texts[learned]), list(labels[learned]), Path(folder))
            order = np.argsort(-model.predict(test[0]), axis=1, kind="stable")[:, :3]
        right = np.array(model.labels, dtype=object)[order] == np.array(test[1], dtype=object)[:, None]
        points.append(LearningPoint(int(learned.sum()), float(right[:, 0].mean()), float(right.any(axis=1).mean())))
    return points


def _rank_within_category(labels: np.ndarray, seed: int) -> np.ndarray:
    """(texts,) in [0, 1): the share of its category that stands before a text, in random order; 0 for one text of each."""
    rank = np.zeros(len(labels))
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    for category in sorted(set(labels)):
        members = shuffled[labels[shuffled] == category]
        rank[members] = np.arange(len(members)) / len(members)
    return rank
