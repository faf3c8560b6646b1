"""The last look at generated text: nothing that may harm, and nothing that isn't a whole Korean sentence, reaches a person.

It refuses too much rather than too little, because whoever asks has a written answer for that case. Swearing is `korcen`'s to
know (Apache 2.0); what else no reply may say stands in `guard.yml` and `data/banned_in_answers.yml`. Words are found among the
morphemes Kiwi sees, so endings and spacing don't hide them. Because no list of what is harmful is ever complete, a reply may
besides use only words that the bot's own answers use, which people wrote, and nouns of the message; and what it states or asks
someone to do must close as one of their sentences does.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from bot.safety.morpheme_rules import MorphemeRule
from bot.safety.sentences import closing_of, content_words, ends_politely, sentences_of
from components.morphemes import Morpheme, morphemes, morphemes_of_all
from components.text import normalise

_PROJECT = Path(__file__).parents[2]
_RULES = Path(__file__).with_suffix(".yml")
_CRISIS = _PROJECT / "data" / "crisis.yml"
_BANNED = _PROJECT / "data" / "banned_in_answers.yml"
_ANSWERS = (_PROJECT / "domain.yml", _PROJECT / "data" / "generated" / "responses.yml")

_LENGTHS = (6, 160)  # characters of a reply
_MORPHEMES_PER_SENTENCE = 3
# All that a reply is written with: no Latin letters, so no addresses of pages or mail; no lone jamo, emoji or leftover tokens.
_SCRIPT = re.compile(r"[가-힣0-9 .,!?…~'\"“”‘’()\-:·]+")
_NUMBER = re.compile(r"\d[\d\- .]*\d|\d")
_LONGEST_NUMBER = 2  # digits; minutes and ages have two, nothing that identifies or is dialled does
_NUMBER_IN_WORDS = re.compile(r"(?:[공영일이삼사오육륙칠팔구]\s?){7,}")
_REPEATED = re.compile(r"(.{2,}?)\s*\1\s*\1|(.)\2{3,}|(.{5,})\s*\3")
_MOST_OF_A_WORD = 2  # how often one noun may stand in a sentence
_NAME_REACH = 14  # characters before a hotline's number in which its name may stand
_END = 5  # morphemes, the full stop among them, in which a sentence closes
_FORBIDDEN_WITHIN = 6  # morphemes before "지 마세요" in which stands what is not to be done
_DENIED_WITHIN = 9  # morphemes after what is denied
_PROPOSED_WITHIN = 9  # morphemes after what is proposed
_ENDED_WITHIN = 7  # morphemes after it in which an imperative still means it


class Refusal(NamedTuple):
    """Why a reply may not be said: the `kind` of fault, and the words or sign it was seen by."""

    kind: str
    found: str


class Guard:
    """Looks replies over. Loading takes Kiwi's second or two; a reply takes some milliseconds."""

    def __init__(
        self, rules: Path = _RULES, crisis: Path = _CRISIS, banned: Path = _BANNED, answers: Sequence[Path] = _ANSWERS
    ) -> None:
        """Reads the rules.

        Args:
            rules: as `guard.yml`.
            crisis: as `data/crisis.yml`, whose telephone numbers are the only ones a reply may name.
            banned: as `data/banned_in_answers.yml`: regular expressions by kind.
            answers: files with the bot's written responses, as Rasa has them, whose words a reply may use.

        Raises:
            ValueError: a file is missing or a rule can't be read; the message names it.
        """
        content = _load(rules)
        try:
            gap = int(content["gap"])

            def parsed(texts: Sequence[str]) -> list[MorphemeRule]:
                return [MorphemeRule.parse(text, gap) for text in texts]

            self._silent = {kind: parsed(texts) for kind, texts in content["silent"].items()}
            self._never = {kind: parsed(texts) for kind, texts in content["never"].items()}
            self._deniable = set(content["deniable"])
            self._denials, self._undone = parsed(content["denials"]), parsed(content["undone"])
            self._proposed = {kind: parsed(texts) for kind, texts in content["proposed"].items()}
            self._proposals = parsed(content["proposals"])
            self._negations = [MorphemeRule.parse(text, 0) for text in content["negations"]]
            self._negations_before = [MorphemeRule.parse(text, 0) for text in content["negations_before"]]
            self._endings = set(content["endings"])
            self._forbidden, self._forbiddable = parsed(content["forbidding"]), parsed(content["forbiddable"])
            also, self._free_closings = content["words"], parsed(content["free_closings"])
            self._agreement, self._despair = parsed(content["agreement"]), parsed(content["despair"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{rules}: the rules are incomplete ({error}); compare them with bot/safety/guard.yml.") from error
        self._banned = [(kind, re.compile(text)) for kind, texts in _load(banned).items() for text in texts]
        self._hotlines = dict(_hotlines(_load(crisis)["hotlines"]))
        self._swears = _swearing()
        written = [text["text"] for file in answers for texts in _load(file)["responses"].values() for text in texts]
        analysed = morphemes_of_all([sentence for text in [*written, *also] for sentence in sentences_of(text)])
        self._words = {word for found in analysed for word in content_words(found)}
        self._closings = {closing_of(found) for found in analysed}

    def silences(self, message: str) -> Refusal | None:
        """Why nothing generated may answer `message` at all; None if it may.

        A net under the crisis detector, for messages that name the wish to die or ways of doing it.
        """
        sentence = morphemes(message)
        return next(_matches(self._silent, sentence), None)

    def refuses(self, message: str, reply: str) -> Refusal | None:
        """Why `reply` may not be said to someone who wrote `message`; None if it may be said."""
        fault = self._ill_formed(reply) or self._with_a_number(reply) or self._banned_text(reply) or _echoes(message, reply)
        if fault:
            return fault
        sentences = [morphemes(sentence) for sentence in sentences_of(reply)]
        return (
            self._broken(sentences)
            or self._harmful(sentences)
            or self._unlike_the_answers(message, sentences)
            or self._agrees_with_despair(message, sentences)
        )

    def _ill_formed(self, reply: str) -> Refusal | None:
        """A fault to be seen without knowing the language."""
        if not _LENGTHS[0] <= len(reply) <= _LENGTHS[1]:
            return Refusal("length", f"{len(reply)} characters")
        if not _SCRIPT.fullmatch(reply) or normalise(reply).text != reply:
            return Refusal("script", _SCRIPT.sub("", reply)[:10])
        if repeated := _REPEATED.search(reply):
            return Refusal("loop", repeated.group()[:20])
        return None

    def _with_a_number(self, reply: str) -> Refusal | None:
        """A number that is neither short nor a hotline's, or a hotline's under another one's name."""
        if words := _NUMBER_IN_WORDS.search(reply):
            return Refusal("personal", words.group())
        for number in _NUMBER.finditer(reply):
            digits = re.sub(r"\D", "", number.group())
            if digits in self._hotlines:
                before = reply[max(0, number.start() - _NAME_REACH) : number.start()]
                named = max(self._hotlines.values(), key=lambda name: before.rfind(name) if name else -1)
                if named and named in before and named != self._hotlines[digits]:
                    return Refusal("hotline", before + number.group())
            elif len(digits) > _LONGEST_NUMBER:
                return Refusal("personal", number.group())
        return None

    def _banned_text(self, reply: str) -> Refusal | None:
        for kind, pattern in self._banned:
            if match := pattern.search(reply):
                return Refusal(kind, match.group())
        return Refusal("insult", reply) if self._swears(reply) else None

    def _broken(self, sentences: list[tuple[Morpheme, ...]]) -> Refusal | None:
        """Something other than whole, polite sentences, each said once."""
        if not sentences:
            return Refusal("sentence", "none")
        for sentence in sentences:
            words = [morpheme for morpheme in sentence if not morpheme.tag.startswith("S")]
            text = "".join(morpheme.form for morpheme in sentence)
            if len(words) < _MORPHEMES_PER_SENTENCE and len(sentences) == 1:
                return Refusal("sentence", text)
            if not words or not ends_politely(words):
                return Refusal("sentence", text)
            nouns = Counter(word.form for word in words if word.tag == "NNG" and len(word.form) > 1)
            if nouns and max(nouns.values()) > _MOST_OF_A_WORD:
                return Refusal("loop", text)
            pairs = Counter(pairwise((word.form, word.tag) for word in words))
            if pairs and max(pairs.values()) > 2:
                return Refusal("loop", text)
        forms = [tuple(morpheme.form for morpheme in sentence) for sentence in sentences]
        return Refusal("loop", "the same sentence") if len(set(forms)) < len(forms) else None

    def _harmful(self, sentences: list[tuple[Morpheme, ...]]) -> Refusal | None:
        for sentence in sentences:
            found = next(_matches(self._silent, sentence), None)
            if found:
                return found
            for kind, rules in self._never.items():
                for rule in rules:
                    if any(not (kind in self._deniable and self._is_denied(sentence[end:])) for _, end in rule.spans(sentence)):
                        return Refusal(kind, rule.text)
            for rule in self._forbidden:
                for start, end in rule.spans(sentence):
                    if not any(
                        allowed.spans(sentence[max(0, start - _FORBIDDEN_WITHIN) : end]) for allowed in self._forbiddable
                    ):
                        return Refusal("forbids", rule.text)
            for kind, rules in self._proposed.items():
                for rule in rules:
                    if any(self._is_proposed(sentence, start, end) for start, end in rule.spans(sentence)):
                        return Refusal(kind, rule.text)
        return None

    def _unlike_the_answers(self, message: str, sentences: list[tuple[Morpheme, ...]]) -> Refusal | None:
        asked = {word for word in content_words(morphemes(message)) if word[1] == "NNG"}
        for sentence in sentences:
            for word in content_words(sentence):
                if word not in self._words and word not in asked:
                    return Refusal("word", word[0])
            closing = closing_of(sentence)
            is_question = any(morpheme.form == "?" for morpheme in sentence)
            is_free = any(rule.spans(sentence[-_END:]) for rule in self._free_closings)
            if closing not in self._closings and not is_question and not is_free:
                return Refusal("statement", " ".join(closing))
        return None

    def _is_denied(self, after: tuple[Morpheme, ...]) -> bool:
        """Whether what stands `after` a word denies it, and doesn't deny that."""
        ends = [end for rule in self._denials for _, end in rule.spans(after[:_DENIED_WITHIN])]
        return any(not any(rule.spans(after[end:]) for rule in self._undone) for end in ends)

    def _is_proposed(self, sentence: tuple[Morpheme, ...], start: int, end: int) -> bool:
        """Whether what stands from `start` to `end` is what the sentence advises, and doesn't advise against."""
        after = sentence[end : end + _PROPOSED_WITHIN]
        if any(rule.spans(after) for rule in self._negations):
            return False
        if any(rule.spans(sentence[max(0, start - 1) : start]) for rule in self._negations_before):
            return False
        # The proposal may begin with an ending that Kiwi sees as part of what is proposed.
        if any(rule.spans(after) for rule in self._proposals):
            return True
        is_question = any(morpheme.form == "?" for morpheme in sentence)
        return not is_question and any(
            morpheme.tag == "EF" and morpheme.form in self._endings for morpheme in after[:_ENDED_WITHIN]
        )

    def _agrees_with_despair(self, message: str, sentences: list[tuple[Morpheme, ...]]) -> Refusal | None:
        asked = morphemes(message)
        despair = next((rule.text for rule in self._despair if rule.spans(asked)), None)
        if despair is None or any(morpheme.form == "?" for morpheme in sentences[0]):
            return None
        opening = sentences[0][:4]
        agreement = next((rule.text for rule in self._agreement if rule.spans(opening)), None)
        return Refusal("agreement", f"{agreement}: {despair}") if agreement else None


def _matches(rules: dict[str, list[MorphemeRule]], sentence: tuple[Morpheme, ...]) -> Iterator[Refusal]:
    for kind, patterns in rules.items():
        for rule in patterns:
            if rule.spans(sentence):
                yield Refusal(kind, rule.text)


def _echoes(message: str, reply: str) -> Refusal | None:
    """A reply that is nothing but the message again."""
    plain = [re.sub(r"[\W_]", "", text) for text in (message, reply)]
    return Refusal("echo", reply) if plain[0] and plain[0] == plain[1] else None


def _hotlines(entries: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The digits of each hotline, with its name; empty for one that is called by its number alone."""
    for entry in entries.values():
        text = f"{entry['name']} {entry['number']}" if isinstance(entry, dict) else str(entry)
        match = re.match(r"(.*?)\s*(\d[\d-]*\d)", text)
        if match:
            yield match.group(2).replace("-", ""), match.group(1)


def _swearing() -> Callable[[str], bool]:
    """`korcen`'s levels but for sexual words, where it takes 자지 못해서 ("not sleeping") for one; `guard.yml` has those."""
    import colorama
    from korcen import korcen

    colorama.deinit()  # it puts itself between the server and its log
    levels = (korcen.general, korcen.minor, korcen.belittle, korcen.race, korcen.parent, korcen.special, korcen.politics)
    return lambda text: any(level(text) for level in levels)


def _load(file: Path) -> dict[str, Any]:
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{file}: there is no such file; `make data` makes those under data/generated.") from None
