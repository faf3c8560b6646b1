"""Fine-tuning with Hugging Face's `Trainer`, the same way for encoders and generators. Imports torch: only for training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import EarlyStoppingCallback, EvalPrediction, Trainer, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from components.training_settings import TrainingSettings

Example = dict[str, Any]


def fine_tune(
    model: torch.nn.Module,
    examples: list[Example],
    collate: Callable[[list[Example]], dict[str, torch.Tensor]],
    settings: TrainingSettings,
    checkpoints: Path,
    held_out: np.ndarray,
    *,
    epochs: float | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    metrics: Callable[[EvalPrediction], dict[str, float]] | None = None,
) -> Trainer:
    """Trains on all examples but the held-out ones and ends with the best epoch's weights.

    A run that was interrupted goes on from its last epoch, if `checkpoints` is the folder it had; who calls deletes that folder
    when all is done.

    Args:
        examples: each with its `input_ids`, a list of ints, by whose length batches are made.
        held_out: indices of the examples that are not learned.
        epochs: may be a fraction; `settings.epochs` unless given.
        optimizer: AdamW with the settings' learning rate unless given.
        metrics: must give an `accuracy`, by which the best epoch is chosen; without it the held-out loss is.

    Returns:
        The trainer, whose `model` is the best.
    """
    kept = np.setdiff1d(np.arange(len(examples)), held_out)
    on_gpu = torch.cuda.is_available()
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(checkpoints),
            num_train_epochs=epochs or settings.epochs,
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
        ),
        train_dataset=[examples[index] for index in kept],
        eval_dataset=[examples[index] for index in held_out],
        data_collator=collate,
        optimizers=(optimizer, None),
        compute_metrics=metrics,
        callbacks=[EarlyStoppingCallback(early_stopping_patience=settings.patience)],
    )
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(checkpoints)) if checkpoints.is_dir() else None)
    return trainer


def run_name(*parts: Any) -> str:
    """A name for a training run: the same for the same settings and data, so that it finds its checkpoints again."""
    run = json.dumps(parts, default=str, ensure_ascii=False)
    return hashlib.sha256(run.encode("utf-8", "surrogatepass")).hexdigest()[:16]
