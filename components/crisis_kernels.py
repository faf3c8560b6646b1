"""How like two texts are, for the crisis detector: by their n-grams, morphemes and letters, and by an encoder's vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse
from sklearn.feature_extraction.text import HashingVectorizer

from components.crisis_text import jamo
from components.morphemes import morphemes, morphemes_of_all

_BUCKETS = 2**20


def _hashing(**options: object) -> HashingVectorizer:
    return HashingVectorizer(lowercase=False, n_features=_BUCKETS, norm=None, alternate_sign=False, dtype=np.float32, **options)


# Endings, tense and negation are morphemes of their own; which verb they belong to is in the pair.
_VECTORIZERS = (
    _hashing(analyzer="char", ngram_range=(1, 5)),
    _hashing(token_pattern=r"\S+", ngram_range=(1, 2)),
    _hashing(analyzer="char", ngram_range=(3, 6)),
)


@dataclass(frozen=True)
class LexicalKernel:
    """The mean cosine, over three kinds of n-grams, of texts and the training texts; hashed, so that unknown ones count.

    Attributes:
        idf: (kinds of n-grams, buckets) float32.
        training: (kinds x buckets, training texts).
    """

    idf: np.ndarray
    training: scipy.sparse.csr_matrix

    @classmethod
    def fit(cls, texts: Sequence[str]) -> tuple[LexicalKernel, np.ndarray]:
        """The kernel and its values among the `texts`, which are canonical: (texts, texts) float32."""
        counts = _counts(texts)
        frequencies = [np.bincount(block.indices, minlength=_BUCKETS) for block in counts]
        idf = np.stack([np.log((1 + len(texts)) / (1 + each)) + 1 for each in frequencies]).astype(np.float32)
        features = _weighted(counts, idf)
        kernel = cls(idf, features.T.tocsr())
        return kernel, (features @ kernel.training).toarray()

    def regression(self, coefficients: np.ndarray) -> LexicalRegression:
        """The regression whose (training texts, labels) coefficients these are."""
        buckets = np.flatnonzero(np.diff(self.training.indptr)).astype(np.int32)
        return LexicalRegression(self.idf, buckets, self.training[buckets] @ coefficients)


@dataclass(frozen=True)
class LexicalRegression:
    """What a regression on a lexical kernel says of texts, by their n-grams: a turn is compared with no training text.

    Attributes:
        idf: (kinds of n-grams, buckets) float32.
        buckets: (known,) int32, ascending, from 0 below kinds x buckets: those of the training texts' n-grams.
        weights: (known, labels) float32.
    """

    idf: np.ndarray
    buckets: np.ndarray
    weights: np.ndarray

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """The kernel's values of canonical texts, times the coefficients: (texts, labels) float32."""
        features = _weighted(_counts(texts), self.idf)
        at = np.minimum(np.searchsorted(self.buckets, features.indices), len(self.buckets) - 1)
        known = np.where(self.buckets[at] == features.indices, features.data, np.float32(0))
        shape = (len(texts), len(self.buckets))
        return scipy.sparse.csr_matrix((known, at, features.indptr), shape=shape) @ self.weights


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


@dataclass(frozen=True)
class VectorKernel:
    """A Gaussian kernel on an encoder's vectors, as wide as the training vectors typically lie apart.

    Attributes:
        training: (training texts, size) float32, the vectors less their mean.
        mean: (size,) float32.
        width: the squared distance at which the kernel is 1/e.
    """

    training: np.ndarray
    mean: np.ndarray
    width: float

    @classmethod
    def fit(cls, vectors: np.ndarray) -> tuple[VectorKernel, np.ndarray]:
        """The kernel and its values among the `vectors`, (texts, texts) float32."""
        mean = vectors.mean(axis=0)
        centred = (vectors - mean).astype(np.float32)
        distances = _squared_distances(centred, centred, _squares(centred))
        kernel = cls(centred, mean, float(np.median(distances)))
        return kernel, np.exp(-distances / np.float32(kernel.width))

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """(texts, training texts) float32."""
        return np.exp(-_squared_distances(vectors - self.mean, self.training, self._squares) / np.float32(self.width))

    @cached_property
    def _squares(self) -> np.ndarray:
        return _squares(self.training)


def _squares(vectors: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", vectors, vectors)


def _squared_distances(left: np.ndarray, right: np.ndarray, right_squares: np.ndarray) -> np.ndarray:
    return np.maximum(_squares(left)[:, None] + right_squares - 2 * (left @ right.T), 0)
