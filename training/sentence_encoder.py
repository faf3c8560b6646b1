"""Exporting an encoder as it is, without fine-tuning, to say how alike two sentences are: what replies are ranked by."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import torch

from components.encoder.checkpoint import load_checkpoint  # isort: skip (keeps TensorFlow out)
from transformers import PreTrainedModel

from components.encoder.network import mean
from components.encoder.onnx_encoder import MODEL_FILE, SETTINGS_FILE, quantise

_MAX_LENGTH = 128  # tokens; a question and a reply have a few dozen


class _SentenceVector(torch.nn.Module):
    """The mean of the last hidden states, of length 1."""

    def __init__(self, encoder: PreTrainedModel) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return torch.nn.functional.normalize(mean(hidden, attention_mask), dim=1)


def export_sentence_encoder(source: str, folder: Path) -> None:
    """Writes the encoder into `folder`, which must exist, in int8.

    `OnnxEncoder.load` reads it, and what that calls logits are then the sentence vectors, (texts, hidden size) of length 1. In
    int8 it takes a quarter of the memory, and the order of replies hardly changes.

    Args:
        source: a Hugging Face hub id or a local folder.

    Raises:
        components.encoder.settings.EncoderError: the encoder can't be loaded.
    """
    encoder, tokenizer, pad_id = load_checkpoint(source)
    example = torch.ones((2, 8), dtype=torch.int64)
    axes = {0: "batch", 1: "tokens"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of constants that don't depend on the input
        torch.onnx.export(
            _SentenceVector(encoder.float()).eval(),
            (example, example),
            str(folder / MODEL_FILE),
            input_names=["input_ids", "attention_mask"],
            output_names=["vectors"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "vectors": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )
    tokenizer.save(folder)
    max_length = min(_MAX_LENGTH, encoder.config.max_position_embeddings)
    (folder / SETTINGS_FILE).write_text(json.dumps({"pad_id": pad_id, "max_length": max_length}), encoding="utf-8")
    quantise(folder).replace(folder / MODEL_FILE)
