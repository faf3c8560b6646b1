"""Locks for several servers that share conversations: Rasa's Redis locks, without the sender ids."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

from rasa.core.lock import TicketLock
from rasa.core.lock_store import RedisLockStore
from rasa.utils.endpoints import EndpointConfig

from bot.safety.pseudonym import pseudonym


class PrivateRedisLockStore(RedisLockStore):
    """Keeps each lock under its conversation's hashed sender id. Rasa's default lock store writes nothing down.

    Named in `endpoints.yml`: `lock_store: {type: bot.lock_store.PrivateRedisLockStore, url: localhost, …}`. The
    servers must have the same MAEUM_SECRET.
    """

    def __init__(self, endpoint_config: EndpointConfig) -> None:
        super().__init__(host=endpoint_config.url, **endpoint_config.kwargs)

    def lock(self, conversation_id: str, *args: Any, **kwargs: Any) -> AbstractAsyncContextManager[TicketLock]:
        return super().lock(pseudonym(conversation_id), *args, **kwargs)
