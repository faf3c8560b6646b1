"""Keeps personal data out of the logs, whoever writes them and at whatever level."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, MutableMapping
from functools import lru_cache
from typing import Any, TextIO

import structlog
from rasa.core.channels.channel import UserMessage
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.processors import ExceptionRenderer
from structlog.tracebacks import ExceptionDictTransformer

from bot.safety.personal_data import mask
from bot.safety.pseudonym import pseudonym, speaker

# Rasa logs JSON, perhaps with more JSON in it, and so writes Korean as "\uc11c\uc6b8", in which nothing can be recognised.
_ESCAPED = re.compile(r"\\+u([0-9a-fA-F]{4})")
_FIRST_READABLE = "\u00a0"
# Shorter sender ids may be part of any word.
_LONG_ID = 8
# The event broker of type `file` is a logger. What it writes is masked before, and there JSON must stay as it is.
_MASKED_BEFORE = ("event-logger",)
_NOBODY = "default"
# What Rasa's REST channel logs of a turn that failed or whose sender hung up, with the message.
_WITH_MESSAGE = "rest.message.received"

_formatter = logging.Formatter()


def install() -> None:
    """Masks all log records and warnings of this process from now on, and takes the text of messages as they come in masked.

    Whatever comes after a channel (Rasa's logs, the classifier, the action server, tracebacks) then never sees the original.
    Tracebacks lose the values of local variables: Rasa would cut them off, and half a number isn't recognised. Rasa's REST
    channel loses the message that it would log. Safe to repeat.
    """
    _leave_out_locals()
    _leave_out_messages()
    if logging.getLogRecordFactory() is _private_record:
        return
    logging.setLogRecordFactory(_private_record)
    warnings.showwarning = _show_private_warning
    UserMessage.__init__ = _receive


def private(text: str, masked: Callable[[str], str] = mask) -> str:
    """The line with personal data masked and the sender id of whoever is being answered replaced by its pseudonym."""
    text = _ESCAPED.sub(_readable, text)
    sender = speaker.get()
    if sender and sender != _NOBODY and sender in text:
        edge = "" if len(sender) >= _LONG_ID else r"\b"
        text = re.sub(f"{edge}{re.escape(sender)}{edge}", pseudonym(sender), text)
    return masked(text)


# In a rush the same traceback comes many times, when an action server that hangs is given up; masking one takes 20 ms.
_mask_of_late = lru_cache(maxsize=32)(mask)
_make_record = logging.getLogRecordFactory()
_show_warning = warnings.showwarning
_init_message = UserMessage.__init__


def _private_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
    """A record as logging makes it, already formatted and masked. Never raises: no turn may break on a line of its log."""
    record = _make_record(*args, **kwargs)
    if record.name in _MASKED_BEFORE:
        return record
    try:
        message = record.getMessage()
    except (TypeError, ValueError, KeyError):  # its arguments don't fit; logging would print them as they are
        message = f"{record.msg} {record.args}"
    # Handlers print `exc_text` in place of the exception.
    traceback = _formatter.formatException(record.exc_info) if record.exc_info else None
    try:
        record.msg, record.exc_text = private(message), traceback and private(traceback, _mask_of_late)
    except Exception as error:
        record.msg, record.exc_text = (
            f"A log line could not be masked ({type(error).__name__}) and is left out.",
            traceback and "…",
        )
    record.args = ()
    return record


def _show_private_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    _show_warning(private(str(message)), category, filename, lineno, file, line)


def _receive(self: UserMessage, text: str | None = None, *args: Any, **kwargs: Any) -> None:
    _init_message(self, text, *args, **kwargs)
    speaker.set(self.sender_id)
    if isinstance(self.text, str):
        self.text = mask(self.text)


def _leave_out_locals() -> None:
    """Changes Rasa's own structlog configuration in place, because loggers may have taken it up already."""
    for processor in structlog.get_config()["processors"]:
        if isinstance(processor, ExceptionRenderer):
            processor.format_exception = ExceptionDictTransformer(show_locals=False)
        elif isinstance(processor, ConsoleRenderer):
            processor._exception_formatter = plain_traceback


def _leave_out_messages() -> None:
    processors = structlog.get_config()["processors"]
    if _without_message not in processors:
        processors.insert(0, _without_message)


def _without_message(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if str(event.get("event")).startswith(_WITH_MESSAGE):
        event.pop("text", None)
    return event


def _readable(escape: re.Match[str]) -> str:
    character = chr(int(escape.group(1), 16))
    return character if character >= _FIRST_READABLE and not "\ud800" <= character <= "\udfff" else escape.group()
