"""`rasa shell` that ends when its input does, and that nothing typed into it or piped into it can break.

Rasa's own raises in a task that nobody waits for, and hangs: at the end of the input, and at what prompt_toolkit can't read.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from rasa.core.channels import console

from components.message_text import one_line, printable

_ask = console._get_user_input
_print = console._print_bot_output
_record = console.record_messages


def install() -> None:
    """Puts this module's functions where Rasa's shell looks for its own."""
    console._get_user_input = _next_message
    console._print_bot_output = _print_harmlessly
    console.record_messages = _talk


async def _talk(*arguments: Any, **settings: Any) -> int:
    """Talks until the person has had enough; returns how many messages they wrote."""
    try:
        return int(await _record(*arguments, **settings))
    except Exception as error:  # whatever it was, Rasa ends the server after this returns, and never if it raises
        print(f"The conversation ended: {type(error).__name__}: {one_line(str(error))}", file=sys.stderr)
        return 0


async def _next_message(previous_response: dict[str, Any] | None) -> str | None:
    """The next message that isn't blank; None if there is none."""
    if not sys.stdin.isatty() and previous_response is not None:
        _print_harmlessly(previous_response)
    while True:
        try:
            text = await (_ask(previous_response) if sys.stdin.isatty() else _next_line())
        except EOFError:
            return None
        except ValueError:  # of prompt_toolkit, about an escape sequence of a mouse it doesn't know
            text = ""
        if text is None or printable(text).strip():
            return text
        previous_response = None


async def _next_line() -> str | None:
    """The next line of a pipe or file, of whatever bytes it is."""
    line = await asyncio.to_thread(sys.stdin.buffer.readline)
    return printable(line.decode("utf-8", "replace")).strip() if line else None


def _print_harmlessly(message: dict[str, Any], *arguments: Any, **settings: Any) -> Any:
    """Prints what the bot says; a terminal would obey escape sequences in it."""
    text = message.get("text")
    return _print({**message, "text": printable(text)} if isinstance(text, str) else message, *arguments, **settings)
