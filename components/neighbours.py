"""The third voice of the classifier: what the training texts nearest to a text, in an encoder's eyes, are about."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

_NEAREST = 10
_WARMTH = 0.05  # how much nearer, in cosine, a neighbour must be to count e times as much
_DIMENSIONS = 128  # of principal components: the neighbours stay the same, in a third of the memory


@dataclass(frozen=True)
class Neighbours:
    """The training texts' sentence vectors, among which a text's nearest are looked up.

    A category of many different things, such as off-topic messages, has no middle that a linear layer could find, but its
    texts have neighbours; and a text that stands in the data is its own.

    Attributes:
        centre: (hidden size,) the mean of the training texts' vectors.
        directions: (hidden size, dimensions) the principal components.
        vectors: (training texts, dimensions) float32, each of length 1.
        labels: (training texts,) integers.
    """

    FILE: ClassVar[str] = "neighbours.npz"

    centre: np.ndarray
    directions: np.ndarray
    vectors: np.ndarray
    labels: np.ndarray

    @classmethod
    def learn(cls, vectors: np.ndarray, labels: np.ndarray) -> Neighbours:
        """From sentence vectors, (texts, hidden size), and their labels, (texts,)."""
        from sklearn.decomposition import PCA  # not needed for serving

        components = PCA(min(_DIMENSIONS, *vectors.shape), random_state=0).fit(vectors)
        centre, directions = components.mean_.astype(np.float32), components.components_.T.astype(np.float32)
        return cls(centre, directions, _directions((vectors - centre) @ directions), labels)

    def shares(self, vectors: np.ndarray, label_count: int) -> np.ndarray:
        """(texts, labels) float64: what share each label has in the nearest texts, nearer ones counting more; rows sum to 1."""
        likeness = _directions((vectors - self.centre) @ self.directions) @ self.vectors.T
        count = min(_NEAREST, likeness.shape[1])
        nearest = np.argpartition(-likeness, count - 1, axis=1)[:, :count]
        weights = np.exp((np.take_along_axis(likeness, nearest, axis=1) - 1.0) / _WARMTH)
        shares = np.zeros((len(vectors), label_count))
        np.add.at(shares, (np.arange(len(vectors))[:, None], self.labels[nearest]), weights)
        return shares / shares.sum(axis=1, keepdims=True)

    def save(self, folder: Path) -> None:
        """Writes the neighbours into `folder`, beside the encoder they belong to."""
        np.savez(folder / self.FILE, **asdict(self))

    @classmethod
    def load(cls, folder: Path) -> Neighbours:
        """Those that `save` wrote into `folder`."""
        with np.load(folder / cls.FILE) as arrays:
            return cls(**arrays)


def _directions(vectors: np.ndarray) -> np.ndarray:
    """Each row with length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
