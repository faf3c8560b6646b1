"""Korean as people type it in a hurry: by ear, without spaces, with a letter gone. For training on what they will send."""

from __future__ import annotations

import random
import re

from components.crisis_text import letters_of, syllable_of

_SYLLABLES = re.compile("[가-힣]")
# What a tail leaves behind, if anything, and what the next syllable then begins with: 없어 is heard as 업서, 좋아 as 조아.
_LINKED = {
    "ㄳ": "ㄱㅅ", "ㄵ": "ㄴㅈ", "ㄺ": "ㄹㄱ", "ㄻ": "ㄹㅁ", "ㄼ": "ㄹㅂ", "ㄾ": "ㄹㅌ", "ㅄ": "ㅂㅅ",
    "ㄶ": "ㄴ", "ㅀ": "ㄹ", "ㅎ": "ㅇ", **{tail: tail for tail in "ㄱㄲㄴㄷㄹㅁㅂㅅㅆㅈㅊㅋㅌㅍ"},
}  # fmt: skip
# The same of a tail and a ㅎ on either side: 못해 is heard as 모태, 어떻게 as 어떠케.
_BREATHED = {
    "ㄱㅎ": "ㅋ", "ㄷㅎ": "ㅌ", "ㅂㅎ": "ㅍ", "ㅅㅎ": "ㅌ", "ㅈㅎ": "ㅊ", "ㄺㅎ": "ㄹㅋ", "ㄵㅎ": "ㄴㅊ", "ㅄㅎ": "ㅂㅌ",
    "ㅎㄱ": "ㅋ", "ㅎㄷ": "ㅌ", "ㅎㅈ": "ㅊ", "ㄶㄱ": "ㄴㅋ", "ㄶㄷ": "ㄴㅌ", "ㄶㅈ": "ㄴㅊ",
    "ㅀㄱ": "ㄹㅋ", "ㅀㄷ": "ㄹㅌ", "ㅀㅈ": "ㄹㅊ",
}  # fmt: skip
_TAIL_SLIPS = dict(zip("ㅆㄶㅀㅄㄲㄵㅎㅌㅍㅊ", "ㅅㄴㄹㅂㄱㄴㅅㅅㅂㅅ"))
_VOWEL_SLIPS = dict(zip("ㅐㅔㅙㅚㅞㅖㅒㅢ", "ㅔㅐㅚㅙㅙㅔㅐㅣ"))
# On a phone's keyboard these are beside one another.
_NEIGHBOURS = {"ㅏ": "ㅓㅣ", "ㅓ": "ㅏㅗ", "ㅗ": "ㅓㅛ", "ㅜ": "ㅡㅠ", "ㅡ": "ㅜ", "ㅣ": "ㅏ", "ㅕ": "ㅛㅓ", "ㅑ": "ㅕㅏ"}
_ENDINGS = {"요": "여용염욤요", "다": "당다", "지": "징쥐", "해": "행햐", "어": "엉오"}


def chat_spelling(text: str, chance: random.Random) -> str:
    """`text` as somebody might type it in a hurry: the same words, of which some are spelled by ear or slip.

    How carelessly differs from text to text. Nothing but Hangul syllables and spaces changes.
    """
    carelessness = chance.uniform(0.3, 1)
    syllables = [list(letters_of(character)) if _SYLLABLES.fullmatch(character) else character for character in text]
    for here, after in zip(syllables, [*syllables[1:], " "]):
        if isinstance(here, list):
            _spell(here, after, carelessness, chance)
    letters = "".join(syllable_of(*each) if isinstance(each, list) else each for each in syllables)
    if letters[-1:] in _ENDINGS and chance.random() < 0.3 * carelessness:
        letters = letters[:-1] + chance.choice(_ENDINGS[letters[-1]])
    return _spaced(letters, chance)


def _spell(here: list[str], after: list[str] | str, carelessness: float, chance: random.Random) -> None:
    """Changes a syllable's letters, and those of the one after it, in place."""
    _, vowel, tail = here
    follows = after[0] if isinstance(after, list) else ""
    heard = _LINKED.get(tail) if follows == "ㅇ" else _BREATHED.get(tail + follows)
    if heard and chance.random() < 0.5 * carelessness:
        here[2] = heard[:-1]
        assert isinstance(after, list)
        after[0] = heard[-1]
    elif tail in _TAIL_SLIPS and chance.random() < 0.5 * carelessness:
        here[2] = _TAIL_SLIPS[tail]
    elif tail and tail in "ㄴㅇㄹㄱ" and chance.random() < 0.02 * carelessness:
        here[2] = ""
    if vowel in _VOWEL_SLIPS and chance.random() < 0.15 * carelessness:
        here[1] = _VOWEL_SLIPS[vowel]
    elif vowel in _NEIGHBOURS and chance.random() < 0.02 * carelessness:
        here[1] = chance.choice(_NEIGHBOURS[vowel])


def _spaced(text: str, chance: random.Random) -> str:
    """`text` with all of its spaces, some or none."""
    kept = chance.choice((1.0, 1.0, 0.6, 0.0))
    return "".join(character for character in text if character != " " or chance.random() < kept)
