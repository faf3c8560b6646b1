"""What wellness categories, AI Hub's paths such as "감정/걱정/미래", are called in Rasa."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path


def response_key(category: str) -> str:
    """The category's name as a response key: "감정/걱정" is "감정.걱정" (Rasa allows one slash, behind the intent).

    A full stop in a category's own name becomes "·": "1.1 불안" is no category below "1".
    """
    return category.replace(".", "·").replace("/", ".")


def category_path(label: str) -> tuple[str, ...]:
    """A label's path: of the full intent "wellness/감정.걱정" ("wellness/감정", "걱정"), of an ordinary intent itself alone."""
    intent, _, key = label.partition("/")
    if not key:
        return (intent,)
    first, *below = key.split(".")
    return (f"{intent}/{first}", *below)


def read_supporting(file: Path, labels: Iterable[str]) -> list[tuple[str, str]]:
    """The utterances of a CSV file with AI Hub's columns, each with that of the full intents `labels` which is its category.

    Utterances of other categories are left out.

    Raises:
        ValueError: the file can't be read, or lacks a column.
    """
    known = {label.partition("/")[2]: label for label in sorted(labels) if "/" in label}
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            rows = [(row["유저"], response_key(row["구분"])) for row in csv.DictReader(stream)]
    except (OSError, UnicodeDecodeError, KeyError) as error:
        raise ValueError(
            f"{file}: the supporting examples can't be read ({error}); give a CSV in UTF-8 with the columns 구분 and 유저."
        ) from error
    return [(text, known[key]) for text, key in rows if text and key in known]
