"""Korean text as people send it, made fit for a morphological analyser, with the way back to the original offsets."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

# One stretch of text that normalises by itself: conjoining jamo (as macOS writes Hangul), or a character with its marks.
_CLUSTER = re.compile(
    r"[\u1100-\u115F]+[\u1160-\u11A7]+[\u11A8-\u11FF]*"
    r"|[\uAC00-\uD7A3][\u11A8-\u11FF]+"
    r"|.[\u0300-\u036F\u3099\u309A\u20D0-\u20F0]*",
    re.DOTALL,
)
# Characters that are not seen: zero-width spaces and joiners, direction marks, soft hyphen, byte-order mark, Hangul fillers.
# U+200D stays, because it holds emoji such as families together.
_INVISIBLE = re.compile("[\u00ad\u115f\u1160\u200b\u200c\u200e\u200f\u202a-\u202e\u2060-\u2064\u3164\ufeff\uffa0]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LONG_RUN = re.compile(r"(.)\1{2,}", re.DOTALL)


@dataclass(frozen=True)
class NormalisedText:
    """`text` is NFC without invisible characters; `offsets[i]` is where its character i began in the original.

    `offsets` has one entry more than `text`, the length of the original, so that `offsets[end]` is right for every end.
    """

    text: str
    offsets: tuple[int, ...]


@lru_cache(maxsize=64)  # every component asks about the same message
def normalise(text: str) -> NormalisedText:
    """NFC, cluster by cluster so that offsets survive; lone surrogates become U+FFFD and invisible characters go."""
    characters: list[str] = []
    offsets: list[int] = []
    for cluster in _CLUSTER.finditer(_SURROGATE.sub("\ufffd", text)):
        composed = _INVISIBLE.sub("", unicodedata.normalize("NFC", cluster.group()))
        characters.append(composed)
        offsets.extend([cluster.start()] * len(composed))
    return NormalisedText("".join(characters), (*offsets, len(text)))


def squeeze(text: str) -> str:
    """One way of writing what chat spells in many: lower case, single spaces, "ㅠㅠㅠㅠㅠ" and "!!!!!" cut to two."""
    return _LONG_RUN.sub(r"\1\1", " ".join(normalise(text).text.lower().split()))
