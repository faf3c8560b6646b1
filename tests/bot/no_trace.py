"""Searching whatever a bot leaves behind for what it must not hold. For every channel's tests:

conversation.say(f"제 번호는 {PERSONAL['전화번호']} 이에요")
assert traces(PERSONAL.values(), [tmp_path]) == []
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from personal import PERSONAL

__all__ = ["PERSONAL", "forms", "traces"]


def traces(texts: Iterable[str], places: Iterable[Path | bytes], leave_out: Iterable[Path] = ()) -> list[str]:
    """Where any of the texts stands, in any of its forms: "'010-1234-5678' in rasa.log". Folders are searched to the bottom."""
    wanted = [(text, form) for text in texts for form in forms(text)]
    found = []
    for name, content in _contents(places, set(leave_out)):
        found += [f"{text!r} as {form!r} in {name}" for text, form in wanted if form in content]
    return found


def forms(text: str) -> set[bytes]:
    """The text as files may hold it: plain, in JSON, in JSON within JSON, in UTF-16, without separators, cut in front."""
    found = {text, *([compact] if len(compact := re.sub(r"[-\s]", "", text)) >= 8 else [])}
    found |= {text[position:] for position in range(len(text)) if position <= len(text) // 2 and len(text) - position >= 9}
    escaped = {json.dumps(part)[1:-1] for part in found}
    twice = {json.dumps(part)[1:-1] for part in escaped}
    return {part.encode() for part in found | escaped | twice} | {part.encode("utf-16-le") for part in found}


def _contents(places: Iterable[Path | bytes], leave_out: set[Path]) -> Iterable[tuple[str, bytes]]:
    for place in places:
        if isinstance(place, bytes):
            yield "the given bytes", place
        elif place.is_dir():
            for file in place.rglob("*"):
                if file.is_file() and file not in leave_out:
                    yield str(file), file.read_bytes()
        else:
            yield str(place), place.read_bytes()
