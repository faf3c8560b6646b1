"""What fine-tuning an encoder and fine-tuning a generator have in common. Free of torch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TrainingSettings:
    """How a pretrained model is fine-tuned."""

    # A Hugging Face hub id or a local folder.
    source: str
    # The most epochs; training stops `patience` epochs after the held-out examples were last done better.
    epochs: int = 12
    patience: int = 3
    # Peak learning rate; small encoders want more than base-size models.
    learning_rate: float = 5e-5
    # Texts a step.
    batch_size: int = 32
    # Tokens a text may have.
    max_length: int = 128
    # The share of the examples held out to stop early, and to calibrate on.
    held_out: float = 0.1
    seed: int = 0

    def hold_out(self, texts: Sequence[str]) -> np.ndarray:
        """Indices of the texts that are not learned: the share of them, at least one, whose digests are lowest.

        Chance enough, and the same texts whatever the seed and whatever else is in the data: an encoder that was fine-tuned on
        some of them before has not seen those that are held out now.
        """
        digests = [hashlib.sha256(f"0 {text}".encode("utf-8", "surrogatepass")).digest() for text in texts]
        return np.array(sorted(range(len(texts)), key=digests.__getitem__)[: max(1, round(self.held_out * len(texts)))])
