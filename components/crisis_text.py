"""Reading what somebody wrote past a filter, or in a hurry, as the words they meant: one spelling for many.

Letters apart, marks between syllables, letters of other scripts that look like Hangul and Hangul typed on an English keyboard
say to a person what the plain word says, and must to the detector. Offsets are lost on the way, so nothing else reads this.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

from components.text import normalise, squeeze

_LEADS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_TAILS = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_COMPOUNDS = {
    "ㅗㅏ": "ㅘ", "ㅗㅐ": "ㅙ", "ㅗㅣ": "ㅚ", "ㅜㅓ": "ㅝ", "ㅜㅔ": "ㅞ", "ㅜㅣ": "ㅟ", "ㅡㅣ": "ㅢ",
    "ㄱㅅ": "ㄳ", "ㄴㅈ": "ㄵ", "ㄴㅎ": "ㄶ", "ㄹㄱ": "ㄺ", "ㄹㅁ": "ㄻ", "ㄹㅂ": "ㄼ", "ㄹㅅ": "ㄽ", "ㄹㅌ": "ㄾ",
    "ㄹㅍ": "ㄿ", "ㄹㅎ": "ㅀ", "ㅂㅅ": "ㅄ",
}  # fmt: skip
# What is read as a letter because it looks like one: a vowel behind a single consonant, a consonant beside Hangul.
_VOWEL_LOOK_ALIKES = {"r": "ㅏ", "l": "ㅣ", "i": "ㅣ", "|": "ㅣ", "1": "ㅣ", "!": "ㅣ", "h": "ㅐ", "t": "ㅜ", "-": "ㅡ",
                      "_": "ㅡ", "\u4e28": "ㅣ", "\u2502": "ㅣ", "\u2503": "ㅣ", "\u4e00": "ㅡ", "\u30fc": "ㅡ", "\u2500": "ㅡ",
                      "\u2014": "ㅡ", "\u30c8": "ㅏ"}  # fmt: skip
_CONSONANT_LOOK_ALIKES = {
    "\u30b9": "ㅈ",
    "\u30d5": "ㄱ",
    "\u5df1": "ㄹ",
    "\u4eba": "ㅅ",
    "\u30ed": "ㅁ",
    "\u53e3": "ㅁ",
    "o": "ㅇ",
}
# The keys of a Korean keyboard in the places of an English one's; what needs the shift key is rare enough to be left out.
_KEYS = dict(zip("qwertyuiopasdfghjklzxcvbnm", "ㅂㅈㄷㄱㅅㅛㅕㅑㅐㅔㅁㄴㅇㄹㅎㅗㅓㅏㅣㅋㅌㅊㅍㅠㅜㅡ"))

_UNIT = "[가-힣ㄱ-ㅣ]"
_BLOCK = re.compile(rf"([{_LEADS}])(?![ㅠㅜ]{{2}}|(?<=[ㅋㅎ])[ㅠㅜ])([ㅏ-ㅣ]{{1,2}})((?:[{_TAILS}](?![ㅏ-ㅣ])){{0,2}})")
_LONE_TAIL = re.compile(rf"([가-힣])(?![ㅋㅎ])([{_TAILS}])(?=[가-힣])")
_LOOK_ALIKE_VOWEL = re.compile(rf"(?<=[ㄱ-ㅎ])[{re.escape(''.join(_VOWEL_LOOK_ALIKES))}](?![a-z])")
_LOOK_ALIKE_CONSONANT = re.compile(
    rf"(?<={_UNIT})[{''.join(_CONSONANT_LOOK_ALIKES)}](?=[ㅏ-ㅣ])|[{''.join(_CONSONANT_LOOK_ALIKES)}](?=[ㅏ-ㅣ][가-힣ㄱ-ㅎ])"
)
# Single syllables or letters, three and more, each apart from the next by white space or marks.
_APART = re.compile(rf"(?<!{_UNIT}){_UNIT}(?:(?:\s|[^\w\s]|_|\d(?!\d)){{1,3}}{_UNIT}(?!{_UNIT})){{2,}}")
# Two and more with just a mark between them: "가.나", and any symbol that no sentence has inside a word.
_MARKED = re.compile(rf"(?<!{_UNIT}){_UNIT}(?:[^\w\s]{_UNIT}(?!{_UNIT}))+")
_SYMBOL = re.compile(rf"(?<={_UNIT})[*@^_+#|\u00b7\u2600-\u27bf\u2b50\U0001f300-\U0001faff](?={_UNIT})")
# Stems of the past and of 있다, which chat spells with ㅅ ("먹엇어"), before an ending.
_STEMS = {chr(ord(stem) - 1): stem for stem in "았었였했갔왔봤겠있됐됬렸졌셨켰쳤폈놨줬랐갰"}
_LAX_STEM = re.compile(f"[{''.join(_STEMS)}](?=[어다는네지고던을음으습었냐니죠거기더])")
_MARK_OR_SPACE = re.compile(rf"(?!{_UNIT})[\W\d_]")


def canonical(text: str) -> str:
    """`text` in lower case and NFC, one space between words, as far as possible in the spelling that the writer had in mind.

    Any text at all is fine; doing it twice changes nothing more.
    """
    before, after = "", squeeze("".join(_plain(normalise(text).text)))
    while before != after:  # taking something out may bring together what belongs together
        before, after = after, squeeze(_read(after))
    return after


def jamo(text: str) -> str:
    """The letters of canonical text without white space: what spelling and spacing, broken anywhere, change least.

    A syllable without a closing consonant gets a filler in its place, so that its letters can't be read as another's.
    """
    return "".join(_letters(character) for character in text if not character.isspace())


def letters_of(syllable: str) -> tuple[str, str, str]:
    """A Hangul syllable's lead, vowel and tail, which is empty where it has none."""
    lead, rest = divmod(ord(syllable) - 0xAC00, 21 * 28)
    vowel, tail = divmod(rest, 28)
    return _LEADS[lead], chr(ord("ㅏ") + vowel), _TAILS[tail - 1] if tail else ""


