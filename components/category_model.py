"""The classifier itself, free of Rasa: a lexical model and, if one is named, a fine-tuned encoder, fused and calibrated."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from components.calibration import Calibration, calibrate
from components.encoder.onnx_encoder import OnnxEncoder
from components.encoder.settings import EncoderSettings
from components.lexical import LexicalModel

_FILE = "category_model.json"
_ENCODER_FOLDER = "encoder"


class CategoryModel:
    """Says how likely each label is for a text.

    Attributes:
        labels: the labels, sorted; columns of every matrix below stand in this order.
        encoder_source: the hub id or folder the encoder was fine-tuned from, or None for the lexical model alone.
    """

    def __init__(
        self,
        labels: list[str],
        lexical: LexicalModel,
        lexical_calibration: Calibration,
        encoder: OnnxEncoder | None = None,
        encoder_calibration: Calibration | None = None,
        fused_calibration: Calibration | None = None,
        encoder_source: str | None = None,
    ) -> None:
        self.labels = labels
        self.encoder_source = encoder_source
        self._lexical, self._lexical_calibration = lexical, lexical_calibration
        self._encoder, self._encoder_calibration = encoder, encoder_calibration
        self._fused_calibration = fused_calibration

    @classmethod
    def train(cls, texts: list[str], labels: list[str], folder: Path, encoder: EncoderSettings | None = None) -> CategoryModel:
        """Learns from `texts` and their `labels` and leaves the model's files in `folder`, which must exist.

        Args:
            texts: at least two utterances.
            labels: one for each text, of at least two kinds.
            folder: where the files go; an encoder's fine-tuning puts its exported weights there too.
            encoder: which checkpoint to fine-tune and how; None for the lexical model alone.

        Raises:
            ValueError: there are fewer than two labels to tell apart.
            components.encoder.settings.EncoderError: the encoder could not be loaded.
        """
        names = sorted(set(labels))
        if len(names) < 2:
            raise ValueError(f"a classifier needs at least two categories to tell apart, and the data has {len(names)}")
        targets = np.searchsorted(names, labels)

        lexical = LexicalModel()
        unseen_scores = lexical.fit(texts, targets, len(names))
        lexical.save(folder)
        model = cls(names, lexical, calibrate(unseen_scores, targets, with_floor=True))

        if encoder is not None:
            from components.encoder.finetune import finetune  # torch comes in here and nowhere else

            (folder / _ENCODER_FOLDER).mkdir(exist_ok=True)
            held_out = finetune(encoder, texts, targets, len(names), folder / _ENCODER_FOLDER)
            model.encoder_source = encoder.source
            model._encoder = OnnxEncoder.load(folder / _ENCODER_FOLDER)
            logits = model._encoder.logits([texts[index] for index in held_out])
            model._encoder_calibration = calibrate(logits, targets[held_out])
            fused = model._fused(unseen_scores[held_out], logits)
            model._fused_calibration = calibrate(np.log(fused), targets[held_out])
        model._save_settings(folder)
        return model

    def predict(self, texts: list[str]) -> np.ndarray:
        """(texts, labels) float64: the calibrated probability of each label."""
        scores = self._lexical.scores(texts)
        if self._encoder is None or self._fused_calibration is None:
            return self._lexical_calibration.probabilities(scores)
        return self._fused_calibration.probabilities(np.log(self._fused(scores, self._encoder.logits(texts))))

    def _fused(self, scores: np.ndarray, logits: np.ndarray) -> np.ndarray:
        """The mean of both models' calibrated probabilities, (texts, labels)."""
        assert self._encoder_calibration is not None
        return (self._lexical_calibration.probabilities(scores) + self._encoder_calibration.probabilities(logits)) / 2

    def _save_settings(self, folder: Path) -> None:
        settings = {
            "labels": self.labels,
            "encoder_source": self.encoder_source,
            "lexical_calibration": self._lexical_calibration,
            "encoder_calibration": self._encoder_calibration,
            "fused_calibration": self._fused_calibration,
        }
        (folder / _FILE).write_text(json.dumps(settings, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> CategoryModel:
        """The model whose files `train` left in `folder`; imports neither torch nor transformers."""
        settings = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        for name in ("lexical_calibration", "encoder_calibration", "fused_calibration"):
            settings[name] = settings[name] and Calibration(*settings[name])
        encoder = OnnxEncoder.load(folder / _ENCODER_FOLDER) if settings["encoder_source"] else None
        return cls(lexical=LexicalModel.load(folder), encoder=encoder, **settings)
