"""Fine-tuning an encoder into a text classifier with Hugging Face's `Trainer`, and exporting it to ONNX."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import torch

from components.encoder.checkpoint import load_checkpoint  # isort: skip (keeps TensorFlow out, so it comes first)
from transformers import EvalPrediction, PreTrainedModel

from components.encoder.onnx_encoder import MODEL_FILE, SETTINGS_FILE, pad, token_ids
from components.encoder.settings import EncoderSettings
from components.trainer import Example, fine_tune, run_name


def finetune(settings: EncoderSettings, texts: list[str], labels: np.ndarray, label_count: int, folder: Path) -> np.ndarray:
    """Fine-tunes the encoder on all but a held-out share of the texts and exports the best epoch into `folder`.

    An interrupted run goes on from its last epoch when it is started again with the same texts and settings.

    Returns:
        The indices of the held-out texts, which the exported encoder has not learned from.

    Raises:
        EncoderError: the encoder could not be loaded.
    """
    model, tokenizer, pad_id = load_checkpoint(settings.source, label_count)
    max_length = min(settings.max_length, model.config.max_position_embeddings)
    examples = [
        {"input_ids": token_ids(tokenizer, text, max_length), "labels": int(label)} for text, label in zip(texts, labels)
    ]
    checkpoints = settings.checkpoints / run_name(settings, texts, labels.tolist())
    trainer, held_out = fine_tune(
        model,
        examples,
        lambda batch: _collate(batch, pad_id),
        settings,
        checkpoints,
        metrics=_accuracy,
        label_smoothing_factor=0.1,
    )
    export(trainer.model, folder / MODEL_FILE)
    tokenizer.save(folder)
    (folder / SETTINGS_FILE).write_text(json.dumps({"pad_id": pad_id, "max_length": max_length}), encoding="utf-8")
    shutil.rmtree(checkpoints)
    return held_out


def _collate(batch: list[Example], pad_id: int) -> dict[str, torch.Tensor]:
    ids, mask = pad([example["input_ids"] for example in batch], pad_id)
    return {
        "input_ids": torch.from_numpy(ids),
        "attention_mask": torch.from_numpy(mask),
        "labels": torch.tensor([example["labels"] for example in batch]),
    }


def _accuracy(evaluation: EvalPrediction) -> dict[str, float]:
    return {"accuracy": float((evaluation.predictions.argmax(axis=1) == evaluation.label_ids).mean())}


class _Logits(torch.nn.Module):
    """The model with plain tensors in and out, which is what ONNX can trace."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.model(input_ids=input_ids, attention_mask=attention_mask).logits


def export(model: PreTrainedModel, file: Path) -> None:
    """Writes the model as ONNX, fp32, with batch and sequence length left open."""
    example = torch.ones((2, 8), dtype=torch.int64)
    axes = {0: "batch", 1: "tokens"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of constants that don't depend on the input
        torch.onnx.export(
            _Logits(model.cpu().float()).eval(),
            (example, example),
            str(file),
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "logits": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )
