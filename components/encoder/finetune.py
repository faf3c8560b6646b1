"""Fine-tuning an encoder into a text classifier with Hugging Face's `Trainer`, and exporting it to ONNX."""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from components.encoder.checkpoint import load_checkpoint  # isort: skip (keeps TensorFlow out, so it comes first)
from transformers import EvalPrediction

from components.discriminant import discriminant
from components.encoder.network import Head, ServedHead, TrainedHead, Trunk
from components.encoder.onnx_encoder import HEAD_FILE, SETTINGS_FILE, TRUNK_FILE, OnnxTrunk, by_length
from components.encoder.settings import EncoderSettings
from components.encoder.tokenizer import EncoderTokenizer
from components.trainer import Example, fine_tune, run_name

_LABEL_SMOOTHING = 0.1


class FineTuned(NamedTuple):
    """A head, and what the encoder with it makes of all texts: their sentence vectors, (texts, hidden size) float32."""

    head: Head
    vectors: np.ndarray


def finetune(
    settings: EncoderSettings,
    texts: list[str],
    labels: np.ndarray,
    label_count: int,
    held_out: np.ndarray,
    folder: Path,
    tasks: Sequence[int] = (),
) -> FineTuned:
    """Fine-tunes the encoder on all texts but the held-out ones, and exports the best epoch into `folder`.

    Only the upper `settings.trained_layers` learn. What the layers below them say of a text never changes, so it is computed
    once. An interrupted run goes on from its last epoch when it is started again with the same texts and settings. Where no
    layer learns the head is a linear discriminant analysis of the sentence vectors.

    Args:
        labels: (texts,) integers below `label_count`.
        held_out: indices of the texts that are kept from learning, and by which the best epoch is chosen.
        tasks: how many of the labels, in their order, are of one task and how many of the next; all of one unless given.

    Raises:
        EncoderError: the encoder could not be loaded.
    """
    learned = np.setdiff1d(np.arange(len(texts)), held_out)
    if settings.trained_layers == 0:
        export_frozen(settings.source, settings.max_length, folder)
        vectors = OnnxTrunk.load(folder).vectors(texts)
        weights, biases = discriminant(vectors[learned], labels[learned], label_count)
        head = Head(torch.nn.ModuleList(), vectors.shape[1], label_count)
        head.classify.weight.data, head.classify.bias.data = torch.from_numpy(weights), torch.from_numpy(biases)
    else:
        encoder, tokenizer, pad_id = load_checkpoint(settings.source)
        torch.manual_seed(settings.seed)
        trunk = Trunk(encoder, max(0, len(encoder.encoder.layer) - settings.trained_layers))
        head = Head(*trunk.upper, encoder.config.hidden_size, label_count)
        write_settings(folder, tokenizer, pad_id, min(settings.max_length, encoder.config.max_position_embeddings))
        export_trunk(trunk, folder / TRUNK_FILE)
        lower = OnnxTrunk.load(folder)
        hidden = _frozen_states(lower, texts)
        examples = [
            {"input_ids": range(len(states)), "hidden": torch.from_numpy(states), "labels": int(label)}
            for states, label in zip(hidden, labels)
        ]
        checkpoints = settings.checkpoints / run_name(settings, texts, labels.tolist(), held_out.tolist())
        steps = -(-len(learned) // settings.batch_size)
        fine_tune(
            TrainedHead(head, _LABEL_SMOOTHING, tasks or (label_count,)),
            examples,
            _collate,
            settings,
            checkpoints,
            held_out,
            epochs=min(settings.epochs, settings.max_steps / steps),
            optimizer=torch.optim.AdamW(
                [
                    {"params": head.layers.parameters(), "lr": settings.learning_rate},
                    {"params": head.classify.parameters(), "lr": settings.head_learning_rate},
                ],
                weight_decay=0.01,
            ),
            metrics=_accuracy,
        )
        shutil.rmtree(checkpoints, ignore_errors=True)
        vectors = _vectors(head, examples)
    export_head(head, folder / HEAD_FILE)
    return FineTuned(head, vectors)


def _vectors(head: Head, examples: list[Example]) -> np.ndarray:
    """(texts, hidden size) float32, of texts whose frozen states are known."""
    head = head.cpu().eval()
    vectors = np.zeros((len(examples), head.classify.in_features), dtype=np.float32)
    with torch.no_grad():
        for batch in by_length([example["input_ids"] for example in examples], 32):
            inputs = _collate([examples[index] for index in batch])
            vectors[batch] = head.vectors(inputs["hidden"], inputs["attention_mask"]).numpy()
    return vectors


def _frozen_states(trunk: OnnxTrunk, texts: list[str]) -> list[np.ndarray]:
    """For each text what the frozen layers make of it, (tokens, hidden size) float32."""
    states: dict[int, np.ndarray] = {}
    for batch, hidden, mask in trunk.hidden(texts):
        states.update((index, row[:length].copy()) for index, row, length in zip(batch, hidden, mask.sum(1)))
    return [states[index] for index in range(len(texts))]


def _collate(batch: list[Example]) -> dict[str, torch.Tensor]:
    hidden = torch.nn.utils.rnn.pad_sequence([example["hidden"] for example in batch], batch_first=True)
    lengths = torch.tensor([len(example["hidden"]) for example in batch])
    return {
        "hidden": hidden,
        "attention_mask": (torch.arange(hidden.shape[1]) < lengths[:, None]).long(),
        "labels": torch.tensor([example["labels"] for example in batch]),
    }


def _accuracy(evaluation: EvalPrediction) -> dict[str, float]:
    return {"accuracy": float((evaluation.predictions.argmax(axis=1) == evaluation.label_ids).mean())}


def export_frozen(source: str, max_length: int, folder: Path) -> None:
    """Exports the encoder `source` into `folder` with none of its layers left to learn; only once in a process.

    Raises:
        EncoderError: the encoder could not be loaded.
    """
    shutil.copytree(_frozen(source, max_length).name, folder, dirs_exist_ok=True)


@lru_cache(maxsize=1)  # the crisis detector and the classifier export the same
def _frozen(source: str, max_length: int) -> tempfile.TemporaryDirectory[str]:
    encoder, tokenizer, pad_id = load_checkpoint(source)
    folder = tempfile.TemporaryDirectory()
    write_settings(Path(folder.name), tokenizer, pad_id, min(max_length, encoder.config.max_position_embeddings))
    export_trunk(Trunk(encoder, len(encoder.encoder.layer)), Path(folder.name) / TRUNK_FILE)
    return folder


def write_settings(folder: Path, tokenizer: EncoderTokenizer, pad_id: int, max_length: int) -> None:
    """Writes what `OnnxTrunk.load` needs beside the exported trunk."""
    tokenizer.save(folder)
    (folder / SETTINGS_FILE).write_text(json.dumps({"pad_id": pad_id, "max_length": max_length}), encoding="utf-8")


def export_trunk(trunk: Trunk, file: Path) -> None:
    """Writes the trunk as ONNX, fp32, with batch and sequence length left open."""
    ids = torch.ones((2, 8), dtype=torch.int64)
    _export(trunk, (ids, ids), file, ["input_ids", "attention_mask"], {"hidden": {0: "batch", 1: "tokens"}})
    _fuse_attention(file)


def export_head(head: Head, file: Path) -> None:
    """Writes the head as ONNX, fp32, with batch and sequence length left open."""
    hidden = torch.ones((2, 8, head.classify.in_features))
    mask = torch.ones((2, 8), dtype=torch.int64)
    axes = {name: {0: "batch"} for name in ("logits", "vectors")}
    _export(ServedHead(head), (hidden, mask), file, ["hidden", "attention_mask"], axes)
    _fuse_attention(file)


def _export(
    module: torch.nn.Module,
    example: tuple[torch.Tensor, ...],
    file: Path,
    inputs: list[str],
    outputs: dict[str, dict[int, str]],
) -> None:
    """Writes the module as ONNX, fp32; batch and tokens of its inputs, and the named axes of its outputs, are left open."""
    open_axes = {name: {0: "batch", 1: "tokens"} for name in inputs}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of constants that don't depend on the input
        torch.onnx.export(
            module.cpu().float().eval(),
            example,
            str(file),
            input_names=inputs,
            output_names=list(outputs),
            dynamic_axes={**open_axes, **outputs},
            opset_version=17,
            dynamo=False,
        )


def _fuse_attention(file: Path) -> None:
    """Makes one operation of each layer's attention in the exported model: texts are read in a seventh less time."""
    from onnxruntime.transformers.optimizer import optimize_model

    optimize_model(str(file), "bert", opt_level=0).save_model_to_file(str(file))