def syllable_of(lead: str, vowel: str, tail: str) -> str:
    """The Hangul syllable of these letters."""
    return chr(0xAC00 + (_LEADS.index(lead) * 21 + ord(vowel) - ord("ㅏ")) * 28 + (_TAILS.index(tail) + 1 if tail else 0))


def _read(text: str) -> str:
    if not re.search(_UNIT, text):
        return _typed_on_an_english_keyboard(text)
    text = _APART.sub(lambda apart: _MARK_OR_SPACE.sub("", apart.group()), text)
    text = _MARKED.sub(lambda marked: _MARK_OR_SPACE.sub("", marked.group()), text)
    text = _SYMBOL.sub("", text)
    text = _LOOK_ALIKE_CONSONANT.sub(lambda found: _CONSONANT_LOOK_ALIKES[found.group()], text)
    text = _LOOK_ALIKE_VOWEL.sub(lambda found: _VOWEL_LOOK_ALIKES[found.group()], text)
    text = _LONE_TAIL.sub(_close, _BLOCK.sub(_compose, text))
    return _LAX_STEM.sub(lambda found: _STEMS[found.group()], text)


def _plain(text: str) -> Iterator[str]:
    """Each character without marks, fullwidth and other styles as the plain letter, conjoining jamo as letters."""
    for character in text:
        if "\u3130" < character < "\u318f":
            yield character
        elif not unicodedata.category(character).startswith("M") and character != "\u200d":
            yield _plain_character(character)


@lru_cache(maxsize=4096)
def _plain_character(character: str) -> str:
    tag, *parts = unicodedata.decomposition(character).split() or [""]
    if tag.startswith("<"):
        inside = "".join(chr(int(part, 16)) for part in parts)
        return "".join(_plain(unicodedata.normalize("NFC", inside)))
    if "\u1100" <= character <= "\u11ff":
        letter = re.sub("CHOSEONG|JUNGSEONG|JONGSEONG", "LETTER", unicodedata.name(character, ""))
        try:
            return unicodedata.lookup(letter)
        except KeyError:  # a letter that is no longer written
            return character
    return character


def _compose(block: re.Match[str]) -> str:
    """Lead, one or two vowels and up to two closing consonants as a syllable; what doesn't fit into it stays behind."""
    lead, vowels, tails = block.groups()
    vowel = _COMPOUNDS.get(vowels, vowels[0])
    rest = "" if len(vowel) == len(vowels) or vowels in _COMPOUNDS else vowels[1:]
    tail = "" if rest else _COMPOUNDS.get(tails, tails[:1])
    if tail not in _TAILS:
        tail = ""
    behind = tails[2 if tails in _COMPOUNDS and tail else len(tail) :]
    return syllable_of(lead, vowel, tail) + rest + behind


def _close(pair: re.Match[str]) -> str:
    """An open syllable and the consonant behind it as one."""
    syllable, tail = pair.groups()
    lead, vowel, closed = letters_of(syllable)
    return syllable + tail if closed else syllable_of(lead, vowel, tail)


def _typed_on_an_english_keyboard(text: str) -> str:
    """What its keys say on a Korean keyboard, if those make whole syllables; else the text itself."""
    letters = [character for character in text if character in _KEYS]
    hangul = _BLOCK.sub(_compose, "".join(_KEYS.get(character, character) for character in text))
    left = sum("ㄱ" <= character <= "ㅣ" for character in hangul)
    return text if len(letters) < 6 or left else hangul


def _letters(character: str) -> str:
    if not "가" <= character <= "힣":
        return character
    lead, vowel, tail = letters_of(character)
    return lead + vowel + (tail or "-")
