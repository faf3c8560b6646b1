"""What an encoder says of a risk in a message: a linear layer on its sentence vectors, served by ONNX Runtime alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from components.crisis_examples import LABELS
from components.discriminant import discriminant
from components.encoder.onnx_encoder import OnnxTrunk


@dataclass(frozen=True)
class CrisisHead:
    """Logits of `LABELS` from sentence vectors.

    Attributes:
        weights: (labels, hidden size) float32.
        biases: (labels,) float32.
    """

    FILE: ClassVar[str] = "crisis_head.npz"

    weights: np.ndarray
    biases: np.ndarray

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """(texts, labels) float32 from (texts, hidden size)."""
        return vectors @ self.weights.T + self.biases

    @classmethod
    def learn(cls, vectors: np.ndarray, labels: np.ndarray) -> CrisisHead:
        """A discriminant analysis of the vectors; a label that none of them has is never likely."""
        return cls(*discriminant(vectors, labels, len(LABELS)))

    def save(self, folder: Path) -> None:
        """Writes the head into `folder`, beside the encoder it belongs to."""
        np.savez(folder / self.FILE, **asdict(self))

    @classmethod
    def load(cls, folder: Path) -> CrisisHead | None:
        """The head in `folder`; None if there is none."""
        if not (folder / cls.FILE).is_file():
            return None
        with np.load(folder / cls.FILE) as arrays:
            return cls(**arrays)


class CrisisEncoder:
    """An encoder and the head on it.

    The classifier's, if it has the same encoder, is run once a turn for both.
    """

    def __init__(self, trunk: OnnxTrunk, head: CrisisHead) -> None:
        self._trunk, self._head = trunk, head

    @classmethod
    def export(cls, source: str, folder: Path, texts: list[str], labels: np.ndarray) -> CrisisEncoder:
        """Exports the encoder `source`, a hub id or folder, into `folder`, with its own head for crises or one for `texts`.

        The bot's own encoder was fine-tuned for this and brings its head along.

        Raises:
            components.encoder.settings.EncoderError: the encoder can't be loaded.
        """
        from components.encoder.finetune import export_frozen
        from components.encoder.settings import EncoderSettings

        export_frozen(source, EncoderSettings(source).max_length, folder)
        trunk = OnnxTrunk.load(folder)
        head = CrisisHead.load(Path(source)) or CrisisHead.learn(trunk.vectors(texts), labels)
        head.save(folder)
        return cls(trunk, head)

    @classmethod
    def load(cls, folder: Path) -> CrisisEncoder:
        """The encoder that `export` wrote into `folder`; imports neither torch nor transformers."""
        head = CrisisHead.load(folder)
        assert head is not None
        return cls(OnnxTrunk.load(folder), head)

    def logits(self, texts: list[str]) -> np.ndarray:
        """(texts, labels) float32. A first text alone is the message, which the encoder remembers for who asks next."""
        vectors = [self._trunk.vectors(part) for part in (texts[:1], texts[1:]) if part]
        return self._head(np.concatenate(vectors))
