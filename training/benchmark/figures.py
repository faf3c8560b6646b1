"""What every section of the benchmark is given, and what it gives."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One row: a figure of ours beside the same of what we compare with.

    `skipped` says why something was not measured, and then both figures are None. `reference` alone is None where there is
    nothing to compare with.
    """

    name: str
    ours: float | None
    reference: float | None
    unit: str
    higher_is_better: bool = False
    # What a reader must know to believe it: how many were measured, how many threads.
    note: str = ""
    skipped: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times better ours is; below 1 it is worse. None if one of the two is missing or 0."""
        if not self.ours or not self.reference:
            return None
        return self.ours / self.reference if self.higher_is_better else self.reference / self.ours


def skipped(name: str, reason: str) -> Figure:
    """The row of something that was not measured."""
    return Figure(name, None, None, "", skipped=reason)


@dataclass(frozen=True)
class Bench:
    """What the sections work with.

    Attributes:
        project: the folder with `config.yml`, `endpoints.yml` and `credentials.yml`, in which the bot runs.
        model: the trained model to serve.
        dataset: a file of AI Hub's columns, to train and test classifiers on.
        utterances: what people say, for everything that reads text.
        slow: whether what takes more than a minute or two is measured too.
        say: told what is being done now.
    """

    project: Path
    model: Path
    dataset: Path
    utterances: list[str]
    slow: bool = False
    say: Callable[[str], None] = print

    def sample(self, count: int) -> list[str]:
        """So many utterances, always the same ones; some more than once if there are too few."""
        return random.Random(0).choices(self.utterances, k=count)


# A section yields its rows as they are measured, so that none is lost if a later one fails.
Section = Callable[[Bench], Iterator[Figure]]
