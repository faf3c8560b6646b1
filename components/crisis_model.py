"""The crisis detector itself, free of Rasa: how likely each kind of risk is in a message."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.linalg import lapack
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from components.crisis_examples import EVERYDAY, LABELS, NONE, CrisisExample, CrisisExamplesError, folds
from components.crisis_kernels import LexicalKernel, LexicalRegression, VectorKernel
from components.crisis_lexicon import CrisisLexicon
from components.crisis_text import canonical
from components.crisis_vectors import SentenceVectors, export_vectors

_FILE = "crisis_model.json"
_PENALTY = 0.3  # of the ridge regression, in units of the kernels (each lies in [0, 1]); from 0.1 to 1 it hardly matters
_FOLDS = 5
# A longer message is also read in windows of so many characters, which is as long as examples are.
_WINDOW = 80
_MOST_CHARACTERS = 10_000  # of a message; of a longer one the beginning and the end are read
_MOST_ENCODED = 8  # windows that the encoder reads: those in whose words there is most risk
_SENTENCE_END = re.compile(r"(?<=[.!?\u2026~])\s+|\n+")


@dataclass(frozen=True)
class Calibration:
    """Probabilities from ridge scores and the lexicon's hits: softmax(sharpness * scores + raised * hits + biases).

    `raised` is never negative and no pattern stands for "none", so that the lexicon can only raise the risk.
    """

    sharpness: float
    raised: float
    biases: list[float]

    def logits(self, scores: np.ndarray, hits: np.ndarray) -> np.ndarray:
        raised = np.pad(self.raised * hits.astype(np.float64), ((0, 0), (0, 1)))
        return self.sharpness * scores.astype(np.float64) + raised + np.array(self.biases)

    def __call__(self, scores: np.ndarray, hits: np.ndarray) -> np.ndarray:
        """(texts, labels) float64, each row summing to 1, from (texts, labels) scores and (texts, kinds) hits."""
        return softmax(self.logits(scores, hits), axis=1)

    @classmethod
    def learn(cls, scores: np.ndarray, hits: np.ndarray, labels: np.ndarray) -> Calibration:
        """The likeliest calibration for `labels`, (texts,), of texts that the scores' model has not learned from."""

        def of(parameters: np.ndarray) -> Calibration:
            return cls(float(parameters[0]), float(parameters[1]), [*parameters[2:].tolist(), 0.0])

        def loss(parameters: np.ndarray) -> float:
            predicted = log_softmax(of(parameters).logits(scores, hits), axis=1)
            # A slight pull towards a modest weight for words that are in hardly any example.
            return -float(predicted[np.arange(len(labels)), labels].mean()) + 1e-4 * float(parameters[1] - 2) ** 2

        start = np.array([6.0, 2.0, *[0.0] * (len(LABELS) - 1)])
        bounds = [(0.1, 50.0), (0.0, 6.0), *[(-10.0, 10.0)] * (len(LABELS) - 1)]
        return of(minimize(loss, start, method="L-BFGS-B", bounds=bounds).x)


@dataclass(frozen=True)
class CrisisEvidence:
    """What the model says of its examples, each predicted by a model that has not learned from it or its near twins.

    Attributes:
        examples: (examples,).
        probabilities: (examples, labels) float64.
    """

    examples: list[CrisisExample]
    probabilities: np.ndarray

    @property
    def scores(self) -> np.ndarray:
        """(examples,) the probability of any risk."""
        return 1 - self.probabilities[:, LABELS.index(NONE)]


