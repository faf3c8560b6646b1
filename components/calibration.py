"""Turning scores into probabilities that mean what they say."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax


class Calibration(NamedTuple):
    """How a model's scores become probabilities: softmax(scores / temperature), on a log scale if there is a floor.

    Logits of a neural network want a temperature alone (Guo et al. 2017). Ridge scores lie near [0, 1] like probabilities, so
    their logarithm is what a temperature suits; the floor is what a score of nothing counts for.
    """

    temperature: float
    floor: float | None = None

    def probabilities(self, scores: np.ndarray) -> np.ndarray:
        """(texts, labels) float64, each row summing to 1."""
        return softmax(_logits(scores, self.floor) / self.temperature, axis=1)


def calibrate(scores: np.ndarray, labels: np.ndarray, with_floor: bool = False) -> Calibration:
    """The calibration that gives `labels` the greatest likelihood.

    `scores` is (texts, labels) and must come from a model that has not seen those texts.
    """

    def calibration(parameters: np.ndarray) -> Calibration:
        return Calibration(*(float(np.exp(parameter)) for parameter in parameters))

    def negative_log_likelihood(parameters: np.ndarray) -> float:
        tried = calibration(parameters)
        log_probabilities = log_softmax(_logits(scores, tried.floor) / tried.temperature, axis=1)
        return float(-log_probabilities[np.arange(len(labels)), labels].mean())

    start = np.log([0.3, 0.03]) if with_floor else np.zeros(1)
    bounds = [(-6.0, 4.0), (-9.0, 0.0)][: len(start)]
    return calibration(minimize(negative_log_likelihood, start, method="Nelder-Mead", bounds=bounds).x)


def _logits(scores: np.ndarray, floor: float | None) -> np.ndarray:
    scores = scores.astype(np.float64)
    return scores if floor is None else np.log(np.maximum(scores, 0) + floor)
