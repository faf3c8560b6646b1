"""The lexical half of the classifier: kernel ridge regression over character n-grams and Kiwi morphemes.

Learns in seconds, needs no GPU and no pretrained weights, and fails on other utterances than an encoder does.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import scipy.sparse
from scipy.linalg import blas, lapack
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.preprocessing import normalize

from components.morphemes import morphemes, morphemes_of_all
from components.text import squeeze

_BUCKETS = 2**20
_ROWS = 512  # of a kernel, computed at a time


class LexicalModel:
    """Scores every label for a text by its n-grams' likeness to those of the training texts.

    Kernel ridge in its dual form: `scores = k(texts, training texts) @ coefficients`, with the kernel the sum of a
    character 1–3-gram and a morpheme tf-idf cosine, and 1 for the intercept. The dual keeps the model small
    (training texts × labels) and says in closed form what it would have said of texts had it not seen them, which is what
    calibration needs.

    N-grams are hashed, not looked up, so that one never seen in training still counts in a text's length, with the greatest
    idf: a text of strange words is unlike everything, as it should be, and scores of unseen texts are as large as those of
    left-out ones.
    """

    # Ridge penalty, in units of the kernel (each block's cosine lies in [0, 1]). From 1 to 4 it hardly matters.
    penalty = 3.0

    def __init__(self) -> None:
        self._idf: list[np.ndarray]  # for each block of n-grams, (buckets,) float32
        # (both blocks' buckets, training texts): transposed once, so that a turn needn't
        self._training_features: scipy.sparse.csr_matrix
        self._coefficients: np.ndarray  # (training texts, labels) float32

    def fit(
        self, texts: list[str], labels: np.ndarray, label_count: int, left_out: Sequence[np.ndarray] = ()
    ) -> list[np.ndarray]:
        """Learns from `texts` and their `labels` (integers below `label_count`).

        Returns, for each group of texts in `left_out` (their indices), what a model that had seen all texts but that group
        would have said of the group, (texts of the group, labels) float32: exact, but for the idf, and without fitting again.
        """
        blocks = _counts(texts)
        self._idf = [_inverse_document_frequencies(counts) for counts in blocks]
        features = _weighted(blocks, self._idf)
        targets = np.eye(label_count, dtype=np.float32)[labels]
        self._training_features = features.T.tocsr()
        kernel = _kernel(features, self._training_features)
        kernel[np.diag_indices_from(kernel)] += self.penalty
        # Transposed, it is in LAPACK's order, and isn't copied.
        factor, _ = lapack.spotrf(kernel.T, lower=True, overwrite_a=True)
        self._coefficients, _ = lapack.spotrs(factor, targets, lower=True)
        return [targets[group] - self._residuals(factor, group) for group in left_out]

    def _residuals(self, factor: np.ndarray, group: np.ndarray) -> np.ndarray:
        """What a model without the group's texts would miss their targets by, (texts of the group, labels).

        Ridge regression has it in closed form: the inverse kernel's block of the group, inverted, times the group's
        coefficients (Golub, Heath & Wahba 1979, for a group of one).
        With kernel = L Lᵀ that block is WᵀW, W = L⁻¹'s columns of the group.
        """
        unit = np.zeros((len(factor), len(group)), dtype=np.float32, order="F")
        unit[group, np.arange(len(group))] = 1
        columns = blas.strsm(1.0, factor, unit, lower=True, overwrite_b=True)
        return np.linalg.solve(columns.T @ columns, self._coefficients[group])

    def scores(self, texts: list[str]) -> np.ndarray:
        """(texts, labels) float32; near 1 for a label that surely fits, near 0 for one that doesn't."""
        return _kernel(_weighted(_counts(texts), self._idf), self._training_features) @ self._coefficients

    def save(self, folder: Path) -> None:
        """Writes the model's files into `folder`, which must exist."""
        scipy.sparse.save_npz(folder / "lexical_features.npz", self._training_features)
        np.savez_compressed(folder / "lexical.npz", coefficients=self._coefficients, idf=self._idf)

    @classmethod
    def load(cls, folder: Path) -> LexicalModel:
        """The model that `save` wrote into `folder`."""
        model = cls()
        model._training_features = scipy.sparse.load_npz(folder / "lexical_features.npz")
        with np.load(folder / "lexical.npz") as arrays:
            model._coefficients, model._idf = arrays["coefficients"], list(arrays["idf"])
        return model


_CHARACTERS = HashingVectorizer(
    analyzer="char", ngram_range=(1, 3), lowercase=False, n_features=_BUCKETS, norm=None, alternate_sign=False, dtype=np.float32
)
_MORPHEMES = HashingVectorizer(
    token_pattern=r"\S+", lowercase=False, n_features=_BUCKETS, norm=None, alternate_sign=False, dtype=np.float32
)


def _counts(texts: list[str]) -> tuple[scipy.sparse.csr_matrix, scipy.sparse.csr_matrix]:
    """How often each n-gram stands in each text: of characters (between spaces, so that word edges count) and morphemes."""
    squeezed = [squeeze(text) for text in texts]
    # A single text is a message of somebody's, which the tokenizer may just have analysed.
    analysed = [morphemes(text) for text in squeezed] if len(squeezed) == 1 else morphemes_of_all(squeezed)
    words = [" ".join(f"{morpheme.form}/{morpheme.tag[:2]}" for morpheme in found) for found in analysed]
    return _CHARACTERS.transform([f" {text} " for text in squeezed]), _MORPHEMES.transform(words)


def _inverse_document_frequencies(counts: scipy.sparse.csr_matrix) -> np.ndarray:
    """(buckets,) float32, greatest for n-grams that stand in no text."""
    frequencies = np.bincount(counts.indices, minlength=_BUCKETS)
    return (np.log((1 + counts.shape[0]) / (1 + frequencies)) + 1).astype(np.float32)


def _weighted(blocks: Sequence[scipy.sparse.csr_matrix], idf: Sequence[np.ndarray]) -> scipy.sparse.csr_matrix:
    """(texts, buckets of all blocks): tf-idf with logarithmic counts, of length 1 in each block."""
    for counts, weights in zip(blocks, idf):
        counts.data = (1 + np.log(counts.data)) * weights[counts.indices]
    return scipy.sparse.hstack([normalize(counts, copy=False) for counts in blocks], format="csr", dtype=np.float32)


def _kernel(left: scipy.sparse.csr_matrix, right: scipy.sparse.csr_matrix) -> np.ndarray:
    """(left rows, right columns): the sum of both blocks' cosines, plus 1 for the intercept."""
    kernel = np.empty((left.shape[0], right.shape[1]), dtype=np.float32)

    def fill(start: int) -> None:
        rows = slice(start, start + _ROWS)
        kernel[rows] = (left[rows] @ right).toarray()

    if left.shape[0] <= _ROWS:
        fill(0)
    else:
        with ThreadPoolExecutor() as pool:  # SciPy lets go of the interpreter
            list(pool.map(fill, range(0, left.shape[0], _ROWS)))
    kernel += 1
    return kernel
