"""What fine-tuning an encoder and fine-tuning a generator have in common. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass


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
