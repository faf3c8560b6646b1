"""A fine-tuned encoder served by ONNX Runtime: no torch, and no padding beyond the longest text of a batch."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from components.encoder.tokenizer import EncoderTokenizer, load_tokenizer
from components.text import normalise

MODEL_FILE = "encoder.onnx"
_QUANTISED_FILE = "encoder.int8.onnx"
SETTINGS_FILE = "encoder.json"
_BATCH_SIZE = 32


class OnnxEncoder:
    """Logits for texts, from the files that `components.encoder.finetune` exported."""

    def __init__(self, model_file: Path, tokenizer: EncoderTokenizer, pad_id: int, max_length: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        # Two threads are the most one short text can use, and idle ones must not spin: another server needs the cores.
        options.intra_op_num_threads = min(2, os.cpu_count() or 1)
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(model_file), options, providers=["CPUExecutionProvider"])
        self._tokenizer = tokenizer
        self._pad_id = pad_id
        self._max_length = max_length

    @classmethod
    def load(cls, folder: Path, model_file: Path | None = None) -> OnnxEncoder:
        """The encoder exported into `folder`, or the same with the weights of another file."""
        settings = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
        return cls(model_file or folder / MODEL_FILE, load_tokenizer(folder), settings["pad_id"], settings["max_length"])

    def logits(self, texts: list[str]) -> np.ndarray:
        """(texts, labels) float32."""
        sequences = [token_ids(self._tokenizer, text, self._max_length) for text in texts]
        rows: dict[int, np.ndarray] = {}
        for batch in by_length(sequences, _BATCH_SIZE):
            ids, mask = pad([sequences[index] for index in batch], self._pad_id)
            (logits,) = self._session.run(None, {"input_ids": ids, "attention_mask": mask})
            rows.update(zip(batch, logits))
        return np.stack([rows[index] for index in range(len(texts))])


def quantise(folder: Path) -> Path:
    """Writes the exported model's weights as int8 beside it, and returns the new file.

    Weights by channel and in seven bits: with eight, processors without VNNI overflow when they add products up.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logging.getLogger().addFilter(_no_preprocessing_advice)
    file = folder / _QUANTISED_FILE
    quantize_dynamic(str(folder / MODEL_FILE), str(file), per_channel=True, reduce_range=True, weight_type=QuantType.QInt8)
    logging.getLogger().removeFilter(_no_preprocessing_advice)
    return file


def _no_preprocessing_advice(record: logging.LogRecord) -> bool:
    """ONNX Runtime advises shape inference before quantising, which does nothing for these models."""
    return "pre-processing" not in record.getMessage()


def token_ids(tokenizer: EncoderTokenizer, text: str, max_length: int) -> list[int]:
    """The ids a model is given for `text`; of one longer than `max_length` tokens, its beginning and its end."""
    ids = tokenizer.encode(normalise(text).text)
    if len(ids) <= max_length:
        return ids
    head = max_length // 2
    return ids[:head] + ids[head - max_length :]


def by_length(sequences: list[list[int]], batch_size: int) -> Iterator[list[int]]:
    """The indices of all sequences in batches of such as are about equally long."""
    order = sorted(range(len(sequences)), key=lambda index: len(sequences[index]))
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]


def pad(sequences: list[list[int]], pad_id: int) -> tuple[np.ndarray, np.ndarray]:
    """Token ids and attention mask, both (sequences, longest of them or 1) int64."""
    longest = max(1, *(len(sequence) for sequence in sequences))
    ids = np.full((len(sequences), longest), pad_id, dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = sequence
        mask[row, : len(sequence)] = 1
    return ids, mask
