"""What the crisis detector learns from: messages with a kind of risk, with the same words but none, and everyday talk."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# The intent of a message with a risk, whose response keys are the kinds, and the attribute that says what was found in it.
CRISIS = "crisis"
# A person's own risk, rising.
OWN_KINDS = ("thinking", "plan", "acted")
# The kinds of risk, in the order of the model's outputs, and the label of a message with none.
KINDS = (*OWN_KINDS, "other_person", "harm_others")
NONE = "none"
LABELS = (*KINDS, NONE)
# The note of examples that come from the bot's other training data.
EVERYDAY = "everyday"
_COLUMNS = ("utterance", "kind", "note")


class CrisisExamplesError(Exception):
    """The examples can't be used; the message is a sentence for whoever wrote them or the config."""


@dataclass(frozen=True)
class CrisisExample:
    """A message, the kind of risk in it (one of `LABELS`) and where it comes from or what makes it hard."""

    text: str
    kind: str
    note: str = ""


def read_examples(file: Path) -> list[CrisisExample]:
    """The examples in a CSV file with the columns utterance, kind and note.

    Raises:
        CrisisExamplesError: there is no such file, or it has other columns or unknown kinds.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            if not set(_COLUMNS) <= set(rows.fieldnames or ()):
                raise CrisisExamplesError(f"{file}: the columns {', '.join(_COLUMNS)} are wanted in the first row; add them.")
            examples = [CrisisExample(row["utterance"], row["kind"], row["note"] or "") for row in rows if row["utterance"]]
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise CrisisExamplesError(f"{file}: the crisis examples can't be read ({reason}); check the path.") from error
    for example in examples:
        if example.kind not in LABELS:
            raise CrisisExamplesError(
                f"{file}: {example.text!r} has the kind {example.kind!r}; it must be one of {', '.join(LABELS)}."
            )
    return examples


def kind_of(intent: str, kinds: Mapping[str, str]) -> str | None:
    """The kind of an intent or response key, or of the nearest category above it; None if there is none in `kinds`."""
    while intent not in kinds:
        intent, below, _ = intent.rpartition(".")
        if not below:
            return None
    return kinds[intent]
