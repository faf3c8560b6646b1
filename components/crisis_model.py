"""The crisis detector itself, free of Rasa: how likely each kind of risk is in a message."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from components.crisis_encoder import CrisisEncoder
from components.crisis_examples import EVERYDAY, LABELS, NONE, CrisisExample, CrisisExamplesError
from components.crisis_lexicon import CrisisLexicon
from components.crisis_ngrams import NgramFeatures, NgramModel
from components.training_settings import TrainingSettings

_FILE = "crisis_model.json"
_NGRAMS_FILE = "crisis_ngrams.npz"
# A longer message is also read in windows of so many characters, which is as long as examples are.
_WINDOW = 80
_MOST_CHARACTERS = 10_000  # of a message; of a longer one the beginning and the end are read
_MOST_ENCODED = 8  # windows that the encoder reads: those in whose words there is most risk
_SENTENCE_END = re.compile(r"(?<=[.!?\u2026~])\s+|\n+")


@dataclass(frozen=True)
class Calibration:
    """Probabilities: softmax(sharpness * words' scores + trust * encoder's logits + raised * lexicon's hits + biases).

    `raised` is never negative and no pattern stands for "none", so that the lexicon can only raise the risk.
    """

    sharpness: float
    trust: float
    raised: float
    biases: list[float]

    def logits(self, said: Said) -> np.ndarray:
        raised = np.pad(self.raised * said.hits.astype(np.float64), ((0, 0), (0, 1)))
        scores, logits = said.scores.astype(np.float64), said.logits.astype(np.float64)
        return self.sharpness * scores + self.trust * logits + raised + np.array(self.biases)

    def __call__(self, said: Said) -> np.ndarray:
        """(texts, labels) float64, each row summing to 1."""
        return softmax(self.logits(said), axis=1)

    @classmethod
    def learn(cls, said: Said, labels: np.ndarray) -> Calibration:
        """The likeliest calibration for `labels`, (texts,), of texts from which neither words' nor encoder's part learned."""

        def of(parameters: np.ndarray) -> Calibration:
            sharpness, trust, raised, *biases = parameters.tolist()
            return cls(sharpness, trust, raised, [*biases, 0.0])

        def loss(parameters: np.ndarray) -> float:
            predicted = log_softmax(of(parameters).logits(said), axis=1)
            # A slight pull towards a modest weight for words that are in hardly any example.
            return -float(predicted[np.arange(len(labels)), labels].mean()) + 1e-4 * float(parameters[2] - 2) ** 2

        start = np.array([2.0, 0.5, 2.0, *[0.0] * (len(LABELS) - 1)])
        bounds = [(0.1, 50.0), (0.0, 10.0), (0.0, 6.0), *[(-10.0, 10.0)] * (len(LABELS) - 1)]
        return of(minimize(loss, start, method="L-BFGS-B", bounds=bounds).x)


@dataclass(frozen=True)
class Said:
    """What is said of texts.

    Attributes:
        scores: (texts, labels), by the words.
        logits: (texts, labels), by the encoder; zeros without one.
        hits: (texts, kinds), by the lexicon: 1 for a hit.
    """

    scores: np.ndarray
    logits: np.ndarray
    hits: np.ndarray


@dataclass(frozen=True)
class CrisisEvidence:
    """What the model says of the examples that were held out, from which neither its words' nor its encoder's part learned.

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

    A linear model of its words and letters and, if there is an encoder, a linear layer on its sentence vector, calibrated
    together with the lexicon on examples that were held out.

    Attributes:
        threshold: the probability of any risk from which a message is a crisis.
        evidence: what calibration and threshold went by; None in a model that was loaded.
    """

    def __init__(
        self,
        ngrams: NgramModel,
        calibration: Calibration,
        lexicon: CrisisLexicon,
        threshold: float,
        encoder: CrisisEncoder | None = None,
        evidence: CrisisEvidence | None = None,
    ) -> None:
        self.threshold, self.evidence = threshold, evidence
        self._ngrams, self._calibration, self._lexicon, self._encoder = ngrams, calibration, lexicon, encoder

    @classmethod
    def train(
        cls,
        examples: list[CrisisExample],
        lexicon: CrisisLexicon,
        folder: Path,
        encoder: str | None = None,
        target_recall: float = 0.97,
        false_alarms: float = 1.0,
    ) -> CrisisModel:
        """Learns from the examples and leaves the model's files in `folder`, which must exist.

        Args:
            encoder: hub id or folder of a pretrained encoder; None for words and letters alone.
            target_recall, false_alarms: see `threshold_for`.

        Raises:
            CrisisExamplesError: there is no example with risk, or none without.
            components.encoder.settings.EncoderError: the encoder can't be loaded.
        """
        if len({example.kind == NONE for example in examples}) < 2:
            raise CrisisExamplesError("The crisis detector needs examples with risk and without; give it both.")
        texts = [lexicon.as_read(example.text) for example in examples]
        # In people's own data a plain "죽고 싶어요" may stand among examples of sadness: it is not learned as harmless.
        kept = [
            (example, text)
            for example, text in zip(examples, texts)
            if (example.kind, example.note) != (NONE, EVERYDAY) or not lexicon.hits([text]).any()
        ]
        examples, texts = [example for example, _ in kept], [text for _, text in kept]
        labels = np.array([LABELS.index(example.kind) for example in examples])
        held_out = TrainingSettings(source="").hold_out([example.text for example in examples])
        learned = np.setdiff1d(np.arange(len(texts)), held_out)
        if any(len(np.unique(labels[part] == LABELS.index(NONE))) < 2 for part in (learned, held_out)):
            raise CrisisExamplesError(
                f"The crisis detector holds {len(held_out)} of its {len(texts)} examples out to calibrate on, and needs some"
                " with risk and some without among them and among the others; give it more of both."
            )

        unseen = [texts[index] for index in held_out]
        logits = np.zeros((len(unseen), len(LABELS)), dtype=np.float32)
        reader = None
        # Kiwi, liblinear and ONNX Runtime let go of the interpreter.
        with ThreadPoolExecutor() as pool:
            words = pool.submit(_learn_words, texts, labels, held_out)
            if encoder:
                reader = CrisisEncoder.export(encoder, folder, [texts[index] for index in learned], labels[learned])
                logits = reader.logits(unseen)
            ngrams, scores = words.result()
        said = Said(scores, logits, lexicon.hits(unseen))
        calibration = Calibration.learn(said, labels[held_out])
        evidence = CrisisEvidence([examples[index] for index in held_out], calibration(said))
        threshold = threshold_for(evidence, target_recall, false_alarms)
        model = cls(ngrams, calibration, lexicon, threshold, reader, evidence)
        model._save(folder)
        return model

    def predict(self, messages: list[str]) -> np.ndarray:
        """(messages, labels) float64. Of a long message the window with most risk speaks for the whole, if it has more."""
        return np.stack([self._of_message(message) for message in messages]) if messages else np.zeros((0, len(LABELS)))

    def _of_message(self, message: str) -> np.ndarray:
        texts = list(dict.fromkeys(map(self._lexicon.as_read, windows(message))))
        scores = self._ngrams(texts)
        # The first text is the whole message.
        riskiest = [0, *(1 + np.argsort(scores[1:, LABELS.index(NONE)], kind="stable")[:_MOST_ENCODED])]
        read = [texts[index] for index in riskiest]
        logits = self._encoder.logits(read) if self._encoder is not None else np.zeros((len(read), len(LABELS)))
        probabilities = self._calibration(Said(scores[riskiest], logits, self._lexicon.hits(read)))
        # Every window is one more chance of a false alarm, so each must be as many times surer.
        probabilities[1:, LABELS.index(NONE)] *= len(texts) - 1
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        return probabilities[np.argmin(probabilities[:, LABELS.index(NONE)])]

    def _save(self, folder: Path) -> None:
        np.savez(folder / _NGRAMS_FILE, **asdict(self._ngrams))
        settings = {
            "calibration": asdict(self._calibration),
            "lexicon": asdict(self._lexicon),
            "threshold": self.threshold,
            "encoder": self._encoder is not None,
        }
        (folder / _FILE).write_text(json.dumps(settings, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> CrisisModel:
        """The model whose files `train` left in `folder`; imports neither torch nor transformers."""
        settings = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        with np.load(folder / _NGRAMS_FILE) as arrays:
            ngrams = NgramModel(**arrays)
        return cls(
            ngrams,
            Calibration(**settings["calibration"]),
            CrisisLexicon(**settings["lexicon"]),
            settings["threshold"],
            CrisisEncoder.load(folder) if settings["encoder"] else None,
        )


def _learn_words(texts: list[str], labels: np.ndarray, held_out: np.ndarray) -> tuple[NgramModel, np.ndarray]:
    """The model of all canonical texts' n-grams, and what one without the held-out texts says of those, (held out, labels)."""
    features = NgramFeatures.of(texts)
    everything = np.arange(len(texts))
    with ThreadPoolExecutor() as pool:
        ngrams, without = pool.map(
            lambda rows: features.learn(rows, labels[rows], len(LABELS)), [everything, np.setdiff1d(everything, held_out)]
        )
    return ngrams, without.of(features.values[held_out])


def threshold_for(evidence: CrisisEvidence, target_recall: float, false_alarms: float) -> float:
    """The greatest threshold with the recall wanted, but raised as far as it takes to keep everyday talk's false alarms few.

    Args:
        target_recall: the share of the examples with risk that are to be found.
        false_alarms: the greatest share of everyday examples that may be taken for a crisis.
    """
    risky = np.array([example.kind != NONE for example in evidence.examples])
    everyday = np.array([example.note == EVERYDAY for example in evidence.examples]) & ~risky
    for_recall = np.sort(evidence.scores[risky])[min(int((1 - target_recall) * risky.sum()), risky.sum() - 1)]
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
