"""Turning scores into probabilities that mean what they say."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax


def fit_temperature(scores: np.ndarray, labels: np.ndarray) -> float:
    """The temperature at which softmax(scores / temperature) gives unseen `labels` the greatest likelihood.

    `scores` is (texts, labels) and must come from a model that has not seen those texts (Guo et al. 2017).
    """

    def negative_log_likelihood(log_temperature: float) -> float:
        log_probabilities = log_softmax(scores / np.exp(log_temperature), axis=1)
        return float(-log_probabilities[np.arange(len(labels)), labels].mean())

    return float(np.exp(minimize_scalar(negative_log_likelihood, bounds=(-6.0, 4.0), method="bounded").x))


def probabilities(scores: np.ndarray, temperature: float) -> np.ndarray:
    """(texts, labels) float64, each row summing to 1."""
    return softmax(scores.astype(np.float64) / temperature, axis=1)
