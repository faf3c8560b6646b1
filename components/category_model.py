"""The classifier itself, free of Rasa: a lexical model and, if one is named, an encoder and the nearest texts in its eyes."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from components.encoder.onnx_encoder import HEAD_FILE, TRUNK_FILE, OnnxEncoder, quantise
from components.encoder.settings import EncoderSettings
from components.fusion import Encoded, Fusion, learn_fusion
from components.lexical import LexicalModel
from components.neighbours import Neighbours

logger = logging.getLogger(__name__)

_FILE = "category_model.json"
_ENCODER_FOLDER = "encoder"
# The share of held-out texts of which an encoder in int8 must say the same as in fp32.
_AGREEMENT = 0.99
_FOLDS = 5  # without an encoder, whose fine-tuning is too slow for it, every text is left out once


@dataclass(frozen=True)
class HeldOut:
    """What a model says of texts it has not learned from.

    Attributes:
        texts: (held out,) their places among those it was trained on.
        probabilities: (held out, labels) float64.
        labels: (held out,) the true labels' columns.
    """

    texts: np.ndarray
    probabilities: np.ndarray
    labels: np.ndarray


class Reader(NamedTuple):
    """An encoder, and the training texts' vectors by it."""

    encoder: OnnxEncoder
    neighbours: Neighbours

    def __call__(self, texts: list[str]) -> Encoded:
        logits, vectors = self.encoder.read(texts)
        return Encoded(logits, self.neighbours.shares(vectors, logits.shape[1]))


class CategoryModel:
    """Says how likely each label is for a text.

    Attributes:
        labels: the labels, sorted; columns of every matrix below stand in this order.
        encoder_source: the hub id or folder the encoder was fine-tuned from, or None for the lexical model alone.
        held_out: what calibration went by; None in a model that was loaded.
    """

    def __init__(
        self,
        labels: list[str],
        lexical: LexicalModel,
        fusion: Fusion,
        reader: Reader | None = None,
        encoder_source: str | None = None,
        held_out: HeldOut | None = None,
    ) -> None:
        self.labels = labels
        self.encoder_source = encoder_source
        self.held_out = held_out
        self._lexical, self._reader, self._fusion = lexical, reader, fusion

    @classmethod
    def train(
        cls,
        texts: list[str],
        labels: list[str],
        folder: Path,
        encoder: EncoderSettings | None = None,
        supporting: Sequence[tuple[str, str]] = (),
    ) -> CategoryModel:
        """Learns from `texts` and their `labels` and leaves the model's files in `folder`, which must exist.

        Args:
            texts: at least two utterances.
            labels: one for each text, of at least two kinds.
            folder: where the files go; an encoder's fine-tuning puts its exported weights there too.
            encoder: which checkpoint to fine-tune and how; None for the lexical model alone.
            supporting: texts from elsewhere with their labels; what of them is new and has one of `labels` is learned, too.
                None is held out, because the model is to know how sure it may be of texts like its own.

        Raises:
            ValueError: there are fewer than two labels to tell apart.
            components.encoder.settings.EncoderError: the encoder could not be loaded.
        """
        names = sorted(set(labels))
        if len(names) < 2:
            raise ValueError(f"a classifier needs at least two categories to tell apart, and the data has {len(names)}")
        own, seen, wanted = len(texts), set(texts), set(names)
        more = {text: label for text, label in supporting if label in wanted and text not in seen}
        texts, labels = [*texts, *more], [*labels, *more.values()]
        targets = np.searchsorted(names, labels)

        if encoder is None:
            shuffled = np.random.default_rng(0).permutation(own)
            groups = [group for group in np.array_split(shuffled, _FOLDS) if len(group)]
        else:
            groups = [_without_last_of_a_label(encoder.hold_out(texts[:own]), targets)]
        lexical = LexicalModel()
        scores = np.concatenate(lexical.fit(texts, targets, len(names), groups))
        lexical.save(folder)
        held_out = np.concatenate(groups)
        truth = targets[held_out]

        encoded = reader = None
        if encoder is not None:
            from components.encoder.finetune import finetune  # torch comes in here and nowhere else

            (folder / _ENCODER_FOLDER).mkdir(exist_ok=True)
            vectors = finetune(encoder, texts, targets, len(names), held_out, folder / _ENCODER_FOLDER).vectors
            learned = np.delete(np.arange(len(texts)), held_out)
            unseen = [texts[index] for index in held_out]
            trial = Reader(OnnxEncoder.load(folder / _ENCODER_FOLDER), Neighbours.learn(vectors[learned], targets[learned]))
            encoded = trial(unseen)
            # Those that were held out are neighbours of what comes.
            reader = Reader(trial.encoder, Neighbours.learn(vectors, targets))
            reader.neighbours.save(folder / _ENCODER_FOLDER)
        fusion = learn_fusion(scores, encoded, truth)
        evidence = HeldOut(held_out, fusion.probabilities(scores, encoded), truth)
        if encoder is not None and reader is not None and encoder.precision == "int8":

            def probabilities(small: OnnxEncoder) -> np.ndarray:
                return fusion.probabilities(scores, trial._replace(encoder=small)(unseen))

            reader = reader._replace(encoder=_quantised(folder / _ENCODER_FOLDER, probabilities, evidence) or reader.encoder)
        model = cls(names, lexical, fusion, reader, encoder.source if encoder else None, evidence)
        settings = {"labels": names, "encoder_source": model.encoder_source, "fusion": fusion}
        (folder / _FILE).write_text(json.dumps(settings, ensure_ascii=False), encoding="utf-8")
        return model

    def predict(self, texts: list[str]) -> np.ndarray:
        """(texts, labels) float64: the calibrated probability of each label."""
        return self._fusion.probabilities(self._lexical.scores(texts), self._reader and self._reader(texts))

    @classmethod
    def load(cls, folder: Path) -> CategoryModel:
        """The model whose files `train` left in `folder`; imports neither torch nor transformers."""
        settings = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        encoder, reader = folder / _ENCODER_FOLDER, None
        if settings["encoder_source"]:
            reader = Reader(OnnxEncoder.load(encoder), Neighbours.load(encoder))
        return cls(
            settings["labels"], LexicalModel.load(folder), Fusion(*settings["fusion"]), reader, settings["encoder_source"]
        )


