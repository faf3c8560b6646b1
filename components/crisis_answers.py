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
# Longer than this, a message is a story in which a "safe" may mean anything.
_PLAIN_ANSWER = 40
# Words that leave open whether a "safe" beside them is meant.
_DOUBT = "doubt"


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

    Only what is plainly safe is `SAFE` or `YES`: one word of danger in it, or a classifier that is not sure, and it isn't.
    """

    def __init__(self, cues: dict[str, list[str]], answer_threshold: float, safe_threshold: float) -> None:
        self._cues = {name: re.compile("|".join(patterns)) for name, patterns in cues.items()}
        self._answer_threshold = answer_threshold
        self._safe_threshold = safe_threshold

    def read(self, text: str, ranking: list[dict[str, Any]]) -> Answer:
        """`ranking` is Rasa's `intent_ranking`: dicts with `name` and `confidence`."""
        # "네!! 안전 해요^^" and "네안전해요" are the same.
        letters = _NOT_A_LETTER.sub("", squeeze(text))
        for bare in (Answer.YES, Answer.NO):
            if self._cues[bare.value].fullmatch(letters):
                return bare
        for answer in (Answer.NOT_SAFE, Answer.SOMEONE_ELSE, Answer.KEEP_TALKING, Answer.CALLING):
            if self._says(answer.value, letters):
                return answer
        is_plain = len(letters) <= _PLAIN_ANSWER and "?" not in text and not self._says(_DOUBT, letters)
        if is_plain and self._says(Answer.SAFE.value, letters):
            return Answer.SAFE
        return self._likeliest(ranking, is_plain)

    def _says(self, cue: str, letters: str) -> bool:
        return self._cues[cue].search(letters) is not None

    def _likeliest(self, ranking: list[dict[str, Any]], is_plain: bool) -> Answer:
        expected = [(entry["confidence"], entry["name"]) for entry in ranking if entry["name"] in _INTENTS]
        confidence, name = max(expected, default=(0.0, ""))
        if not name:
            return Answer.UNCLEAR
        answer = _INTENTS[name]
        # A "yes" the list of plain ones doesn't know may go on with anything.
        if answer is Answer.YES or (answer is Answer.SAFE and not is_plain):
            return Answer.UNCLEAR
        threshold = self._safe_threshold if answer is Answer.SAFE else self._answer_threshold
        return answer if confidence >= threshold else Answer.UNCLEAR


def load_cues(file: Path = CUES_FILE) -> dict[str, list[str]]:
    """The regular expressions of each answer and of doubt, to be matched with a message's letters and digits alone.

    Raises:
        ValueError: an answer is unknown or missing, or an expression is none; the message says which.
    """
    cues: dict[str, list[str]] = yaml.safe_load(file.read_text(encoding="utf-8"))["answers"]
    needed = {answer.value for answer in Answer} - {Answer.UNCLEAR.value} | {_DOUBT}
    if set(cues) != needed:
        raise ValueError(f"{file}: answers must be {', '.join(sorted(needed))}; it has {', '.join(sorted(cues))}.")
    for name, patterns in cues.items():
        for pattern in patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{file}: {pattern!r} of {name} is no regular expression: {error}.") from error
    return cues
