"""Which encoder, and how it is fine-tuned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from components.training_settings import TrainingSettings


class EncoderError(Exception):
    """An encoder can't be had or can't be used; the message is a sentence for whoever wrote the config."""


@dataclass(frozen=True)
class EncoderSettings(TrainingSettings):
    """How an encoder is fine-tuned; of a text longer than `max_length`, the beginning and the end are read."""

    epochs: int = 8
    # The most optimiser steps, whatever the epochs: what keeps training on a large dataset short.
    max_steps: int = 1200
    learning_rate: float = 7e-4
    # The head starts from nothing, and learns faster.
    head_learning_rate: float = 2e-3
    # How many of the upper layers learn; what the layers below say of a text is computed once. 0: the head alone, in seconds.
    trained_layers: int = 2
    # Whether the exported weights are "int8" or "fp32".
    precision: Literal["int8", "fp32"] = "int8"
    # Where checkpoints lie while training runs, so that it can go on after an interruption.
    checkpoints: Path = Path(".cache/finetune")

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> EncoderSettings:
        """Those of a component's config, where the source is called `encoder`."""
        options = {field.name: config[field.name] for field in fields(cls) if field.name in config}
        if "checkpoints" in options:
            options["checkpoints"] = Path(options["checkpoints"])
        return cls(**{**options, "source": config["encoder"]})
