"""Reading what a person in a crisis answers when they are asked whether they are safe."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import Any

import yaml

from components.text import squeeze

CUES_FILE = Path(__file__).parents[1] / "data" / "crisis_answers.yml"

_NOT_A_LETTER = re.compile(r"[^\w]|_")
_QUESTION_MARK = re.compile("[?？]")
# Longer than this, a message is a story in which a "safe" may mean anything.
_PLAIN_ANSWER = 40
# Words that may stand beside a "safe" and leave it as plain as it is.
_BESIDE_SAFE = "beside_safe"


class Answer(Enum):
    """What was answered; `YES` and `NO` mean something only after a question."""

    SAFE = "safe"
    NOT_SAFE = "not_safe"
    YES = "yes"
    NO = "no"
    KEEP_TALKING = "keep_talking"
    SOMEONE_ELSE = "someone_else"
    CALLING = "calling"
    UNCLEAR = "unclear"


_INTENTS = {
    "affirm": Answer.YES,
    "deny": Answer.NO,
    "crisis_safe": Answer.SAFE,
    "crisis_not_safe": Answer.NOT_SAFE,
    "keep_talking": Answer.KEEP_TALKING,
    "about_someone_else": Answer.SOMEONE_ELSE,
}


class AnswerReader:
    """Reads answers by the words of `data/crisis_answers.yml`, and where these say nothing by the classifier's ranking.

    Only the words make an answer `SAFE` or `YES`, and only where there is nothing else in it: a "safe" is denied, doubted or
    mocked in more forms than can be listed or learned.
    """

    def __init__(self, cues: dict[str, list[str]], answer_threshold: float) -> None:
        self._cues = {name: re.compile("|".join(patterns)) for name, patterns in cues.items()}
        safe, beside = self._cues[Answer.SAFE.value].pattern, self._cues[_BESIDE_SAFE].pattern
        self._plainly_safe = re.compile(f"(?:{beside})*(?:{safe})(?:{beside}|{safe})*")
        self._answer_threshold = answer_threshold

    def read(self, text: str, ranking: list[dict[str, Any]]) -> Answer:
        """`ranking` is Rasa's `intent_ranking`: dicts with `name` and `confidence`."""
        # "네!! 안전 해요^^" and "네안전해요" are the same.
        letters = _NOT_A_LETTER.sub("", squeeze(text))
        asks = _QUESTION_MARK.search(text) is not None
        if not asks and len(letters) <= _PLAIN_ANSWER and self._plainly_safe.fullmatch(letters):
            return Answer.SAFE
        if self._cues[Answer.YES.value].fullmatch(letters):  # "네?" asks back
            return Answer.UNCLEAR if asks else Answer.YES
        if self._cues[Answer.NO.value].fullmatch(letters):
            return Answer.NO
        for answer in (Answer.NOT_SAFE, Answer.SOMEONE_ELSE, Answer.KEEP_TALKING, Answer.UNCLEAR, Answer.CALLING):
            if self._cues[answer.value].search(letters):
                return answer
        return self._likeliest(ranking)

    def _likeliest(self, ranking: list[dict[str, Any]]) -> Answer:
        expected = [(entry["confidence"], entry["name"]) for entry in ranking if entry["name"] in _INTENTS]
        confidence, name = max(expected, default=(0.0, ""))
        if not name or confidence < self._answer_threshold:
            return Answer.UNCLEAR
        answer = _INTENTS[name]
        # A "yes" or "safe" the lists of plain ones don't know may go on with anything.
        return Answer.UNCLEAR if answer in (Answer.YES, Answer.SAFE) else answer


def load_cues(file: Path = CUES_FILE) -> dict[str, list[str]]:
    """The regular expressions of each answer and of what may stand beside a "safe", matched with letters and digits alone.

    Raises:
        ValueError: an answer is unknown or missing, or an expression is none; the message says which.
    """
    cues: dict[str, list[str]] = yaml.safe_load(file.read_text(encoding="utf-8"))["answers"]
    needed = {answer.value for answer in Answer} | {_BESIDE_SAFE}
    if set(cues) != needed:
        raise ValueError(f"{file}: answers must be {', '.join(sorted(needed))}; it has {', '.join(sorted(cues))}.")
    for name, patterns in cues.items():
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{file}: {pattern!r} of {name} is no regular expression: {error}.") from error
    return cues
