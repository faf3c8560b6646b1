from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components.neighbours import Neighbours

SIZE, LABELS = 16, 4


@pytest.fixture
def texts() -> tuple[np.ndarray, np.ndarray]:
    """Vectors of 80 texts, and their labels; the last label's lie in two opposite places, without a middle."""
    random = np.random.default_rng(0)
    labels = np.arange(80) % LABELS
    places = np.concatenate([np.eye(SIZE)[:3], [np.eye(SIZE)[3]]]) * 4
    vectors = places[labels] + random.normal(size=(80, SIZE)) * 0.3
    vectors[(labels == 3) & (np.arange(80) < 40)] *= -1
    return vectors.astype(np.float32), labels


def test_a_known_text_is_its_own_neighbour(texts: tuple[np.ndarray, np.ndarray]) -> None:
    vectors, labels = texts
    shares = Neighbours.learn(vectors, labels).shares(vectors, LABELS)
    assert (shares.argmax(axis=1) == labels).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1)


def test_a_label_without_a_middle_is_found(texts: tuple[np.ndarray, np.ndarray]) -> None:
    vectors, labels = texts
    neighbours = Neighbours.learn(vectors[:60], labels[:60])
    assert (neighbours.shares(vectors[60:], LABELS).argmax(axis=1) == labels[60:]).all()


def test_what_was_saved_says_the_same(texts: tuple[np.ndarray, np.ndarray], tmp_path: Path) -> None:
    vectors, labels = texts
    neighbours = Neighbours.learn(vectors, labels)
    neighbours.save(tmp_path)
    np.testing.assert_array_equal(Neighbours.load(tmp_path).shares(vectors, LABELS), neighbours.shares(vectors, LABELS))


def test_fewer_texts_than_neighbours_and_a_vector_of_nothing_break_nothing() -> None:
    vectors = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)
    shares = Neighbours.learn(vectors, np.array([0, 2])).shares(np.array([[0.9, 0.1], [0.5, 0.5]], dtype=np.float32), 3)
    assert shares[0].argmax() == 0
    assert np.isfinite(shares).all()
