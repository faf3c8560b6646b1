from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from components.fusion import Encoded, Fusion, learn_fusion


def by_logits(logits: np.ndarray) -> Encoded:
    """An encoder whose neighbours know nothing."""
    return Encoded(logits, np.full(logits.shape, 1 / logits.shape[1]))


@pytest.fixture
def truth() -> tuple[np.ndarray, np.ndarray]:
    """Logits of 4,000 texts over 5 labels, and labels drawn as those logits say."""
    random = np.random.default_rng(0)
    logits = random.normal(size=(4000, 5)) * 2
    labels = (logits + random.gumbel(size=logits.shape)).argmax(axis=1)
    return logits, labels


def test_scores_like_probabilities_get_the_weight_that_makes_them_probabilities(truth: tuple[np.ndarray, np.ndarray]) -> None:
    logits, labels = truth
    found = learn_fusion(softmax(logits, axis=1), None, labels)
    assert found.lexical == pytest.approx(1, abs=0.15)
    assert found.floor == pytest.approx(0, abs=0.02)


def test_overconfident_logits_are_cooled_by_what_they_were_heated(truth: tuple[np.ndarray, np.ndarray]) -> None:
    logits, labels = truth
    knows_nothing = np.full_like(logits, 0.2)
    assert learn_fusion(knows_nothing, by_logits(logits * 7), labels).encoder == pytest.approx(1 / 7, rel=0.1)


def test_fused_confidence_is_how_often_one_is_right(truth: tuple[np.ndarray, np.ndarray]) -> None:
    logits, labels = truth
    scores, heated = softmax(logits / 2, axis=1), by_logits(logits * 3.5)
    probabilities = learn_fusion(scores, heated, labels).probabilities(scores, heated)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    for low, high in ((0.3, 0.5), (0.5, 0.7), (0.7, 0.9)):
        chosen = (confidence > low) & (confidence < high)
        assert right[chosen].mean() == pytest.approx(confidence[chosen].mean(), abs=0.05)


def test_two_voices_that_err_apart_are_better_than_either() -> None:
    random = np.random.default_rng(1)
    labels = random.integers(5, size=4000)
    first, second = (np.eye(5)[labels] * 1.5 + random.normal(size=(4000, 5)) for _ in range(2))
    scores = softmax(first, axis=1)
    fused = learn_fusion(scores, by_logits(second), labels).probabilities(scores, by_logits(second))
    alone = max((scores.argmax(axis=1) == labels).mean(), (second.argmax(axis=1) == labels).mean())
    assert (fused.argmax(axis=1) == labels).mean() > alone + 0.03


@pytest.mark.parametrize("noise", [0.08, 0.15])
def test_the_best_weights_are_found_however_large_the_logits_are(noise: float) -> None:
    random = np.random.default_rng(0)
    labels = random.integers(200, size=800)
    true = np.eye(200)[labels] * random.random((800, 1))
    scores = 0.6 * true + noise * random.normal(size=true.shape)
    logits = 3 * true + random.normal(size=true.shape)
    shares = softmax(3 * true + random.normal(size=true.shape), axis=1)
    likelihoods = []
    for scale in (1, 100):
        encoded = Encoded(logits * scale, shares)
        likelihoods.append(learn_fusion(scores, encoded, labels).log_likelihood(scores, encoded, labels))
    assert likelihoods[0] == pytest.approx(likelihoods[1], abs=0.02)


def test_neighbours_are_heard_as_far_as_they_are_right(truth: tuple[np.ndarray, np.ndarray]) -> None:
    logits, labels = truth
    random = np.random.default_rng(2)
    near = np.eye(5)[np.where(random.random(len(labels)) < 0.9, labels, random.integers(5, size=len(labels)))]
    far = np.eye(5)[random.integers(5, size=len(labels))]
    scores = np.full_like(logits, 0.2)
    right, chance = (learn_fusion(scores, Encoded(logits, shares), labels) for shares in (near, far))
    assert right.neighbours is not None
    assert chance.neighbours is not None
    assert right.neighbours > 0.5 > 10 * chance.neighbours
    assert (right.probabilities(scores, Encoded(logits, near)).argmax(axis=1) == labels).mean() > 0.85


def test_an_encoder_that_is_right_by_chance_about_two_texts_does_not_silence_the_words() -> None:
    labels = np.array([0, 1])
    scores = np.array([[0.9, 0.1], [0.1, 0.9]])
    found = learn_fusion(scores, by_logits(np.array([[3.0, -3.0], [-3.0, 3.0]])), labels)
    assert found.encoder is not None
    assert found.encoder < 1
    assert found.lexical > 1


def test_every_row_is_a_distribution_even_below_the_floor() -> None:
    probabilities = Fusion(0.03, 3.0).probabilities(np.array([[-0.2, -0.1, 0.0], [0.9, 0.1, 0.0]]))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert probabilities[0].max() == pytest.approx(1 / 3)
