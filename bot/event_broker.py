"""An event broker's last gate: what is published names nobody and holds no personal data."""

from __future__ import annotations

import logging
from typing import Any

from rasa.core.brokers.broker import EventBroker

from bot.safety.personal_data import mask_all
from bot.safety.pseudonym import Pseudonym, pseudonym

# What a channel fills in an event, at any depth. `value` is a slot's: one holds the metadata of a session's first message.
_FROM_CHANNELS = ("metadata", "value")

logger = logging.getLogger(__name__)


class PrivateEventBroker(EventBroker):
    """Any other broker, behind masking. Its failures are logged and never lose a turn."""

    def __init__(self, broker: EventBroker) -> None:
        self._broker = broker

    def publish(self, event: dict[str, Any], **kwargs: Any) -> None:
        """Publishes the event with its `sender_id` hashed and every text in it masked."""
        try:
            self._broker.publish(private_event(event, str(event.get("sender_id") or "")), **kwargs)
        except Exception as error:
            logger.error(f"An event was not published ({type(error).__name__}): see that the event broker can be reached.")

    def is_ready(self) -> bool:
        return self._broker.is_ready()

    async def close(self) -> None:
        await self._broker.close()


def private_event(event: dict[str, Any], sender_id: str) -> dict[str, Any]:
    """The event, as Rasa's `Event.as_dict` gives it, masked; the sender id is hashed, in a channel's metadata too."""
    if isinstance(event.get("sender_id"), Pseudonym):
        return event
    named = _rename(event, sender_id, pseudonym(sender_id), False)
    return mask_all({**named, "sender_id": pseudonym(sender_id)} if "sender_id" in event else named)


def _rename(value: Any, sender_id: str, name: str, is_channels: bool) -> Any:
    """The value with the name in the sender id's place, where a channel gave it: a bot's own words may be the same."""
    if isinstance(value, dict):
        return {key: _rename(item, sender_id, name, is_channels or key in _FROM_CHANNELS) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rename(item, sender_id, name, is_channels) for item in value]
    return name if is_channels and sender_id and str(value) == sender_id else value
