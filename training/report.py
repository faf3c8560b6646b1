"""The evaluation as a page to look at: one HTML file with its pictures inside, which asks nothing of the network."""

from __future__ import annotations

import base64
import logging
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import yaml
from scipy.stats import binomtest

from training.learning_curve import LearningPoint
from training.writing import write_whole

_TEMPLATES = Path(__file__).parent / "templates"
_CONFUSIONS = 15
_EXAMPLES = 3
_EXAMPLE_LENGTH = 120  # characters of an utterance that are shown


@dataclass(frozen=True)
class EvaluationResult:
    """What a model said of the test utterances, and what it was made from.

    Attributes:
        figures: what goes into the JSON file: `training.evaluation.figures()` and the metadata beside it.
        predicted: (texts, labels) float64, the probability of each label; rows sum to 1.
        labels: the categories the model knows, in the order of the columns of `predicted`.
        texts: the test utterances.
        truth: the true category of each; one that the model doesn't know counts as missed.
        train_sizes: how many utterances of each category were trained on.
        train_file: the name of the file that was learned from.
        test_file: the name of the file that was tested on.
        seed: of the training, and of the learning curve's choice of utterances.
        threshold: the confidence from which the bot answers.
        target_precision: the share of the answered utterances that ought to be right, for which the threshold was chosen.
        learning_curve: of the lexical model alone, the smallest share first.
    """

    figures: dict[str, Any]
    predicted: np.ndarray
    labels: list[str]
    texts: list[str]
    truth: list[str]
    train_sizes: dict[str, int]
    train_file: str
    test_file: str
    seed: int
    threshold: float
    target_precision: float
    learning_curve: list[LearningPoint]

    @cached_property
    def taken(self) -> list[str]:
        """The most likely category of each text."""
        # Of equally likely ones the first, as in training.evaluation.figures().
        return [self.labels[column] for column in self.predicted.argmax(axis=1)]

    @cached_property
    def confidence(self) -> np.ndarray:
        """(texts,) float64: the probability of the most likely category."""
        return self.predicted.max(axis=1)

    @cached_property
    def hits(self) -> np.ndarray:
        """(texts,) bool: whether the most likely category is the true one."""
        return np.array([taken == truth for taken, truth in zip(self.taken, self.truth)])

    @property
    def answered(self) -> tuple[float, float]:
        """At the threshold: the share of the texts that is answered, and the share of those that is right (0 if none is)."""
        above = self.confidence >= self.threshold
        return float(above.mean()), float(self.hits[above].mean()) if above.any() else 0.0


@dataclass(frozen=True)
class Confusion:
    """A category taken for another."""

    truth: str
    taken: str
    count: int
    # Test utterances of the true category, rightly taken or not.
    of: int
    # (utterance, confidence), the surest first.
    examples: list[tuple[str, float]]


def write_report(file: Path, result: EvaluationResult) -> None:
    """Writes the report of an evaluation with at least one test utterance to `file`, whole or not at all.

    Raises:
        OSError: it can't be written; `filename` is `file`.
    """
    words = yaml.safe_load((_TEMPLATES / "report.yml").read_text(encoding="utf-8"))
    with _matplotlib_without_a_trace():
        from training.report_pictures import draw

    pictures = {
        name: {"alt": alt, **{theme: _data_uri(svg) for theme, svg in drawn.items()}}
        for name, (alt, drawn) in draw(result, words).items()
    }
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    values = _values(result, words)
    page = environment.get_template("report.html").render(
        words=words,
        test_file=result.test_file,
        summary=words["summary"].format(**values),
        tables={name: _filled(words[name]["rows"], values) for name in ("figures", "made_of")},
        pictures=pictures,
        confusions=worst_confusions(result),
    )
    write_whole(file, page.encode("utf-8", "replace").decode("utf-8"))  # a spreadsheet may hold half a surrogate pair


def _values(result: EvaluationResult, words: dict[str, Any]) -> dict[str, Any]:
    """All that the page's tables can name, by the names that templates/report.yml has for it."""
    figures, tests = result.figures, len(result.texts)
    share, precision = result.answered
    values = {**figures, "test_utterances": tests, "share": share}
    values["precision"] = f"{precision:.1%}" if share else "–"
    for name in ("top1", "top3"):
        values[f"{name}_low"], values[f"{name}_high"] = interval(round(figures[name] * tests), tests)
    for name in ("train_file", "test_file", "seed", "threshold"):
        values[name] = getattr(result, name)
    values["target"] = result.target_precision
    values["versions"] = ", ".join(f"{name}\N{NO-BREAK SPACE}{version}" for name, version in figures["versions"].items())
    if figures["encoder"] == "none":
        values["encoder"] = words["made_of"]["no_encoder"]
    return values


def _filled(rows: list[dict[str, str]], values: dict[str, Any]) -> list[dict[str, str]]:
    return [{"note": "", "detail": ""} | {key: text.format(**values) for key, text in row.items()} for row in rows]


def interval(hits: int, count: int) -> tuple[float, float]:
    """The 95 % confidence interval of a share (Wilson 1927)."""
    found = binomtest(hits, count).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def worst_confusions(result: EvaluationResult) -> list[Confusion]:
    """The pairs of categories most often confused; of equally frequent ones, the one the model was surer of."""
    wrong: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index in np.argsort(-result.confidence, kind="stable"):
        if not result.hits[index]:
            wrong[result.truth[index], result.taken[index]].append(index)
    worst = sorted(wrong.items(), key=lambda item: (-len(item[1]), -result.confidence[item[1]].mean()))[:_CONFUSIONS]
    return [
        Confusion(
            truth, taken, len(indices), result.truth.count(truth),
            [(_shortened(result.texts[index]), float(result.confidence[index])) for index in indices[:_EXAMPLES]],
        )
        for (truth, taken), indices in worst
    ]  # fmt: skip


def _shortened(text: str) -> str:
    return text if len(text) <= _EXAMPLE_LENGTH else text[: _EXAMPLE_LENGTH - 1] + "…"


def _data_uri(svg: bytes) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode("ascii")


@contextmanager
def _matplotlib_without_a_trace() -> Iterator[None]:
    """Lets matplotlib be imported without reading the user's settings or leaving its font cache in their home."""
    # Where looking through the fonts takes long, it says so, as if something were wrong.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    before = os.environ.get("MPLCONFIGDIR")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MPLCONFIGDIR"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["MPLCONFIGDIR"]
            else:
                os.environ["MPLCONFIGDIR"] = before
