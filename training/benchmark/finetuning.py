"""Fine-tuning an encoder: batches as long as their longest text, against every input padded to 512 tokens."""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from training.benchmark.encoder import PADDED
from training.benchmark.figures import Bench, Figure
from training.benchmark.measuring import cores, run_alone
from training.benchmark.shapes import KOELECTRA_SMALL, LABELS, Shape, write_checkpoint

BATCH = 32


def measure(bench: Bench, shape: Shape = KOELECTRA_SMALL, steps: int = 40, padded_steps: int = 3) -> Iterator[Figure]:
    """An epoch's time by the median of so many optimiser steps each, the first left out."""
    epoch = math.ceil(len(bench.utterances) / BATCH)
    with tempfile.TemporaryDirectory() as work:
        checkpoint = Path(work) / "checkpoint"
        run_alone(write_checkpoint, shape, bench.utterances, checkpoint)
        bench.say(f"{shape.name}: {steps} steps of fine-tuning, padded to the longest of a batch")
        ours = run_alone(time_steps, checkpoint, bench.sample((steps + 1) * BATCH), None)
        bench.say(f"{shape.name}: {padded_steps} steps of fine-tuning, padded to {PADDED} tokens")
        reference = run_alone(time_steps, checkpoint, bench.sample((padded_steps + 1) * BATCH), PADDED)
    yield Figure(
        f"{shape.name}: an epoch of fine-tuning all layers",
        statistics.median(ours) * epoch / 60,
        statistics.median(reference) * epoch / 60,
        "min",
        note=f"{epoch} steps of {BATCH}, extrapolated from {len(ours)} of ours and {len(reference)} padded;"
        f" {cores()} threads each",
    )


def time_steps(checkpoint: Path, texts: list[str], padded: int | None) -> list[float]:
    """Seconds of each optimiser step but the first, of one epoch over the texts with Hugging Face's `Trainer`.

    With `padded` every input is that long; without, batches are of about equally long texts and as long as their longest.
    """
    import torch
    from transformers import AutoModelForSequenceClassification, PrinterCallback, Trainer, TrainerCallback, TrainingArguments

    from components.encoder.checkpoint import load_checkpoint
    from components.encoder.onnx_encoder import pad, token_ids

    torch.set_num_threads(cores())
    _, tokenizer, pad_id = load_checkpoint(str(checkpoint))
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint, num_labels=LABELS)
    examples = [{"input_ids": token_ids(tokenizer, text, PADDED), "label": at % LABELS} for at, text in enumerate(texts)]

    def collate(batch: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        # What is as long as wanted makes everything as long; its row is cut off again.
        longest = [[pad_id] * padded] if padded else []
        ids, mask = pad([*(example["input_ids"] for example in batch), *longest], pad_id)
        labels = [example["label"] for example in batch]
        return {
            "input_ids": torch.from_numpy(ids[: len(batch)]),
            "attention_mask": torch.from_numpy(mask[: len(batch)]),
            "labels": torch.tensor(labels),
        }

    begun: list[float] = []
    taken: list[float] = []

    class Clock(TrainerCallback):
        def on_step_begin(self, *arguments: Any, **keywords: Any) -> None:
            begun.append(time.perf_counter())

        def on_step_end(self, *arguments: Any, **keywords: Any) -> None:
            taken.append(time.perf_counter() - begun[-1])

    with tempfile.TemporaryDirectory() as out:
        arguments = TrainingArguments(
            output_dir=out,
            num_train_epochs=1,
            per_device_train_batch_size=BATCH,
            group_by_length=padded is None,
            use_cpu=True,
            dataloader_pin_memory=False,
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            report_to=[],
        )
        trainer = Trainer(model=model, args=arguments, train_dataset=examples, data_collator=collate, callbacks=[Clock()])
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return taken[1:]
