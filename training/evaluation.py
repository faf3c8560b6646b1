"""Training a classifier on one file and testing it on another: what `python -m training evaluate` does."""

from __future__ import annotations

import platform
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import f1_score

from components.back_off import threshold_for
from components.category_model import CategoryModel
from components.encoder.settings import EncoderSettings
from training.dataset import WELLNESS_COLUMNS, category_path, wellness_data
from training.learning_curve import learning_curve
from training.pipeline import component_of
from training.report import EvaluationResult
from training.tables import TableError, read_table

_COMPONENT = "components.wellness_classifier.WellnessClassifier"
_VERSIONED = ("kiwipiepy", "scikit-learn", "numpy", "onnxruntime", "tokenizers", "torch", "transformers")
_COVERAGES = tuple(percent / 100 for percent in range(5, 101, 5))
Examples = tuple[list[str], list[str]]  # texts, and the category of each


def classifier_config(config_file: Path) -> dict[str, Any]:
    """The classifier's settings in a Rasa config file, as far as they stand there.

    Raises:
        ValueError: the file can't be read, or its pipeline has no WellnessClassifier.
    """
    return component_of(config_file, _COMPONENT)


def evaluate(
    train: Path,
    test: Path | None,
    encoder: EncoderSettings | None = None,
    target_precision: float = 0.75,
    supporting: Path | None = None,
) -> EvaluationResult:
    """Trains on `train`, predicts `test`, and returns what came of it; its `figures` are ready for JSON.

    The files have AI Hub's columns. Nothing of the bot's models or caches is read or written.

    Args:
        test: None: what is said of is the share of `train` that was held out, of which nothing but the calibration was learned.
        supporting: utterances that are learned along with `train`'s own where it has their category, but for those of `test`.

    Raises:
        TableError: a file can't be read, or has nothing to learn from or to test on.
        EncoderError: the encoder can't be loaded.
        ValueError: the training file has only one category.
    """
    texts, labels = _examples(train)
    tests = _tests(test) if test else None
    known, categories = {*texts, *(tests[0] if tests else ())}, set(labels)
    elsewhere = zip(*_examples(supporting)) if supporting else ()
    more = [(text, category) for text, category in elsewhere if category in categories and text not in known]

    with tempfile.TemporaryDirectory() as folder:
        if encoder is not None:
            encoder = replace(encoder, checkpoints=Path(folder) / "checkpoints")
        started = time.perf_counter()
        model = CategoryModel.train(texts, labels, Path(folder), encoder, more)
        train_seconds = time.perf_counter() - started
        evidence = model.held_out
        assert evidence is not None
        predicted = model.predict(tests[0]) if tests else evidence.probabilities
    tested, truth = tests or _at(evidence.texts, texts, labels)
    found = {
        **figures(predicted, model.labels, truth),
        "train_seconds": round(train_seconds, 2),
        "train_utterances": len(texts),
        "supporting_utterances": len(more),
        "test_utterances": len(tested),
        "test_utterances_in_train": len(set(tested) & set(texts)) if tests else 0,
        "categories": len(model.labels),
        "encoder": encoder.source if encoder else "none",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _VERSIONED}},
    }
    sure, likeliest = evidence.probabilities.max(axis=1), evidence.probabilities.argmax(axis=1)
    seed = encoder.seed if encoder else 0
    return EvaluationResult(
        figures=found,
        predicted=predicted,
        labels=model.labels,
        texts=tested,
        truth=truth,
        train_sizes=Counter(labels),
        train_file=train.name,
        test_file=test.name if test else train.name,
        seed=seed,
        threshold=threshold_for(target_precision, sure, likeliest == evidence.labels),
        target_precision=target_precision,
        learning_curve=learning_curve(*((texts, labels), tests) if tests else _split(texts, labels), seed=seed),
    )


def _examples(file: Path) -> Examples:
    data = wellness_data(read_table(file, [WELLNESS_COLUMNS])[1])
    texts = [text for utterances in data.utterances.values() for text in utterances]
    return _if_any(file, (texts, [category for category, utterances in data.utterances.items() for _ in utterances]))


def _tests(file: Path) -> Examples:
    rows = [(row["유저"], category_path(row["구분"])) for row in read_table(file, [WELLNESS_COLUMNS])[1]]
    rows = [(text, category) for text, category in rows if text and category]
    return _if_any(file, ([text for text, _ in rows], [category for _, category in rows]))


def _if_any(file: Path, examples: Examples) -> Examples:
    if not examples[0]:
        raise TableError(f"{file}: no row has both a 구분 and a 유저; there is nothing to evaluate.")
    return examples


def _at(rows: Sequence[int] | np.ndarray, texts: list[str], labels: list[str]) -> Examples:
    return [texts[row] for row in rows], [labels[row] for row in rows]


def _split(texts: list[str], labels: list[str]) -> tuple[Examples, Examples]:
    """What is learned and what is held out of one file."""
    held_out = EncoderSettings(source="").hold_out(texts)
    return _at(np.delete(np.arange(len(texts)), held_out), texts, labels), _at(held_out, texts, labels)


def figures(predicted: np.ndarray, labels: list[str], truth: list[str]) -> dict[str, Any]:
    """How good the predicted probabilities, (texts, labels), are.

    `ece` is the expected calibration error over 15 bins of equal width; `risk_coverage` says, for the surest share of the
    texts, how many of them are right and how sure the least sure of them is.
    """
    order = np.argsort(-predicted, axis=1, kind="stable")
    ranked = np.array(labels)[order[:, :3]]
    right = ranked == np.array(truth)[:, None]
    confidence = predicted.max(axis=1)
    hits = right[:, 0]
    return {
        "top1": float(hits.mean()),
        "top3": float(right.any(axis=1).mean()),
        "macro_f1": float(f1_score(truth, ranked[:, 0], labels=sorted(set(truth)), average="macro", zero_division=0)),
        "ece": expected_calibration_error(confidence, hits),
        "risk_coverage": _risk_coverage(confidence, hits),
    }


def expected_calibration_error(confidence: np.ndarray, hits: np.ndarray, bins: int = 15) -> float:
    """The mean distance between confidence and accuracy over equally wide bins of confidence (Naeini et al. 2015)."""
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(confidence[index == bin_].sum() - hits[index == bin_].sum()) for bin_ in range(bins)]
    return float(sum(gaps) / len(hits))


def _risk_coverage(confidence: np.ndarray, hits: np.ndarray) -> list[dict[str, float]]:
    surest = np.argsort(-confidence, kind="stable")
    curve = []
    for coverage in _COVERAGES:
        chosen = surest[: max(1, round(coverage * len(surest)))]
        accuracy = float(hits[chosen].mean())
        threshold = float(confidence[chosen[-1]])
        curve.append({"coverage": coverage, "accuracy": accuracy, "risk": 1 - accuracy, "threshold": threshold})
    return curve
