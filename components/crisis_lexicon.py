"""A few words and shorthands that say more than the examples can teach, in a file that people edit."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml

from components.crisis_examples import KINDS, CrisisExamplesError
from components.crisis_text import canonical
from components.text import squeeze


@dataclass(frozen=True)
class CrisisLexicon:
    """Spellings to read as others, and for each kind of risk the patterns that tell of it.

    Attributes:
        spellings: what is written to what is read.
        patterns: of each kind, regular expressions for canonical text without white space.
        words: those that are read even with a digit or two, or Latin letters, inside.
    """

    spellings: dict[str, str]
    patterns: dict[str, list[str]]
    words: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        compiled = {kind: re.compile("|".join(patterns)) for kind, patterns in self.patterns.items() if patterns}
        object.__setattr__(self, "_compiled", compiled)
        written = "|".join(map(re.escape, sorted(self.spellings, key=len, reverse=True)))
        object.__setattr__(self, "_written", re.compile(written) if written else None)
        broken = "|".join(r"[\da-z]{0,2}".join(word) for word in self.words)
        # Not behind another syllable: a girl of three is a "여자3살".
        object.__setattr__(self, "_broken", re.compile(f"(?<![가-힣])(?:{broken})") if broken else None)

    @classmethod
    def read(cls, file: Path) -> CrisisLexicon:
        """The lexicon in a YAML file.

        Raises:
            CrisisExamplesError: it can't be read, names an unknown kind or holds a pattern that is none.
        """
        try:
            content = yaml.safe_load(file.read_text(encoding="utf-8"))
            lexicon = cls(content.get("spellings") or {}, content.get("patterns") or {}, content.get("words") or [])
        except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError, re.error) as error:
            reason = str(error).splitlines()[0]
            raise CrisisExamplesError(f"{file}: the crisis lexicon can't be used ({reason}); mend it.") from error
        unknown = set(lexicon.patterns) - set(KINDS)
        if unknown:
            raise CrisisExamplesError(f"{file}: there is no kind of risk {unknown.pop()!r}; there are {', '.join(KINDS)}.")
        return lexicon

    def read_as(self, text: str) -> str:
        """`text`, squeezed, in the spelling that the examples use."""
        written: re.Pattern[str] | None = vars(self)["_written"]
        broken: re.Pattern[str] | None = vars(self)["_broken"]
        text = broken.sub(lambda found: re.sub(r"[\da-z]", "", found.group()), text) if broken else text
        return written.sub(lambda found: self.spellings[found.group()], text) if written else text

    def as_read(self, text: str) -> str:
        """`text` as the detector reads it: canonical, in the examples' spelling, without a full stop (few have one)."""
        return canonical(self.read_as(squeeze(text).removesuffix(".")))

    def hits(self, texts: list[str]) -> np.ndarray:
        """(canonical texts, kinds) float32: 1 where a text tells of a kind of risk in the lexicon's words."""
        compiled: dict[str, re.Pattern[str]] = vars(self)["_compiled"]
        bare = ["".join(text.split()) for text in texts]
        found = [[kind in compiled and bool(compiled[kind].search(text)) for kind in KINDS] for text in bare]
        return np.array(found, dtype=np.float32).reshape(len(texts), len(KINDS))
