"""Kiwi's morphological analysis, loaded once in a process and shared by the tokenizer and the lexical model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from components.text import NormalisedText, normalise

if TYPE_CHECKING:
    from kiwipiepy import Kiwi, Token


# Characters of a text that are analysed. Kiwi takes minutes over a million of them, and nobody says a thing that long.
_MOST_CHARACTERS = 5000


class Morpheme(NamedTuple):
    """One morpheme: its dictionary form, its Sejong tag, and the characters `start` to `end` of the text it stands in.

    Morphemes may share characters: "했" is both 하/VV and 었/EP.
    """

    form: str
    tag: str
    start: int
    end: int


@lru_cache(maxsize=256)  # the tokenizer and the lexical model ask about the same message
def morphemes(text: str) -> tuple[Morpheme, ...]:
    """The morphemes of any text at all, in order, with offsets into `text` as it was given (NFD, emoji, jamo, empty).

    Of a text of more than 5,000 characters, those of the beginning.
    """
    normalised = normalise(text)
    return _morphemes(normalised, _kiwi().tokenize(normalised.text[:_MOST_CHARACTERS]))


def morphemes_of_all(texts: Sequence[str]) -> list[tuple[Morpheme, ...]]:
    """The morphemes of each text, by all cores; nothing is remembered."""
    normalised = [normalise(text) for text in texts]
    return [
        _morphemes(*pair) for pair in zip(normalised, _kiwi().tokenize([each.text[:_MOST_CHARACTERS] for each in normalised]))
    ]


def _morphemes(normalised: NormalisedText, tokens: Iterable[Token]) -> tuple[Morpheme, ...]:
    offsets = normalised.offsets
    return tuple(
        Morpheme(token.form, str(token.tag), offsets[token.start], offsets[token.start + token.len]) for token in tokens
    )


@lru_cache(maxsize=1)
def _kiwi() -> Kiwi:
    from kiwipiepy import Kiwi

    # The dictionary of multi-word names costs 200 MB and knows nothing about how people feel.
    return Kiwi(load_multi_dict=False)
