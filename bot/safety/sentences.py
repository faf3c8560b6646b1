"""What a sentence is made of, as Kiwi's morphemes tell: its words, its closing, whether it is polite."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from components.morphemes import Morpheme

# Tags of the words that carry meaning.
_CONTENT = ("NNG", "NNP", "XR", "VV", "VA", "MAG", "NR")
_SENTENCE = re.compile(r"[^.!?…~]+[.!?…~]*")


def sentences_of(text: str) -> list[str]:
    """The sentences of `text` with their punctuation; what is punctuation alone is none."""
    return [sentence.strip() for sentence in _SENTENCE.findall(text) if sentence.strip(" .!?…~'\"")]


def content_words(sentence: Sequence[Morpheme]) -> Iterator[tuple[str, str]]:
    """The words that carry meaning, with their tags; Kiwi marks irregular verbs in the tag's end, which doesn't matter here."""
    for morpheme in sentence:
        tag = morpheme.tag.partition("-")[0]
        if tag in _CONTENT:
            yield morpheme.form, tag


def closing_of(sentence: Sequence[Morpheme]) -> tuple[str, ...]:
    """The forms from the last word that carries meaning to the sentence's end, without punctuation and honorifics."""
    words = [morpheme for morpheme in sentence if not morpheme.tag.startswith("S")]
    last = max((place for place, word in enumerate(words) if word.tag.partition("-")[0] in _CONTENT), default=0)
    return tuple(word.form for word in words[last:] if word.form not in ("시", "으시"))


def ends_politely(words: list[Morpheme]) -> bool:
    """Whether the last word closes a sentence: an ending of 해요 or 합니다 style."""
    last = words[-1]
    if last.form == "요" and last.tag in ("JX", "EF"):
        return len(words) > 1
    return last.tag == "EF" and last.form.endswith(("요", "죠", "니다", "니까", "시다", "시오"))
