"""The keyed hash that stands for a person wherever something is kept, published or logged."""

from __future__ import annotations

import functools
import hashlib
import hmac
import os
import secrets
import tempfile
from contextvars import ContextVar
from pathlib import Path

# Where the key is kept if the environment gives none, unless MAEUM_SECRET_FILE says otherwise.
KEY_FILE = Path(__file__).parents[2] / "conversations.key"
_MIN_SECRET = 16
# Keeps these hashes apart from others that the same secret may be used for.
_PURPOSE = b"maeum sender id\0"

# The sender id of whoever is being answered in this task; the logs put its pseudonym in its place.
speaker: ContextVar[str | None] = ContextVar("speaker", default=None)


class Pseudonym(str):
    """A sender id that is hashed already. Nothing from outside can be of this class."""

    __slots__ = ()


def pseudonym(sender_id: str) -> Pseudonym:
    """HMAC-SHA-256 of the sender id under the key, as 64 hexadecimal digits.

    Raises:
        ValueError: the key is too short, or can't be read or made; the message says which and what to do.
    """
    if isinstance(sender_id, Pseudonym):
        return sender_id
    return Pseudonym(hmac.new(_key(), _PURPOSE + sender_id.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest())


@functools.cache
def _key() -> bytes:
    secret = os.environ.get("MAEUM_SECRET", "")
    if secret:
        if len(secret) < _MIN_SECRET:
            raise ValueError(f"MAEUM_SECRET is too short: give it {_MIN_SECRET} characters or more.")
        return secret.encode("utf-8", "surrogateescape")
    file = Path(os.environ.get("MAEUM_SECRET_FILE") or KEY_FILE)
    try:
        if not file.exists():
            _make(file)
        key = file.read_bytes().strip()
    except OSError as error:
        raise ValueError(f"{file}: the key can't be kept there ({error.strerror}); set MAEUM_SECRET instead.") from error
    if len(key) < _MIN_SECRET:
        raise ValueError(f"{file}: this is no key; restore it, or remove it for a new one, which loses the conversations.")
    return key


def _make(file: Path) -> None:
    """Writes a new key, readable by this user alone. Of processes that start together, one wins and all read its key."""
    handle, name = tempfile.mkstemp(dir=file.parent)  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="ascii") as stream:
            stream.write(secrets.token_hex(32))
        os.link(name, file)
    except FileExistsError:
        pass
    finally:
        Path(name).unlink()
