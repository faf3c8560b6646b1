"""A fine-tuned encoder served by ONNX Runtime: no torch, and no padding beyond the longest text of a batch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from components.encoder.tokenizer import EncoderTokenizer, load_tokenizer
from components.text import normalise

MODEL_FILE = "encoder.onnx"
SETTINGS_FILE = "encoder.json"
_BATCH_SIZE = 32


class OnnxEncoder:
    """Logits for texts, from the files that `components.encoder.finetune` exported."""

    def __init__(self, model_file: Path, tokenizer: EncoderTokenizer, pad_id: int, max_length: int) -> None:
        import onnxruntime

        self._session = onnxruntime.InferenceSession(str(model_file), providers=["CPUExecutionProvider"])
        self._tokenizer = tokenizer
        self._pad_id = pad_id
        self._max_length = max_length

    @classmethod
    def load(cls, folder: Path) -> OnnxEncoder:
        """The encoder exported into `folder`."""
        settings = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
        return cls(folder / MODEL_FILE, load_tokenizer(folder), settings["pad_id"], settings["max_length"])

    def logits(self, texts: list[str]) -> np.ndarray:
        """(texts, labels) float32."""
        sequences = [token_ids(self._tokenizer, text, self._max_length) for text in texts]
        order = sorted(range(len(texts)), key=lambda index: len(sequences[index]))
        rows: dict[int, np.ndarray] = {}
        for start in range(0, len(order), _BATCH_SIZE):
            batch = order[start : start + _BATCH_SIZE]
            ids, mask = pad([sequences[index] for index in batch], self._pad_id)
            (logits,) = self._session.run(None, {"input_ids": ids, "attention_mask": mask})
            rows.update(zip(batch, logits))
        return np.stack([rows[index] for index in range(len(texts))])


def token_ids(tokenizer: EncoderTokenizer, text: str, max_length: int) -> list[int]:
    """The ids a model is given for `text`; of one longer than `max_length` tokens, its beginning and its end."""
    ids = tokenizer.encode(normalise(text).text)
    if len(ids) <= max_length:
        return ids
    head = max_length // 2
    return ids[:head] + ids[head - max_length :]


def pad(sequences: list[list[int]], pad_id: int) -> tuple[np.ndarray, np.ndarray]:
    """Token ids and attention mask, both (sequences, longest of them or 1) int64."""
    longest = max(1, *(len(sequence) for sequence in sequences))
    ids = np.full((len(sequences), longest), pad_id, dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = sequence
        mask[row, : len(sequence)] = 1
    return ids, mask
