"""Which encoder, and how it is fine-tuned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class EncoderError(Exception):
    """An encoder can't be had or can't be used; the message is a sentence for whoever wrote the config."""


@dataclass(frozen=True)
class EncoderSettings:
    """How to fine-tune an encoder.

    The defaults are those measured best for a 25 M-parameter encoder on a 359-category set; a base-size model such as
    KoELECTRA or KoBERT wants a `learning_rate` near 5e-5.
    """

    # A hub id ("monologg/koelectra-base-v3-discriminator", "monologg/kobert", "skt/kobert-base-v1") or a local folder.
    source: str
    # The most epochs; training stops `patience` epochs after the held-out accuracy last rose.
    epochs: int = 12
    patience: int = 3
    learning_rate: float = 5e-5
    batch_size: int = 32
    # Tokens a text may have; of a longer one the beginning and the end are read.
    max_length: int = 128
    # The share of the texts held out to stop early and to calibrate on.
    held_out: float = 0.1
    seed: int = 0
    # Where checkpoints lie while training runs, so that it can go on after an interruption.
    checkpoints: Path = Path(".cache/finetune")
