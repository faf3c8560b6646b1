"""The body of a REST request, checked before Rasa's REST channel reads it, which answers `[]` with a 500 and 5 with silence."""

from __future__ import annotations

import json
import uuid
from typing import Any

# The tracker store's column for it has so many characters.
MAX_SENDER = 255
# Before every sender of the REST channel, where anybody chooses their own: else whoever knows somebody's number on a messenger,
# which names their conversation there, could read and delete it.
NAMESPACE = "rest:"


class PayloadError(Exception):
    """A body that can't be used; the message is a sentence for whoever sent it, `status` the HTTP status."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status


def parse_json(body: bytes) -> dict[str, Any]:
    """The JSON object that the body is.

    Raises:
        PayloadError: it is not JSON, or not an object.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise PayloadError("The body is not JSON that can be read.") from None
    if not isinstance(content, dict):
        raise PayloadError('The body must be a JSON object: {"sender": "…", "message": "…"}.')
    return content


def rest_payload(body: bytes, namespace: str = "") -> dict[str, str]:
    """What Rasa's REST channel may see of a body: `sender` and `message`, both texts.

    Who gives no sender gets one of their own, which the answer names as `recipient_id`; Rasa would put all of them into one
    conversation. Metadata and the name of another channel, which Rasa would keep, are nobody's to choose.

    Args:
        namespace: what every sender begins with, or is made to.

    Raises:
        PayloadError: the body is not JSON, or the message or the sender is missing its kind.
    """
    content = parse_json(body)
    message = content.get("message")
    if not isinstance(message, str):
        raise PayloadError('"message" must be a text.')
    return {"sender": _sender(content.get("sender"), namespace), "message": message}


def _sender(sender: object, namespace: str) -> str:
    if sender is None:
        return namespace + uuid.uuid4().hex
    name = sender.removeprefix(namespace) if isinstance(sender, str) else ""
    if not name.strip() or not is_sender(namespace + name):
        raise PayloadError(f'"sender" must be a text of 1 to {MAX_SENDER - len(namespace)} characters, in one line.')
    return namespace + name


def is_sender(sender: str) -> bool:
    """Whether this can be a conversation's id: not blank, short enough to be stored, and harmless in a log line."""
    return 0 < len(sender) <= MAX_SENDER and bool(sender.strip()) and sender.isprintable()
