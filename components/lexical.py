"""The lexical half of the classifier: kernel ridge regression over character n-grams and Kiwi morphemes.

Learns in seconds, needs no GPU and no pretrained weights, and fails on other utterances than an encoder does.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.linalg
import scipy.sparse
import skops.io
from sklearn.feature_extraction.text import TfidfVectorizer

from components.morphemes import morphemes
from components.text import squeeze


class LexicalModel:
    """Scores every label for a text by its n-grams' likeness to those of the training texts.

    Kernel ridge in its dual form: `scores = k(texts, training texts) @ coefficients`, with the kernel the sum of a
    character 1–4-gram and a morpheme uni/bigram tf-idf cosine, and 1 for the intercept. The dual keeps the model small
    (training texts × labels) and gives leave-one-out scores in closed form, which is what calibration needs.
    """

    # Ridge penalty, in units of the kernel (each block's cosine lies in [0, 1]).
    penalty = 1.0

    def __init__(self) -> None:
        self._characters = TfidfVectorizer(
            analyzer="char", ngram_range=(1, 4), lowercase=False, sublinear_tf=True, dtype=np.float32
        )
        self._morphemes = TfidfVectorizer(
            token_pattern=r"\S+", ngram_range=(1, 2), lowercase=False, sublinear_tf=True, dtype=np.float32
        )
        self._training_features: scipy.sparse.csr_matrix  # (training texts, n-grams)
        self._coefficients: np.ndarray  # (training texts, labels) float32

    def fit(self, texts: list[str], labels: np.ndarray, label_count: int) -> np.ndarray:
        """Learns from `texts` and their `labels` (integers below `label_count`).

        Returns the leave-one-out scores, (texts, labels): what a model that had not seen the text would have said of it.
        """
        characters, words = _squeezed(texts)
        features = _joined(self._characters.fit_transform(characters), self._morphemes.fit_transform(words))
        targets = np.eye(label_count, dtype=np.float64)[labels]
        kernel = _kernel(features, features).astype(np.float64)
        kernel[np.diag_indices_from(kernel)] += self.penalty
        inverse = scipy.linalg.inv(kernel, overwrite_a=True, check_finite=False)
        coefficients = inverse @ targets
        self._training_features = features
        self._coefficients = coefficients.astype(np.float32)
        # The leave-one-out residual of ridge regression is coefficient_i / inverse_ii (Golub, Heath & Wahba 1979).
        return targets - coefficients / np.diag(inverse)[:, None]

    def scores(self, texts: list[str]) -> np.ndarray:
        """(texts, labels) float32; near 1 for a label that surely fits, near 0 for one that doesn't."""
        characters, words = _squeezed(texts)
        features = _joined(self._characters.transform(characters), self._morphemes.transform(words))
        return _kernel(features, self._training_features) @ self._coefficients

    def save(self, folder: Path) -> None:
        """Writes the model's files into `folder`, which must exist."""
        skops.io.dump([self._characters, self._morphemes], folder / "lexical.skops")
        scipy.sparse.save_npz(folder / "lexical_features.npz", self._training_features)
        np.save(folder / "lexical_coefficients.npy", self._coefficients)

    @classmethod
    def load(cls, folder: Path) -> LexicalModel:
        """The model that `save` wrote into `folder`."""
        model = cls()
        model._characters, model._morphemes = skops.io.load(folder / "lexical.skops", trusted=["scipy.sparse._csr.csr_matrix"])
        model._training_features = scipy.sparse.load_npz(folder / "lexical_features.npz").tocsr()
        model._coefficients = np.load(folder / "lexical_coefficients.npy")
        return model


def _squeezed(texts: list[str]) -> tuple[list[str], list[str]]:
    """Each text for the character n-grams (between spaces, so that n-grams know word edges) and as its morphemes."""
    squeezed = [squeeze(text) for text in texts]
    words = [" ".join(f"{morpheme.form}/{morpheme.tag[:2]}" for morpheme in morphemes(text)) for text in squeezed]
    return [f" {text} " for text in squeezed], words


def _joined(characters: scipy.sparse.spmatrix, words: scipy.sparse.spmatrix) -> scipy.sparse.csr_matrix:
    return scipy.sparse.hstack([characters, words], format="csr", dtype=np.float32)


def _kernel(left: scipy.sparse.csr_matrix, right: scipy.sparse.csr_matrix) -> np.ndarray:
    """(left rows, right rows): the sum of both blocks' cosines, plus 1 for the intercept."""
    return (left @ right.T).toarray() + np.float32(1)
