"""A fine-tuned encoder served by ONNX Runtime: no torch, and no padding beyond the longest text of a batch.

It is served in two parts. The trunk, its lower layers, is as it was pretrained, so that components which fine-tuned the same
encoder for different ends share it, and a text goes through it once; each has a head of its own.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import numpy as np

from components.encoder.tokenizer import EncoderTokenizer, load_tokenizer
from components.text import squeeze

if TYPE_CHECKING:
    import onnxruntime

TRUNK_FILE = "trunk.onnx"
HEAD_FILE = "head.onnx"
SETTINGS_FILE = "encoder.json"
_BATCH_SIZE = 32


class OnnxTrunk:
    """Hidden states of texts."""

    def __init__(self, file: Path, tokenizer: EncoderTokenizer, pad_id: int, max_length: int) -> None:
        self._session = onnx_session(file)
        self._tokenizer = tokenizer
        self._pad_id = pad_id
        self._max_length = max_length
        # One text alone is somebody's message, which every component asks about in turn.
        self._latest = lru_cache(maxsize=4)(self._run)

    @classmethod
    def load(cls, folder: Path, file: Path | None = None) -> OnnxTrunk:
        """The trunk exported into `folder`, or the same with the weights of another file; equal ones are loaded once."""
        file = file or folder / TRUNK_FILE
        written = (folder / SETTINGS_FILE).read_text(encoding="utf-8")
        key = _digest(file) + written
        trunk = _trunks.get(key)
        if trunk is None:
            settings = json.loads(written)
            trunk = _trunks[key] = cls(file, load_tokenizer(folder), settings["pad_id"], settings["max_length"])
        return trunk

    def hidden(self, texts: list[str]) -> Iterator[tuple[list[int], np.ndarray, np.ndarray]]:
        """The texts in batches of such as are about equally long.

        Yields each batch's indices, its hidden states (texts, tokens, hidden size) float32, and its attention mask (texts,
        tokens) int64.
        """
        sequences = [tuple(token_ids(self._tokenizer, text, self._max_length)) for text in texts]
        for batch in by_length(sequences, _BATCH_SIZE):
            inputs = tuple(sequences[index] for index in batch)
            yield batch, *(self._latest(inputs) if len(texts) == 1 else self._run(inputs))

    def vectors(self, texts: list[str]) -> np.ndarray:
        """(texts, hidden size) float32: each text's mean hidden state."""
        rows: dict[int, np.ndarray] = {}
        for batch, hidden, mask in self.hidden(texts):
            rows.update(zip(batch, (hidden * mask[..., None]).sum(1) / mask.sum(1)[:, None]))
        return np.stack([rows[index] for index in range(len(texts))]).astype(np.float32)

    def _run(self, sequences: tuple[tuple[int, ...], ...]) -> tuple[np.ndarray, np.ndarray]:
        ids, mask = pad(sequences, self._pad_id)
        inputs = {"input_ids": ids, "attention_mask": mask}
        # Embeddings alone need no mask.
        (hidden,) = self._session.run(None, {entry.name: inputs[entry.name] for entry in self._session.get_inputs()})
        return hidden, mask


# Those in use, by the digest of their weights and by their settings.
_trunks: WeakValueDictionary[str, OnnxTrunk] = WeakValueDictionary()


class OnnxEncoder:
    """Logits and sentence vectors of texts, from the files that `components.encoder.finetune` exported."""

    def __init__(self, trunk: OnnxTrunk, head: Path) -> None:
        self._trunk = trunk
        self._head = onnx_session(head)

    @classmethod
    def load(cls, folder: Path, trunk: Path | None = None, head: Path | None = None) -> OnnxEncoder:
        """The encoder exported into `folder`, or the same with the weights of other files."""
        return cls(OnnxTrunk.load(folder, trunk), head or folder / HEAD_FILE)

    def logits(self, texts: list[str]) -> np.ndarray:
        """(texts, labels) float32."""
        return self.read(texts)[0]

    def read(self, texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Logits (texts, labels) and sentence vectors (texts, hidden size), both float32."""
        rows: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        for batch, hidden, mask in self._trunk.hidden(texts):
            rows.update(zip(batch, zip(*self._head.run(None, {"hidden": hidden, "attention_mask": mask}))))
        logits, vectors = zip(*(rows[index] for index in range(len(texts))))
        return np.stack(logits), np.stack(vectors)


def quantise(file: Path) -> Path:
    """Writes the exported model with its weights as int8 beside it, and returns the new file.

    Weights by channel and in seven bits: with eight, processors without VNNI overflow when they add products up.
    """
    from onnx import TensorProto
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logging.getLogger().addFilter(_no_preprocessing_advice)
    quantised = file.with_suffix(".int8.onnx")
    quantize_dynamic(
        str(file),
        str(quantised),
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QInt8,
        extra_options={"DefaultTensorType": TensorProto.FLOAT},  # of what fused operations make, whose type isn't inferred
    )
    logging.getLogger().removeFilter(_no_preprocessing_advice)
    return quantised


def _no_preprocessing_advice(record: logging.LogRecord) -> bool:
    """ONNX Runtime advises shape inference before quantising, which does nothing for these models."""
    return "pre-processing" not in record.getMessage()


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def onnx_session(file: Path) -> onnxruntime.InferenceSession:
    """The exported model, ready to run beside other servers."""
    import onnxruntime  # not needed by the lexical model alone

    options = onnxruntime.SessionOptions()
    # Two threads are the most one short text can use, and idle ones must not spin: another server needs the cores.
    options.intra_op_num_threads = min(2, os.cpu_count() or 1)
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def token_ids(tokenizer: EncoderTokenizer, text: str, max_length: int) -> list[int]:
    """The ids a model is given for `text`; of one longer than `max_length` tokens, its beginning and its end.

    As the detector reads it, in lower case, "ㅠㅠㅠㅠ" as "ㅠㅠ", without a full stop, so that a message goes through a trunk
    that both have once.
    """
    ids = tokenizer.encode(squeeze(text).removesuffix("."))
    if len(ids) <= max_length:
        return ids
    head = max_length // 2
    return ids[:head] + ids[head - max_length :]


def by_length(sequences: Sequence[Sequence[int]], batch_size: int) -> Iterator[list[int]]:
    """The indices of all sequences in batches of such as are about equally long."""
    order = sorted(range(len(sequences)), key=lambda index: len(sequences[index]))
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]


def pad(sequences: Sequence[Sequence[int]], pad_id: int) -> tuple[np.ndarray, np.ndarray]:
    """Token ids and attention mask, both (sequences, longest of them or 1) int64."""
    longest = max(1, *(len(sequence) for sequence in sequences))
    ids = np.full((len(sequences), longest), pad_id, dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = sequence
        mask[row, : len(sequence)] = 1
    return ids, mask
