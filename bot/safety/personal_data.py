"""Taking personal data out of text: registration, telephone, card and account numbers, e-mail and postal addresses.

The recognisers are those of `ko-pii` (MIT, no dependencies): checksums of registration numbers, Luhn, the prefixes of telephone
numbers, banks' names, the names of districts. It costs 14 MB and 0.4 ms a message. Presidio can't stand beside Rasa 3.6: every
release of its analyser wants either a spaCy that needs another numpy or pydantic, or a `regex` of 2023 (Rasa pins 2022.10.31).
What `personal_data.yml` adds is what `ko-pii` 1.22.15 leaves standing: numbers spelled in Korean, flats, bare account numbers.

No recogniser finds everything: a name, or a number in a shape of nobody's, stays.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ko_pii import detect_all
from ko_pii.labels import LABEL_INFO

from components.text import normalise

LABELS = ("RRN", "FRN", "PHONE", "CARD", "ACCOUNT", "EMAIL", "ADDRESS")

_DATA = Path(__file__).with_suffix(".yml")
_HOTLINES = Path(__file__).parents[2] / "data" / "crisis.yml"
# Whoever has one of these may have something to hide; everything else, such as the names of 359 categories, passes unread.
_SUSPICIOUS = re.compile(r"\d|@|\bat\b|골뱅이", re.IGNORECASE)
# A longer text is read in stretches, which overlap by more than anything personal is long, and a longer gap as one of four: the
# recognisers take time by the square of a text's length, and by the cube of a gap's.
_STRETCH, _OVERLAP, _GAP = 1000, 200, 4
_HANGUL = re.compile(r"[가-힣]")
# Numbers of organisations (15xx to 18xx, 080), hotlines among them: nobody's own.
_PUBLIC_NUMBER = re.compile(r"1[5-8]\d{6}|080\d{7}")
# A number spelled out, once its digits stand close together: mobile, other telephone, registration, card.
_SPELLED_NUMBER = re.compile(r"010\d{8}|01[1-9]\d{7,8}|0(?:2|[3-6]\d|70)\d{7,8}|\d{2}[01]\d[0-3]\d[1-8]\d{6}|\d{16}")


@dataclass(frozen=True)
class _Span:
    start: int
    end: int
    label: str


def mask(text: str) -> str:
    """`text` with "[전화번호]" and the like where personal data stood; the same object if there is none.

    Spacing, dashes, full-width and other digits, invisible characters and decomposed Hangul hide nothing. Dates, ages, prices
    and every number in `data/crisis.yml` stay. What is masked already stays as it is.
    """
    starts = range(0, max(1, len(text) - _OVERLAP), _STRETCH - _OVERLAP)
    spans = [span for start in starts for span in _spans(text[start : start + _STRETCH], start)]
    for span in sorted(_merged(spans), key=lambda span: -span.start):
        text = f"{text[: span.start]}[{span.label}]{text[span.end :]}"
    return text


def mask_all(value: Any) -> Any:
    """`value`, built of dictionaries, lists and scalars as JSON has them, with every string in it masked, keys too.

    An integer that reads as personal data becomes a string. The value handed in is left as it is.
    """
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {mask_all(key): mask_all(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [mask_all(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**8:
        masked = mask(str(value))
        return value if masked == str(value) else masked
    return value


@functools.lru_cache(maxsize=256)  # a turn's events say the same things several times
def _spans(text: str, offset: int) -> tuple[_Span, ...]:
    """What is personal in a stretch that begins at `offset`."""
    if not _SUSPICIOUS.search(text) and not _spelled().search(text) and _hides_nothing(text):
        return ()
    readable = normalise(text)
    plain = "".join(map(_plain, readable.text))
    kept = [
        position for position in range(len(plain)) if position < _GAP or not plain[position - _GAP : position + 1].isspace()
    ]
    plain = "".join(plain[position] for position in kept)
    begins = [offset + readable.offsets[position] for position in (*kept, len(readable.text))]
    return tuple(_Span(begins[span.start], begins[span.end], span.label) for span in _find(plain))


def _find(text: str) -> Iterator[_Span]:
    for found in detect_all(text, include=LABELS):
        # Of words it takes only "이" and the like for digits, which after a number are none.
        spelled = found.label not in ("EMAIL", "ADDRESS") and _HANGUL.search(text, found.start, found.end)
        if not spelled and (found.label != "PHONE" or not _is_public(found.text)):
            end = found.end
            if found.label == "ADDRESS":
                end = _after_an_address().match(text, end).end()  # type: ignore[union-attr]  # it matches nothing, too
            yield _Span(found.start, end, LABEL_INFO[found.label][0])
    for label, pattern in _patterns():
        for match in pattern.finditer(text):
            yield _Span(match.start(), match.end(), label)
    yield from _find_spelled(text)


def _find_spelled(text: str) -> Iterator[_Span]:
    words = _data()["digits"]
    for run in _spelled().finditer(text):
        digits = list(_digit().finditer(text, run.start(), run.end()))
        if all(digit.group().isdecimal() for digit in digits):
            continue
        compact = "".join(str(words.get(digit.group(), digit.group())) for digit in digits)
        # A word after the number may begin like a digit ("…팔이에요"), so the number alone is shown to the library.
        for number in _SPELLED_NUMBER.finditer(compact):
            if all(digit.group().isdecimal() for digit in digits[number.start() : number.end() - 1]):
                continue  # figures, and the first syllable of the next word
            for found in detect_all(number.group(), include=LABELS):
                start, end = number.start() + found.start, number.start() + found.end - 1
                yield _Span(digits[start].start(), digits[end].end(), LABEL_INFO[found.label][0])


def _merged(spans: list[_Span]) -> list[_Span]:
    """The spans, those that overlap made one under the longer one's label."""
    merged: list[_Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if merged and span.start < merged[-1].end:
            last = merged.pop()
            longer = max(last, span, key=lambda span: span.end - span.start)
            span = _Span(last.start, max(last.end, span.end), longer.label)
        merged.append(span)
    return merged


def _hides_nothing(text: str) -> bool:
    """Whether the text reads as it is written: composed, and without invisible characters (or line ends, which matter less)."""
    return text.isprintable() and unicodedata.is_normalized("NFC", text)


def _plain(character: str) -> str:
    """The character as a keyboard has it: digits of any script, dashes and spaces of any width."""
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    if unicodedata.category(character) == "Pd":
        return "-"
    folded = unicodedata.normalize("NFKC", character)
    return folded if len(folded) == 1 else character


def _is_public(number: str) -> bool:
    digits = re.sub(r"\D", "", number)
    return bool(_PUBLIC_NUMBER.fullmatch(digits)) or digits in _hotlines()


@functools.cache
def _data() -> dict[str, Any]:
    return yaml.safe_load(_DATA.read_text(encoding="utf-8"))


@functools.cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    return [(label, re.compile(pattern)) for label, patterns in _data()["patterns"].items() for pattern in patterns]


@functools.cache
def _after_an_address() -> re.Pattern[str]:
    return re.compile(_data()["after_an_address"])


@functools.cache
def _digit() -> re.Pattern[str]:
    return re.compile("|".join([r"\d", *sorted(_data()["digits"], key=len, reverse=True)]))


@functools.cache
def _spelled() -> re.Pattern[str]:
    """A run of nine digits and more, in figures or words."""
    between = "|".join([r"[\s\-.~]", *_data()["between"]])
    return re.compile(rf"(?:(?:{_digit().pattern})(?:{between}){{0,3}}){{9,}}")


@functools.cache
def _hotlines() -> set[str]:
    """The digits of every number in `data/crisis.yml`, whatever its layout."""
    text = _HOTLINES.read_text(encoding="utf-8")
    return {re.sub(r"\D", "", number) for number in re.findall(r"\d[\d-]+\d", text)}
