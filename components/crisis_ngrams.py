"""What the words of a message say of a risk: a linear model of its n-grams, morphemes and letters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.svm import LinearSVC

from components.crisis_text import jamo
from components.morphemes import morphemes, morphemes_of_all

_BUCKETS = 2**20
_PENALTY = 1 / 3  # of the support vector machine; from 1/10 to 1 it hardly matters


def _hashing(**options: object) -> HashingVectorizer:
    return HashingVectorizer(lowercase=False, n_features=_BUCKETS, norm=None, alternate_sign=False, dtype=np.float32, **options)


# Endings, tense and negation are morphemes of their own; which verb they belong to is in the pair.
_VECTORIZERS = (
    _hashing(analyzer="char", ngram_range=(1, 5)),
    _hashing(token_pattern=r"\S+", ngram_range=(1, 2)),
    _hashing(analyzer="char", ngram_range=(3, 6)),
)


@dataclass(frozen=True)
class NgramModel:
    """Scores of labels from a text's n-grams of characters, morphemes and letters, hashed, so that unknown ones count.

    Attributes:
        idf: (kinds of n-grams, buckets) float32.
        buckets: (known,) int32, ascending, from 0 below kinds x buckets: those of the training texts' n-grams.
        weights: (known, labels) float32.
        biases: (labels,) float32.
    """

    idf: np.ndarray
    buckets: np.ndarray
    weights: np.ndarray
    biases: np.ndarray

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Scores of canonical texts, (texts, labels) float32: below 0 is unlike a label, above it like."""
        return self.of(_weighted(_counts(texts), self.idf))

    def of(self, features: scipy.sparse.csr_matrix) -> np.ndarray:
        """The same from texts' n-grams, rows of `NgramFeatures.values`."""
        at = np.minimum(np.searchsorted(self.buckets, features.indices), len(self.buckets) - 1)
        known = np.where(self.buckets[at] == features.indices, features.data, np.float32(0))
        shape = (features.shape[0], len(self.buckets))
        return scipy.sparse.csr_matrix((known, at, features.indptr), shape=shape) @ self.weights + self.biases


@dataclass(frozen=True)
class NgramFeatures:
    """The n-grams of the training texts, from which several models can be learned.

    Attributes:
        idf: see `NgramModel`.
        values: (texts, kinds x buckets): a product of two rows is the mean cosine of the kinds.
    """

    idf: np.ndarray
    values: scipy.sparse.csr_matrix

    @classmethod
    def of(cls, texts: Sequence[str]) -> NgramFeatures:
        """Those of canonical texts."""
        counts = _counts(texts)
        frequencies = [np.bincount(block.indices, minlength=_BUCKETS) for block in counts]
        idf = np.stack([np.log((1 + len(texts)) / (1 + each)) + 1 for each in frequencies]).astype(np.float32)
        return cls(idf, _weighted(counts, idf))

    def learn(self, rows: np.ndarray, labels: np.ndarray, label_count: int) -> NgramModel:
        """The model that tells each label of the texts in `rows` from all others.

        A label that none of them has gets the lowest score there is.

        Args:
            labels: (rows,) integers below `label_count`.
        """
        values = self.values[rows]
        buckets = np.unique(values.indices).astype(np.int32)
        machine = LinearSVC(C=1 / _PENALTY, tol=0.01).fit(values[:, buckets].astype(np.float64), labels)
        weights = np.zeros((len(buckets), label_count), dtype=np.float32)
        biases = np.full(label_count, -1.0, dtype=np.float32)
        coefficients, intercepts = machine.coef_.T, machine.intercept_
        if len(machine.classes_) == 2:  # then it has one column, for the second
            coefficients, intercepts = np.hstack([-coefficients, coefficients]), np.hstack([-intercepts, intercepts])
        weights[:, machine.classes_], biases[machine.classes_] = coefficients, intercepts
        return NgramModel(self.idf, buckets, weights, biases)


def _counts(texts: Sequence[str]) -> list[scipy.sparse.csr_matrix]:
    analysed = [morphemes(text) for text in texts] if len(texts) == 1 else morphemes_of_all(texts)
    words = [" ".join(f"{morpheme.form}/{morpheme.tag[:2]}" for morpheme in found) for found in analysed]
    readings = ([f" {text} " for text in texts], words, [jamo(text) for text in texts])
    return [vectorizer.transform(reading) for vectorizer, reading in zip(_VECTORIZERS, readings)]


def _weighted(blocks: Sequence[scipy.sparse.csr_matrix], idf: np.ndarray) -> scipy.sparse.csr_matrix:
    """(texts, buckets of all blocks): tf-idf with logarithmic counts, so that a product is the blocks' mean cosine."""
    for counts, weights in zip(blocks, idf):
        values = (1 + np.log(counts.data)) * weights[counts.indices]
        rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
        lengths = np.sqrt(len(blocks) * np.bincount(rows, values**2, minlength=counts.shape[0]))
        counts.data = (values / lengths[rows]).astype(np.float32)
    return scipy.sparse.hstack(blocks, format="csr")
