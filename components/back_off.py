"""Answering as precisely as is safe: at the category where it is sure enough, else at the category above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

# However many of all answers are right, one that is likely wrong is not given; a little below a half, because the answer of a
# near category mostly fits, too.
LEAST_CONFIDENCE = 0.4


@dataclass(frozen=True)
class Level:
    """A category on the way from the broadest to the likeliest one.

    Attributes:
        category: its path, ("감정", "걱정").
        confidence: how likely it, or one below it, is what the text is about.
        answers: whether that is enough.
    """

    category: tuple[str, ...]
    confidence: float
    answers: bool


@dataclass
class BackOff:
    """Walks down the tree of categories, always to the likeliest branch, and knows how sure it must be at each depth.

    Attributes:
        paths: the label's category paths, in the order of the probabilities' columns.
        thresholds: the confidence wanted at each depth, the broadest first; above 1 where no confidence is enough.
    """

    paths: Sequence[tuple[str, ...]]
    thresholds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        children: dict[tuple[str, ...], dict[tuple[str, ...], list[int]]] = {}
        self._own = {path: column for column, path in enumerate(self.paths)}
        for column, path in enumerate(self.paths):
            for depth in range(len(path)):
                children.setdefault(path[:depth], {}).setdefault(path[: depth + 1], []).append(column)
        self._children = {
            parent: (list(below), [np.array(columns) for columns in below.values()]) for parent, below in children.items()
        }

    @classmethod
    def learn(cls, paths: Sequence[tuple[str, ...]], probabilities: np.ndarray, truth: np.ndarray, precision: float) -> BackOff:
        """Chooses for each depth the least confidence at which the share of right answers is still `precision`.

        Args:
            probabilities: (texts, labels), of a model that has not learned from the texts.
            truth: (texts,) the true label's column.
            precision: between 0 and 1.
        """
        back_off = cls(paths)
        found: list[list[tuple[float, bool]]] = [[] for _ in range(max(map(len, paths)))]
        for row, column in zip(probabilities, truth):
            for category, confidence in back_off._walk(row):
                right = paths[column][: len(category)] == category
                found[len(category) - 1].append((confidence, right))
        back_off.thresholds = [threshold_for(precision, *_columns(answers)) for answers in found]
        return back_off

    def levels(self, probabilities: np.ndarray) -> list[Level]:
        """The way down for one text's probabilities, (labels,): the broadest category first; never empty."""
        return [
            Level(category, confidence, confidence >= self.thresholds[len(category) - 1])
            for category, confidence in self._walk(probabilities)
        ]

    def _walk(self, probabilities: np.ndarray) -> list[tuple[tuple[str, ...], float]]:
        way: list[tuple[tuple[str, ...], float]] = []
        here: tuple[str, ...] = ()
        while here in self._children:
            below, columns = self._children[here]
            masses = [float(probabilities[column].sum()) for column in columns]
            likeliest = int(np.argmax(masses))
            if here in self._own and probabilities[self._own[here]] >= masses[likeliest]:
                break
            here = below[likeliest]
            way.append((here, masses[likeliest]))
        return way


def threshold_for(precision: float, confidence: np.ndarray, right: np.ndarray) -> float:
    """The least confidence from which up the share of `right` answers is at least `precision`; above 1 if there is none.

    It is never below `LEAST_CONFIDENCE`.

    Args:
        confidence, right: (answers,) how sure each was, and whether it was right.
    """
    order = np.argsort(-confidence, kind="stable")
    precisions = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(precisions >= precision)
    return max(LEAST_CONFIDENCE, float(confidence[order[enough[-1]]])) if len(enough) else 1.01


def _columns(answers: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([confidence for confidence, _ in answers]), np.array([right for _, right in answers], dtype=float)
