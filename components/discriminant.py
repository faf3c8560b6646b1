"""Linear discriminant analysis of an encoder's sentence vectors, as a linear layer. Free of torch."""

from __future__ import annotations

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

# Of the covariance of sentence vectors, towards a sphere. Texts that an encoder has learned from lie closer together than
# others do, and hundreds of categories of a dozen texts tell little of how vectors vary together.
_SHRINKAGE = 0.7


def discriminant(vectors: np.ndarray, labels: np.ndarray, label_count: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights (labels, size) and biases (labels,), both float32, that tell the vectors' labels apart.

    A label that none of the vectors has is never likely.

    Args:
        vectors: (texts, size).
        labels: (texts,) integers below `label_count`.
    """
    analysis = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=_SHRINKAGE).fit(vectors.astype(np.float64), labels)
    coefficients, intercepts = analysis.coef_, analysis.intercept_
    if len(analysis.classes_) == 2:  # then it has one row, for the second
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    weights = np.zeros((label_count, vectors.shape[1]), dtype=np.float32)
    biases = np.full(label_count, intercepts.min() - 100, dtype=np.float32)
    weights[analysis.classes_], biases[analysis.classes_] = coefficients, intercepts
    return weights, biases
