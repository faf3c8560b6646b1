"""Sentence vectors of a pretrained encoder for the crisis detector: exported once with torch, served by ONNX Runtime alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from components.encoder.onnx_encoder import by_length, onnx_session, pad, quantise, token_ids
from components.encoder.tokenizer import EncoderTokenizer, load_tokenizer

_MODEL_FILE = "vectors.onnx"
_SETTINGS_FILE = "vectors.json"
_BATCH_SIZE = 32
_MAX_LENGTH = 128  # tokens; a window of a longer message has fewer


class SentenceVectors:
    """What frozen layers of an encoder make of a text: their hidden states, each averaged over its tokens.

    This is all the detector knows of the encoder. A turn's encoder could be run once for classifier and detector by giving the
    detector another object with the same `vectors`.
    """

    def __init__(self, model_file: Path, tokenizer: EncoderTokenizer, pad_id: int) -> None:
        self._session = onnx_session(model_file)
        self._tokenizer, self._pad_id = tokenizer, pad_id

    @classmethod
    def load(cls, folder: Path) -> SentenceVectors:
        """The encoder that `export_vectors` wrote into `folder`; imports neither torch nor transformers."""
        settings = json.loads((folder / _SETTINGS_FILE).read_text(encoding="utf-8"))
        return cls(folder / _MODEL_FILE, load_tokenizer(folder), settings["pad_id"])

    def vectors(self, texts: list[str]) -> np.ndarray:
        """(texts, layers x hidden size) float32."""
        sequences = [token_ids(self._tokenizer, text, _MAX_LENGTH) for text in texts]
        rows: dict[int, np.ndarray] = {}
        for batch in by_length(sequences, _BATCH_SIZE):
            ids, mask = pad([sequences[index] for index in batch], self._pad_id)
            (vectors,) = self._session.run(None, {"input_ids": ids, "attention_mask": mask})
            rows.update(zip(batch, vectors))
        return np.stack([rows[index] for index in range(len(texts))])


def export_vectors(source: str, layers: tuple[int, ...], folder: Path) -> SentenceVectors:
    """Exports the encoder as far as the highest of `layers` (1 is the lowest) into `folder`, which must exist.

    Raises:
        components.encoder.settings.EncoderError: the encoder can't be loaded, or has fewer layers.
    """
    import torch

    from components.encoder.checkpoint import load_checkpoint  # isort: skip (keeps TensorFlow out, so it comes first)
    from components.encoder.finetune import export_onnx
    from components.encoder.network import mean
    from components.encoder.settings import EncoderError

    encoder, tokenizer, pad_id = load_checkpoint(source)
    if max(layers) > len(encoder.encoder.layer):
        raise EncoderError(
            f"The encoder '{source}' has {len(encoder.encoder.layer)} layers, and `layers:` of CrisisDetector names layer"
            f" {max(layers)}; name only layers it has."
        )
    encoder.encoder.layer = encoder.encoder.layer[: max(layers)]

    class Pooled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            states = self.encoder(input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True).hidden_states
            return torch.cat([mean(states[layer], attention_mask) for layer in layers], dim=1)

    ids = torch.ones((2, 8), dtype=torch.int64)
    export_onnx(Pooled(), (ids, ids), folder / _MODEL_FILE, ["input_ids", "attention_mask"], {"vectors": {0: "batch"}})
    # Learning is from these vectors too, so that serving int8 loses nothing; a turn takes half the time.
    quantise(folder / _MODEL_FILE).replace(folder / _MODEL_FILE)
    tokenizer.save(folder)
    (folder / _SETTINGS_FILE).write_text(json.dumps({"pad_id": pad_id}), encoding="utf-8")
    return SentenceVectors.load(folder)
