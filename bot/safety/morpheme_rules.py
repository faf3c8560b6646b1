"""Rules that find words in a sentence whatever their endings and spacing, by the morphemes Kiwi sees."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from components.morphemes import Morpheme

_ANY = "*"
_ADJACENT = "+"


@dataclass(frozen=True)
class _Word:
    """One word of a rule: a dictionary form, perhaps only its beginning, perhaps of a part of speech."""

    form: str
    tag: str
    is_beginning: bool

    def ends(self, sentence: Sequence[Morpheme], start: int) -> Iterator[int]:
        """The index behind the word, if it stands at `start`: as one morpheme, or as several that spell it together."""
        if self.tag and not sentence[start].tag.startswith(self.tag):
            return
        spelled = ""
        for index in range(start, len(sentence)):
            spelled += sentence[index].form
            if spelled == self.form or (self.is_beginning and index == start and spelled.startswith(self.form)):
                yield index + 1
            if len(spelled) >= len(self.form):
                return


@dataclass(frozen=True)
class MorphemeRule:
    """Words that stand in this order, each with so many morphemes before it at most; `text` is the rule as it was written."""

    text: str
    words: tuple[tuple[_Word, ...], ...]  # for each place, the alternatives
    gaps: tuple[int, ...]  # for each place, how many morphemes may stand between it and the one before

    @classmethod
    def parse(cls, text: str, gap: int) -> MorphemeRule:
        """The rule that `text` writes, as `guard.yml` explains, with at most `gap` morphemes between two words.

        Raises:
            ValueError: `text` is empty, or a word in it is.
        """
        places = text.split()
        if not places:
            raise ValueError("a rule of the guard is empty; take it out or write its words.")
        words = tuple(tuple(_word(word, text) for word in place.removeprefix(_ADJACENT).split("|")) for place in places)
        return cls(text, words, tuple(0 if place.startswith(_ADJACENT) else gap for place in places))

    def spans(self, sentence: Sequence[Morpheme]) -> list[tuple[int, int]]:
        """Where the rule applies: the indices of its first morpheme and of the one behind its last."""
        spelled = "".join(morpheme.form for morpheme in sentence)
        if not all(any(word.form in spelled for word in place) for place in self.words):
            return []  # nearly always
        return [(start, end) for start in range(len(sentence)) for end in self._ends(sentence, start, 0)]

    def _ends(self, sentence: Sequence[Morpheme], start: int, place: int) -> Iterator[int]:
        for end in {end for word in self.words[place] for end in word.ends(sentence, start)}:
            if place == len(self.words) - 1:
                yield end
                continue
            for following in range(end, min(end + self.gaps[place + 1] + 1, len(sentence))):
                yield from self._ends(sentence, following, place + 1)


def _word(word: str, rule: str) -> _Word:
    form, _, tag = word.partition("/")
    if not form.strip(_ANY):
        raise ValueError(f"the guard's rule {rule!r} has an empty word; write it as a dictionary form.")
    return _Word(form.rstrip(_ANY), tag, form.endswith(_ANY))
