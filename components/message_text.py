"""What a stranger typed, made safe to store, log and analyse: the same words without what only machines would obey."""

from __future__ import annotations

import re

# Control characters but for tab and line feed, and the separators that some readers take for a line break. ESC, among them,
# begins the sequences that a terminal obeys.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
_LINE_BREAK = re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_SURROGATE = re.compile("[\ud800-\udfff]")
# What Rasa takes for a command starts, after white space, with a slash; invisible characters may stand before it.
_COMMAND_PREFIX = re.compile("^[\\s/\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]*/+\\s*")


def printable(text: str) -> str:
    """The text without control characters and with U+FFFD for halves of surrogate pairs; every line break is a line feed."""
    return _SURROGATE.sub("\ufffd", _CONTROL.sub("", _LINE_BREAK.sub("\n", text)))


def without_command(text: str) -> str:
    """The text without the slash that makes Rasa take it for an intent ("/restart", '/greet{"slot": 1}'): the words stay."""
    return _COMMAND_PREFIX.sub("", text)


def one_line(text: str, length: int = 100) -> str:
    """The beginning of an untrusted text as it may stand in a log line: printable, in one line, at most `length` characters."""
    return printable(text).replace("\n", "\\n").replace("\t", " ")[:length]
