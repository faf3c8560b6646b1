"""Fine-tuning with Hugging Face's `Trainer`, the same way for encoders and generators. Imports torch: only for training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import EarlyStoppingCallback, EvalPrediction, PreTrainedModel, Trainer, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from components.training_settings import TrainingSettings

Example = dict[str, Any]


def fine_tune(
    model: PreTrainedModel,
    examples: list[Example],
    collate: Callable[[list[Example]], dict[str, torch.Tensor]],
    settings: TrainingSettings,
    checkpoints: Path,
    metrics: Callable[[EvalPrediction], dict[str, float]] | None = None,
    **arguments: Any,
) -> tuple[Trainer, np.ndarray]:
    """Trains on all but a held-out share of the examples and ends with the best epoch's weights.

    A run that was interrupted goes on from its last epoch, if `checkpoints` is the folder it had; who calls deletes that folder
    when all is done.

    Args:
        examples: each with its `input_ids`, a list of ints, by whose length batches are made.
        metrics: must give an `accuracy`, by which the best epoch is chosen; without it the held-out loss is.
        arguments: more of `TrainingArguments`.

    Returns:
        The trainer, whose `model` is the best, and the indices of the held-out examples.
    """
    shuffled = np.random.default_rng(settings.seed).permutation(len(examples))
    held_out, kept = np.split(shuffled, [max(1, round(settings.held_out * len(examples)))])
    on_gpu = torch.cuda.is_available()
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(checkpoints),
            num_train_epochs=settings.epochs,
            learning_rate=settings.learning_rate,
            per_device_train_batch_size=settings.batch_size,
            per_device_eval_batch_size=64,
            warmup_ratio=0.1,
            weight_decay=0.01,
            group_by_length=True,
            bf16=on_gpu and torch.cuda.is_bf16_supported(),
            dataloader_pin_memory=on_gpu,
            eval_strategy="epoch",
            save_strategy="epoch",
            logging_strategy="epoch",
            save_total_limit=2,
            load_best_model_at_end=True,
            metric_for_best_model="accuracy" if metrics else "loss",
            prediction_loss_only=metrics is None,
            seed=settings.seed,
            report_to=[],
            **arguments,
        ),
        train_dataset=[examples[index] for index in kept],
        eval_dataset=[examples[index] for index in held_out],
        data_collator=collate,
        compute_metrics=metrics,
        callbacks=[EarlyStoppingCallback(early_stopping_patience=settings.patience)],
    )
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(checkpoints)) if checkpoints.is_dir() else None)
    return trainer, held_out


def run_name(*parts: Any) -> str:
    """A name for a training run: the same for the same settings and data, so that it finds its checkpoints again."""
    run = json.dumps(parts, default=str, ensure_ascii=False)
    return hashlib.sha256(run.encode("utf-8", "surrogatepass")).hexdigest()[:16]