class CrisisModel:
    """Says how likely each of `LABELS` is for a text: the kinds of risk, and none.

    Kernel ridge regression, as in `components.lexical`, on the sum of a lexical kernel and, if there is an encoder, one of
    sentence vectors, calibrated together with the lexicon on what each example's own fold had not seen.

    Attributes:
        threshold: the probability of any risk from which a message is a crisis.
        evidence: what calibration and threshold went by; None in a model that was loaded.
    """

    def __init__(
        self,
        lexical: LexicalRegression,
        semantic: VectorKernel | None,
        coefficients: np.ndarray,  # (training texts, labels) float32
        calibration: Calibration,
        lexicon: CrisisLexicon,
        threshold: float,
        encoder: SentenceVectors | None = None,
        evidence: CrisisEvidence | None = None,
    ) -> None:
        self.threshold, self.evidence = threshold, evidence
        self._lexical, self._semantic, self._coefficients = lexical, semantic, coefficients
        self._calibration, self._lexicon, self._encoder = calibration, lexicon, encoder

    @classmethod
    def train(
        cls,
        examples: list[CrisisExample],
        lexicon: CrisisLexicon,
        folder: Path,
        encoder: str | None = None,
        layers: tuple[int, ...] = (8, 10),
        target_recall: float = 0.97,
        false_alarms: float = 1.0,
    ) -> CrisisModel:
        """Learns from the examples and leaves the model's files in `folder`, which must exist.

        Args:
            encoder: hub id or folder of a pretrained encoder; None for the lexical kernel alone.
            layers: those whose hidden states are used.
            target_recall, false_alarms: see `threshold_for`.

        Raises:
            CrisisExamplesError: there is no example with risk, or none without.
            components.encoder.settings.EncoderError: the encoder can't be loaded.
        """
        if len({example.kind == NONE for example in examples}) < 2:
            raise CrisisExamplesError("The crisis detector needs examples with risk and without; give it both.")
        texts = [canonical(lexicon.read_as(example.text)) for example in examples]
        labels = np.array([LABELS.index(example.kind) for example in examples])

        lexical, kernel = LexicalKernel.fit(texts)
        groups = folds(examples, kernel, _FOLDS)
        semantic = vectors = None
        if encoder:
            vectors = export_vectors(encoder, layers, folder)
            semantic, likeness = VectorKernel.fit(vectors.vectors(texts))
            kernel += likeness
            del likeness
        coefficients, unseen = _ridge(kernel, np.eye(len(LABELS), dtype=np.float32)[labels], groups)
        hits = lexicon.hits(texts)
        calibration = Calibration.learn(unseen, hits, labels)
        evidence = CrisisEvidence(examples, calibration(unseen, hits))
        threshold = threshold_for(evidence, target_recall, false_alarms)
        model = cls(
            lexical.regression(coefficients), semantic, coefficients, calibration, lexicon, threshold, vectors, evidence
        )
        model._save(folder)
        return model

    def predict(self, messages: list[str]) -> np.ndarray:
        """(messages, labels) float64. Of a long message the window with most risk speaks for the whole, if it has more."""
        return np.stack([self._of_message(message) for message in messages]) if messages else np.zeros((0, len(LABELS)))

    def _of_message(self, message: str) -> np.ndarray:
        # Few examples end in a full stop, and one must not make a difference.
        read = (self._lexicon.read_as(text.removesuffix(".")) for text in windows(message))
        texts = list(dict.fromkeys(map(canonical, read)))
        lexical = self._lexical(texts)
        scores = lexical + self._coefficients.sum(axis=0)  # the intercept's share
        if self._semantic is not None and self._encoder is not None:
            # The first text is the whole message.
            riskiest = [0, *(1 + np.argsort(scores[1:, LABELS.index(NONE)], kind="stable")[:_MOST_ENCODED])]
            texts = [texts[index] for index in riskiest]
            scores = scores[riskiest] + self._semantic(self._encoder.vectors(texts)) @ self._coefficients
        probabilities = self._calibration(scores, self._lexicon.hits(texts))
        # Every window is one more chance of a false alarm, so each must be as many times surer.
        probabilities[1:, LABELS.index(NONE)] *= len(lexical) - 1
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        return probabilities[np.argmin(probabilities[:, LABELS.index(NONE)])]

    def _save(self, folder: Path) -> None:
        arrays = {**asdict(self._lexical), "coefficients": self._coefficients}
        if self._semantic is not None:
            arrays |= {"vectors": self._semantic.training, "mean": self._semantic.mean}
        np.savez(folder / "crisis_model.npz", **arrays)
        settings = {
            "calibration": asdict(self._calibration),
            "lexicon": {"spellings": self._lexicon.spellings, "patterns": self._lexicon.patterns},
            "threshold": self.threshold,
            "width": self._semantic.width if self._semantic is not None else None,
        }
        (folder / _FILE).write_text(json.dumps(settings, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> CrisisModel:
        """The model whose files `train` left in `folder`; imports neither torch nor transformers."""
        settings = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        with np.load(folder / "crisis_model.npz") as arrays:
            lexical = LexicalRegression(arrays["idf"], arrays["buckets"], arrays["weights"])
            coefficients = arrays["coefficients"]
            width = settings["width"]
            semantic = VectorKernel(arrays["vectors"], arrays["mean"], width) if width is not None else None
        return cls(
            lexical,
            semantic,
            coefficients,
            Calibration(**settings["calibration"]),
            CrisisLexicon(**settings["lexicon"]),
            settings["threshold"],
            SentenceVectors.load(folder) if semantic is not None else None,
        )


def threshold_for(evidence: CrisisEvidence, target_recall: float, false_alarms: float) -> float:
    """The greatest threshold with the recall wanted, but raised as far as it takes to keep everyday talk's false alarms few.

    Args:
        target_recall: the share of the examples with risk that are to be found.
        false_alarms: the greatest share of everyday examples that may be taken for a crisis.
    """
    risky = np.array([example.kind != NONE for example in evidence.examples])
    everyday = np.array([example.note == EVERYDAY for example in evidence.examples]) & ~risky
    for_recall = np.sort(evidence.scores[risky])[int((1 - target_recall) * risky.sum())]
    if not everyday.any():
        return float(for_recall)
    highest = np.sort(evidence.scores[everyday])[::-1]
    allowed = int(false_alarms * len(highest))
    bound = np.nextafter(highest[allowed], 2) if allowed < len(highest) else 0.0
    return float(max(for_recall, bound))


def windows(message: str) -> list[str]:
    """The message, each of its sentences, and of one longer than a window every run of them, or of words, that fits into one.

    Among ordinary sentences a plain "죽고 싶어요" would count for little.
    """
    if len(message) > _MOST_CHARACTERS:
        message = f"{message[: _MOST_CHARACTERS // 2]}\n{message[-_MOST_CHARACTERS // 2 :]}"
    sentences = [piece for sentence in _SENTENCE_END.split(message) for piece in _pieces(sentence)]
    if len(sentences) < 2:
        return [message]
    return list(dict.fromkeys([message, *sentences, *(_runs(sentences) if len(message) > _WINDOW else ())]))


def _runs(sentences: Sequence[str]) -> Iterator[str]:
    end = 0
    for start in range(len(sentences)):
        before, end = end, max(end, start + 1)
        while end < len(sentences) and len(" ".join(sentences[start : end + 1])) <= _WINDOW:
            end += 1
        if end > before:  # else the run lies within the last one
            yield " ".join(sentences[start:end])


def _pieces(sentence: str) -> Iterator[str]:
    """A sentence that is longer than a window in pieces of half its length, else itself; nothing of a blank one."""
    if len(sentence) <= _WINDOW:
        if sentence.strip():
            yield sentence.strip()
        return
    piece = ""
    for word in sentence.split():
        for part in (word[at : at + _WINDOW // 2] for at in range(0, len(word), _WINDOW // 2)):
            if piece and len(piece) + len(part) >= _WINDOW // 2:
                yield piece
                piece = ""
            piece = f"{piece} {part}".strip()
    if piece:
        yield piece


def _ridge(kernel: np.ndarray, targets: np.ndarray, groups: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients, and for each text the scores of a model that has not seen its group: both (texts, labels) float32.

    The residual of a group that is left out has a closed form: the inverse kernel's block of the group, inverted, times the
    group's coefficients (Golub, Heath & Wahba 1979). `kernel` is overwritten; 1 is added to it for the intercept.
    """
    kernel += np.float32(1)
    kernel[np.diag_indices_from(kernel)] += np.float32(_PENALTY)
    # Transposed, it is in LAPACK's order, and isn't copied.
    factor, failed = lapack.spotrf(kernel.T, lower=True, overwrite_a=True)
    inverse, failed_too = lapack.spotri(factor, lower=True, overwrite_c=True)
    if failed or failed_too:
        raise CrisisExamplesError("The crisis examples can't be learned: their kernel is singular.")
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    coefficients = inverse @ targets
    unseen = targets.copy()
    for group in groups:
        unseen[group] -= np.linalg.solve(inverse[np.ix_(group, group)], coefficients[group])
    return coefficients, unseen
