from __future__ import annotations

import numpy as np
import pytest

from components.calibration import Calibration, calibrate


@pytest.fixture
def truth() -> tuple[np.ndarray, np.ndarray]:
    """Logits of 4,000 texts over 5 labels, and labels drawn as those logits say."""
    random = np.random.default_rng(0)
    logits = random.normal(size=(4000, 5)) * 2
    labels = (logits + random.gumbel(size=logits.shape)).argmax(axis=1)
    return logits, labels


def test_overconfident_logits_are_cooled_by_what_they_were_heated(truth: tuple[np.ndarray, np.ndarray]) -> None:
    logits, labels = truth
    assert calibrate(logits * 7, labels).temperature == pytest.approx(7, rel=0.1)


def test_calibrated_confidence_is_how_often_one_is_right(truth: tuple[np.ndarray, np.ndarray]) -> None:
    logits, labels = truth
    probabilities = calibrate(logits * 7, labels).probabilities(logits * 7)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    for low, high in ((0.3, 0.5), (0.5, 0.7), (0.7, 0.9)):
        chosen = (confidence > low) & (confidence < high)
        assert right[chosen].mean() == pytest.approx(confidence[chosen].mean(), abs=0.05)


def test_scores_like_probabilities_are_calibrated_on_a_log_scale(truth: tuple[np.ndarray, np.ndarray]) -> None:
    logits, labels = truth
    scores = Calibration(1.0).probabilities(logits)
    found = calibrate(scores, labels, with_floor=True)
    assert found.temperature == pytest.approx(1, abs=0.15)
    assert found.floor == pytest.approx(0, abs=0.02)


def test_every_row_is_a_distribution_even_below_the_floor() -> None:
    probabilities = Calibration(0.3, 0.03).probabilities(np.array([[-0.2, -0.1, 0.0], [0.9, 0.1, 0.0]]))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert probabilities[0].max() == pytest.approx(1 / 3)
