"""Making one calibrated probability of what the lexical model and the encoder say."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

# What a label counts for that none of the nearest texts has, as a share of them.
_FAR = 0.02
# Where the best weights are looked for, because a search from afar ends in a corner: floors with lexical weights that suit
# them, and weights of logits, which are as large as a head makes them.
_LEXICAL = ((0.01, 1.5), (0.3, 8.0))
_LOGITS = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003)
# How strongly the weights are drawn to those that suit most data, against the log-likelihood of all texts together. Among
# thousands it is nothing; a handful, which extreme weights may please by chance, doesn't get them.
_PULL = 2.0


class Encoded(NamedTuple):
    """What an encoder says of texts.

    Attributes:
        logits: (texts, labels), by its linear layer.
        shares: (texts, labels), of the nearest training texts.
    """

    logits: np.ndarray
    shares: np.ndarray


class Fusion(NamedTuple):
    """A log-linear pool: each voice has a weight, and how large the weights are says how sure the bot may be.

    probabilities = softmax(lexical * log(scores + floor) + encoder * logits + neighbours * log(shares + 0.02))

    Ridge scores lie near [0, 1] like probabilities, so their logarithm is what a weight suits; the floor is what a score of
    nothing counts for. With one voice alone its weight is an inverse temperature (Guo et al. 2017).
    """

    floor: float
    lexical: float
    encoder: float | None = None
    neighbours: float | None = None

    def probabilities(self, scores: np.ndarray, encoded: Encoded | None = None) -> np.ndarray:
        """(texts, labels) float64, each row summing to 1, from the lexical model's scores, (texts, labels), and the encoder."""
        return softmax(self._pooled(scores, encoded), axis=1)

    def _pooled(self, scores: np.ndarray, encoded: Encoded | None) -> np.ndarray:
        pooled = self.lexical * np.log(np.maximum(scores.astype(np.float64), 0) + self.floor)
        if encoded is None or self.encoder is None or self.neighbours is None:
            return pooled
        return pooled + self.encoder * encoded.logits + self.neighbours * np.log(encoded.shares + _FAR)

    def log_likelihood(self, scores: np.ndarray, encoded: Encoded | None, labels: np.ndarray) -> float:
        """The mean log-probability of the true `labels`, (texts,)."""
        return float(log_softmax(self._pooled(scores, encoded), axis=1)[np.arange(len(labels)), labels].mean())


def learn_fusion(scores: np.ndarray, encoded: Encoded | None, labels: np.ndarray) -> Fusion:
    """The fusion that gives `labels` the greatest likelihood; from few texts, one near that which suits most data.

    `scores` and `encoded` must come from models that have not learned from those texts; `encoded` is None if there is no
    encoder.
    """

    def loss(parameters: np.ndarray) -> float:
        pull = _PULL / len(labels) * float(((parameters - prior) ** 2).sum())
        return pull - Fusion(*np.exp(parameters).tolist()).log_likelihood(scores, encoded, labels)

    prior = np.log([0.03, 3.0] if encoded is None else [0.03, 1.5, 0.5, 0.2])
    bounds = [(-9.0, 0.0), (-4.0, 6.0), (-6.0, 4.0), (-6.0, 2.0)][: len(prior)]
    found = []
    for lexical in _LEXICAL:
        starts = [np.log(lexical)] if encoded is None else [np.log([*lexical, logits, 0.2]) for logits in _LOGITS]
        start = min(starts, key=loss)
        found.append(minimize(loss, start, method="Nelder-Mead", bounds=bounds, options={"xatol": 0.01, "fatol": 1e-5}))
    best = min(found, key=lambda end: end.fun)
    return Fusion(*np.exp(best.x).tolist())
