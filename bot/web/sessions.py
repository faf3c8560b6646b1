"""Whose conversation a browser may go on with: session tokens that nobody can guess, choose or forge."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import secrets
from pathlib import Path

KEY_VARIABLE = "MAEUM_WEB_KEY"
KEY_FILE = Path(".cache/web.key")
_MIN_KEY_LENGTH = 32

logger = logging.getLogger(__name__)


class Sessions:
    """Issues tokens, "ID.SIGNATURE", and says which conversation one is for.

    The ID is random (128 bits) and the signature an HMAC-SHA256, so that nothing about a session has to be kept here, and who
    can read the tracker store's ids can't write as anybody.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def issue(self) -> str:
        """A token for a conversation that nobody has had yet."""
        session_id = secrets.token_hex(16)
        return f"{session_id}.{self._sign(session_id)}"

    def sender_id(self, token: object) -> str | None:
        """The conversation's id in the tracker store; None if the token, which a client sent, isn't one of ours."""
        if not isinstance(token, str) or not token.isascii():
            return None
        session_id, _, signature = token.partition(".")
        return f"web-{session_id}" if hmac.compare_digest(signature, self._sign(session_id)) else None

    def _sign(self, session_id: str) -> str:
        return hmac.new(self._key, session_id.encode(), hashlib.sha256).hexdigest()


def session_key(file: Path = KEY_FILE) -> bytes:
    """MAEUM_WEB_KEY, else the key kept in `file`, which is made when there is none.

    With another key every browser begins a new conversation, so that it has to survive a restart and be the same on all servers
    behind one address.

    Raises:
        ValueError: MAEUM_WEB_KEY is too short to be a secret.
    """
    key = os.environ.get(KEY_VARIABLE)
    if key is not None:
        if len(key) < _MIN_KEY_LENGTH:
            raise ValueError(f"{KEY_VARIABLE} must be at least {_MIN_KEY_LENGTH} characters of random text.")
        return key.encode()
    try:
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            # Written aside and linked into place, so that of two servers starting at once neither reads half a key.
            draft = file.with_name(f"{file.name}.{os.getpid()}")
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as stream:
                stream.write(secrets.token_hex(32))
            try:
                os.link(draft, file)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return file.read_bytes()
    except OSError as error:
        logger.warning(f"The web chat's conversations end with this server: {error}. Set {KEY_VARIABLE} to keep them.")
        return secrets.token_bytes(32)