def _without_last_of_a_label(held_out: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The indices `held_out` but for one of each label that would have no text left; as they are if none would stay.

    An encoder that never saw a label would never say it, and be distrusted for that.
    """
    left = set(np.delete(targets, held_out).tolist())
    given_back = {targets[index]: index for index in held_out if targets[index] not in left}
    return np.setdiff1d(held_out, list(given_back.values())) if len(given_back) < len(held_out) else held_out


def _quantised(folder: Path, probabilities: Callable[[OnnxEncoder], np.ndarray], evidence: HeldOut) -> OnnxEncoder | None:
    """The exported encoder in int8, if that changes next to nothing of what the classifier says; then it stands in its place.

    Args:
        folder: where the encoder was exported.
        probabilities: what the classifier would say with that encoder of the held-out texts, (held out, labels).
        evidence: what it says of them with the encoder as it was exported.
    """
    files = [folder / TRUNK_FILE, folder / HEAD_FILE]
    quantised = [quantise(file) for file in files]
    encoder = OnnxEncoder.load(folder, *quantised)
    agreement = float((probabilities(encoder).argmax(axis=1) == evidence.probabilities.argmax(axis=1)).mean())
    if agreement >= _AGREEMENT:
        for exported, file in zip(files, quantised):
            file.replace(exported)
        return encoder
    for file in quantised:
        file.unlink()
    logger.warning(
        f"The encoder is served in fp32: in int8 the classifier would say the same of only {agreement:.1%} of the held-out"
        f" texts, and {_AGREEMENT:.0%} are wanted."
    )
    return None
