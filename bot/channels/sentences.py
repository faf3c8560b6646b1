"""Cutting long text for channels that limit a message's length."""

from __future__ import annotations

import re
from collections.abc import Callable

# The end of a Korean sentence in chat: a mark or a run of them with closing quotes, or "ㅠㅠ", then a space; or a line's end.
_SENTENCE_END = re.compile(r"(?:[.!?…~。！？]|[ㅋㅎㅠㅜ]{2,})+[\"'”’」』)\]]*(?=\s)|(?=\n)")
# What belongs to the character before it: marks, variation selectors, skin colours, and the joiner of emoji with what it joins.
_CONTINUED = re.compile("[\u0300-\u036f\u1160-\u11ff\u200d\ufe0f\U0001f3fb-\U0001f3ff]")


def split_text(text: str, limit: int, length: Callable[[str], int] = len) -> list[str]:
    """The text in stripped pieces of at most `limit`, each as long as possible; none for blank text.

    A piece ends where a sentence does, else between words, and inside a word only where the word is longer than the limit.

    Args:
        limit: at least 16.
        length: measures a text; must grow with it.
    """
    pieces = []
    rest = text.strip()
    while length(rest) > limit:
        end = _cut(rest, _fitting(rest, limit, length))
        pieces.append(rest[:end].rstrip())
        rest = rest[end:].lstrip()
    return [*pieces, rest] if rest else pieces


def _fitting(text: str, limit: int, length: Callable[[str], int]) -> int:
    """How many characters of the text fit."""
    end = min(limit, len(text))
    while length(text[:end]) > limit:
        end -= 1
    return end


def _cut(text: str, fitting: int) -> int:
    """The best place to cut the text, at `fitting` or before it; above 0."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text, 0, fitting + 1) if match.end() <= fitting]
    if ends and text[: ends[-1]].strip():
        return ends[-1]
    words = re.search(r"^(.*\S)\s", text[: fitting + 1], re.DOTALL)
    if words:
        return words.end(1)
    for end in range(fitting, max(fitting - 12, 0), -1):
        if not _CONTINUED.match(text[end]) and text[end - 1] != "\u200d":
            return end
    return fitting
