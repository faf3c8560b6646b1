"""How well a reply fits a message, by the sentence vectors of both and of questions whose answers are known. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from components.encoder.onnx_encoder import OnnxTrunk

ENCODER_FOLDER = "encoder"
KNOWN_FILE = "known.npz"
_NEIGHBOURS = 10  # known questions whose answers a reply is compared with


class RankedReply(NamedTuple):
    """A reply and how well it fits, from about 0 to 1: comparable between replies of one generator, no probability."""

    text: str
    score: float


class ReplyRanker:
    """Ranks replies to a message.

    A reply's score is the product of two cosines at best: how near the message is to a known question, times how near the
    reply is to that question's answer, over the nearest known questions; averaged with the cosine of message and reply
    themselves. The first knows what counts as an answer, the second that the reply is about the same thing.
    """

    def __init__(self, folder: Path) -> None:
        """Loads what `training.generator` wrote beside a generator: the encoder and the known pairs' vectors."""
        self._encoder = OnnxTrunk.load(folder / ENCODER_FOLDER)
        with np.load(folder / KNOWN_FILE) as known:
            self._questions: np.ndarray = known["questions"].astype(np.float32)  # (questions, size), each of length 1
            self._answers: np.ndarray = known["answers"].astype(np.float32)  # (answers, size)
            self._pairs: np.ndarray = known["pairs"]  # (pairs, 2): which question has which answer

    def rank(self, message: str, replies: list[str]) -> list[RankedReply]:
        """The replies with their scores, the best first."""
        if not replies:
            return []
        vectors = sentence_vectors(self._encoder, [message, *replies])
        asked, said = vectors[0], vectors[1:]
        likeness = self._questions @ asked
        count = min(_NEIGHBOURS, len(likeness))
        nearest = np.argpartition(-likeness, count - 1)[:count]
        questions, answers = self._pairs[np.isin(self._pairs[:, 0], nearest)].T
        known = (said @ self._answers[answers].T) * likeness[questions]
        scores = (known.max(axis=1) + said @ asked) / 2
        return sorted((RankedReply(*pair) for pair in zip(replies, map(float, scores))), key=lambda ranked: -ranked.score)


def sentence_vectors(encoder: OnnxTrunk, texts: list[str]) -> np.ndarray:
    """(texts, size) float32, each of length 1."""
    vectors = encoder.vectors(texts)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
