"""The telephone numbers of `data/crisis.yml`, for whoever shows them: the replies, the channels, a web page."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CRISIS_FILE = Path(__file__).parents[2] / "data" / "crisis.yml"
# The `type` of a response's button that calls a number instead of saying something.
PHONE_BUTTON = "phone"

_NUMBER = re.compile(r"\d+(-\d+)*")


@dataclass(frozen=True)
class Hotline:
    """A number that people are sent to.

    `hours` is empty where the file gives none, as for the police; `in_writing` says how to reach the line without speaking, and
    is empty until an operator has checked a way and written it down.
    """

    key: str
    name: str
    number: str
    hours: str = ""
    in_writing: str = ""

    @property
    def url(self) -> str:
        """What a link or a button opens to call it: "tel:15770199"."""
        return f"tel:{self.number.replace('-', '')}"

    def button(self, payload: str) -> dict[str, str]:
        """A button as Rasa's responses have them, with a `type` and a `url` for the channels that can call.

        `payload` is what a channel that knows ordinary buttons only sends as the person's words when it is pressed.
        """
        return {"title": f"{self.name} {self.number}", "type": PHONE_BUTTON, "url": self.url, "payload": payload}

    def __str__(self) -> str:
        """As a sentence names it: "자살예방 상담전화 109(24시간)"."""
        more = ", ".join(part for part in (self.hours, self.in_writing) if part)
        return f"{self.name} {self.number}" + (f"({more})" if more else "")


def hotlines(file: Path = CRISIS_FILE) -> list[Hotline]:
    """The hotlines in the file's order.

    Raises:
        ValueError: an entry lacks its name or has no telephone number; the message says which.
    """
    entries: dict[str, dict[str, Any]] = yaml.safe_load(file.read_text(encoding="utf-8"))["hotlines"]
    return [_hotline(file, key, entry) for key, entry in entries.items()]


def named_in(text: str, lines: Iterable[Hotline]) -> list[Hotline]:
    """Those of the hotlines whose number the text names, in the text's order."""
    found = [(match.start(), line) for line in lines if (match := _by_itself(line.number).search(text))]
    return [line for _, line in sorted(found, key=lambda pair: pair[0])]


@functools.cache
def _by_itself(number: str) -> re.Pattern[str]:
    """The number by itself: not within another, and no amount ("109kg", "1,109")."""
    return re.compile(rf"(?<![\d.,-]){re.escape(number)}(?![\d-]|[.,]\d|\s?[A-Za-z%])")


def _hotline(file: Path, key: str, entry: Any) -> Hotline:
    try:
        hotline = Hotline(key, **entry)
    except TypeError as error:
        raise ValueError(f"{file}: the hotline {key} needs a name and a number, and may have hours and in_writing.") from error
    # A number without quotes is an integer in YAML, and one that begins with 0 loses it.
    if not isinstance(hotline.number, str) or not _NUMBER.fullmatch(hotline.number):
        raise ValueError(f'{file}: the number of the hotline {key} must be digits and hyphens in quotes, as "1577-0199".')
    return hotline
