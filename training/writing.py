"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def check_writable(file: Path) -> None:
    """Raises OSError if `file` can't be written, before work that takes hours; leaves nothing behind."""
    is_new = not os.path.lexists(file)
    file.open("a", encoding="utf-8").close()
    if is_new:
        file.unlink()


def write_whole(file: Path, text: str) -> None:
    """Writes `text` as UTF-8 so that `file` is never seen half-written; what stood there stays if that fails.

    Raises:
        OSError: it can't be written; `filename` is `file`.
    """
    part = file.with_name(file.name + ".part")
    try:
        if file.exists() and not file.is_file():  # a pipe or a device: there is nothing to put in its place
            file.write_text(text, encoding="utf-8")
            return
        try:
            part.write_text(text, encoding="utf-8")
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(file)) from error
