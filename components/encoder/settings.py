"""Which encoder, and how it is fine-tuned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from components.training_settings import TrainingSettings


class EncoderError(Exception):
    """An encoder can't be had or can't be used; the message is a sentence for whoever wrote the config."""


@dataclass(frozen=True)
class EncoderSettings(TrainingSettings):
    """How an encoder is fine-tuned; of a text longer than `max_length`, the beginning and the end are read."""

    # Where checkpoints lie while training runs, so that it can go on after an interruption.
    checkpoints: Path = Path(".cache/finetune")
