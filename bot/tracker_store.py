"""Where conversations are kept: Rasa's SQL tracker store, without names and personal data, and with a way to delete."""

from __future__ import annotations

import json
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from rasa.core.brokers.broker import EventBroker
from rasa.core.tracker_store import SQLTrackerStore
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import UserUttered
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.exceptions import RasaException
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.orm import Session

from bot import private_logs
from bot.event_broker import PrivateEventBroker, private_event
from bot.safety.pseudonym import Pseudonym, pseudonym, speaker

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

# endpoints.yml names this module, so every server that answers people loads it before a message can come.
private_logs.install()

DEFAULT_RETENTION_DAYS = 30
# A database that hangs must not hold a reply up for longer than this, in seconds; then it is left alone for a while.
_CONNECT_TIMEOUT, _STATEMENT_TIMEOUT, _PAUSE = 3, 5, 10
# So many conversations are kept in memory while the database is away.
_MAX_UNSAVED = 1000
_ERASED = "conversation_erased"


class StoreUnreachableError(Exception):
    """The database can't be reached; the log says why."""


@dataclass(frozen=True)
class Kept:
    """What is kept of a person: since when (seconds since 1970), how many messages, and the last of them as stored."""

    since: float
    messages: int
    latest: list[str]


@dataclass
class _Unsaved:
    """A conversation's events, those from `first` on not in the database yet."""

    events: list[dict[str, Any]]
    first: int


class PrivateTrackerStore(SQLTrackerStore):
    """Keeps masked texts under hashed sender ids, in SQLite or PostgreSQL; goes on in memory while the database is away.

    Named in `endpoints.yml`, with the options of Rasa's SQL tracker store and `retention_days`, which `bot.retention` enforces.
    The trackers it hands out bear the real sender id, which is where replies go.
    """

    def __init__(
        self,
        domain: Domain | None = None,
        host: str | None = None,
        event_broker: EventBroker | None = None,
        dialect: str = "sqlite",
        db: str = "conversations.db",
        query: dict[str, str] | None = None,
        retention_days: float = DEFAULT_RETENTION_DAYS,
        **options: Any,
    ) -> None:
        """
        Raises:
            RasaException: `retention_days` isn't positive, or there is no key to hash with.
        """
        if not isinstance(retention_days, (int, float)) or isinstance(retention_days, bool) or retention_days <= 0:
            raise RasaException(f"endpoints.yml: retention_days is {retention_days!r}; it must be a number of days above 0.")
        try:
            pseudonym("")
        except ValueError as error:
            raise RasaException(str(error)) from error
        if dialect.startswith("postgresql"):
            query = {"connect_timeout": str(_CONNECT_TIMEOUT), **(query or {})}
        elif host is None and db != ":memory:" and not Path(db).exists() and Path(db).absolute().parent.is_dir():
            Path(db).touch(mode=0o600)
        broker = PrivateEventBroker(event_broker) if event_broker else None
        super().__init__(domain, dialect, host, db=db, query=query, event_broker=broker, **options)
        sa.event.listen(self.engine, "connect", _prepare)
        self.engine.dispose()  # the connections made before
        self.retention_days = retention_days
        self._unsaved: OrderedDict[str, _Unsaved] = OrderedDict()
        self._erased: set[str] = set()
        self._retry_at = 0.0
        self._tables_exist = False
        global _serving
        _serving = self

    async def keys(self) -> Iterable[str]:
        """The hashed sender ids, which this store takes for what they are."""
        return [Pseudonym(key) for key in await super().keys()]

    async def _retrieve(self, sender_id: str, fetch_events_from_all_sessions: bool) -> DialogueStateTracker | None:
        if not isinstance(sender_id, Pseudonym):
            speaker.set(sender_id)
        name = pseudonym(sender_id)
        self._erased.discard(name)  # left by a turn that never came to its end
        self._save_the_unsaved()
        if name in self._unsaved:
            events = self._unsaved[name].events
        else:
            try:
                events = self._attempt(lambda session: self._read(session, name, fetch_events_from_all_sessions))
            except StoreUnreachableError:
                events = []
        if not events:
            return None
        tracker = DialogueStateTracker.from_dict(sender_id, events, self.domain.slots)
        tracker.saved_events = len(events)
        return tracker

    def _read(self, session: Session, name: str, all_sessions: bool) -> list[dict[str, Any]]:
        return [json.loads(row.data) for row in self._event_query(session, name, fetch_events_from_all_sessions=all_sessions)]

    async def save(self, tracker: DialogueStateTracker) -> None:
        """Keeps and publishes the tracker's new events, masked. In a turn that erased the conversation, keeps nothing."""
        name = pseudonym(tracker.sender_id)
        if name in self._erased:
            self._erased.discard(name)
            if self.event_broker:
                self.event_broker.publish({"sender_id": name, "event": _ERASED, "timestamp": time.time()})
            return
        self._save_the_unsaved()
        saved = getattr(tracker, "saved_events", None)
        try:
            if saved is None:  # a tracker of whoever made it, such as one posted to Rasa's HTTP API
                saved = self._attempt(lambda session: len(self._read(session, name, False)))
            new = [private_event(event.as_dict(), tracker.sender_id) for event in islice(tracker.events, saved, None)]
            if name in self._unsaved:
                raise StoreUnreachableError
            self._attempt(lambda session: self._write(session, name, new))
        except StoreUnreachableError:
            saved = saved or 0
            new = [private_event(event.as_dict(), tracker.sender_id) for event in islice(tracker.events, saved, None)]
            self._remember(name, tracker, saved)
        tracker.saved_events = len(tracker.events)
        if self.event_broker:
            for event in new:
                self.event_broker.publish({**event, "sender_id": name})

    def _write(self, session: Session, name: str, events: list[dict[str, Any]]) -> None:
        for event in events:
            intent = ((event.get("parse_data") or {}).get("intent") or {}).get("name")
            action = event.get("name")
            session.add(
                self.SQLEvent(
                    sender_id=name,
                    type_name=event["event"],
                    timestamp=event.get("timestamp"),
                    intent_name=intent and intent[:255],
                    action_name=action and action[:255],
                    data=json.dumps(event),
                )
            )

    def _remember(self, name: str, tracker: DialogueStateTracker, saved: int) -> None:
        """Keeps the conversation in memory until the database is back."""
        first = self._unsaved[name].first if name in self._unsaved else saved
        events = [private_event(event.as_dict(), tracker.sender_id) for event in tracker.events]
        self._unsaved[name] = _Unsaved(events, first)
        self._unsaved.move_to_end(name)
        if len(self._unsaved) > _MAX_UNSAVED:
            self._unsaved.popitem(last=False)

    def _save_the_unsaved(self) -> None:
        while self._unsaved:
            name, unsaved = next(iter(self._unsaved.items()))
            try:
                self._attempt(lambda session: self._write(session, name, unsaved.events[unsaved.first :]))  # noqa: B023
            except StoreUnreachableError:
                return
            del self._unsaved[name]

    def kept(self, sender_id: str, latest: int = 3) -> Kept | None:
        """What is kept of the person, with the `latest` messages, the last one last; None if nothing is.

        Raises:
            StoreUnreachableError: that can't be said now.
        """
        events = self._attempt(lambda session: self._read(session, pseudonym(sender_id), True))
        if not events:
            return None
        texts = [event["text"] for event in events if event["event"] == UserUttered.type_name and event.get("text")]
        return Kept(events[0]["timestamp"], len(texts), texts[-latest:])

    def erase(self, sender_id: str) -> None:
        """Deletes the person's conversation for good; what the current turn would still save isn't saved.

        Raises:
            StoreUnreachableError: nothing was deleted.
        """
        name = pseudonym(sender_id)
        self._attempt(lambda session: self._events(session).filter_by(sender_id=name).delete())
        self._unsaved.pop(name, None)
        self._erased.add(name)
        if self.engine.dialect.name == "sqlite":
            self._execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def erase_before(self, timestamp: float) -> tuple[int, int]:
        """Deletes every event older than the time (seconds since 1970); returns how many, and of how many conversations.

        Raises:
            StoreUnreachableError: nothing was deleted.
        """

        def work(session: Session) -> tuple[int, int]:
            if self.engine.dialect.name == "postgresql":  # it reads the whole table, and nobody waits for a reply
                session.execute(sa.text("SET LOCAL statement_timeout = 0"))
            old = self._events(session).filter(self.SQLEvent.timestamp < timestamp)
            conversations = old.with_entities(self.SQLEvent.sender_id).distinct().count()
            return old.delete(), conversations

        return self._attempt(work)

    def compact(self) -> None:
        """Rewrites the database's files, so that nothing deleted is left in them. Nobody can write meanwhile.

        Raises:
            StoreUnreachableError: it wasn't done.
        """
        if self.engine.dialect.name == "postgresql":
            self._execute("SET statement_timeout = 0", f"VACUUM FULL {self.SQLEvent.__tablename__}")
        else:
            self._execute("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)")

    def _events(self, session: Session) -> Any:
        return session.query(self.SQLEvent)

    def _execute(self, *statements: str) -> None:
        """Runs statements that want no transaction around them."""

        def work(session: Session) -> None:
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                for statement in statements:
                    connection.execute(sa.text(statement))

        self._attempt(work)

    def _attempt(self, work: Callable[[Session], Result]) -> Result:
        """Does the work in a transaction, twice if a connection of the pool turns out to be dead.

        Raises:
            StoreUnreachableError: the database can't be reached, or couldn't a moment ago.
        """
        if time.monotonic() < self._retry_at:
            raise StoreUnreachableError
        for is_last in (False, True):
            try:
                if not self._tables_exist:  # Rasa goes on without if the database is away when it starts
                    self.Base.metadata.create_all(self.engine)
                    self._tables_exist = True
                with self.session_scope() as session:
                    result = work(session)
                    session.commit()
                return result
            except DBAPIError as error:
                if error.connection_invalidated and not is_last:
                    continue
                self._tables_exist = False
                if isinstance(error, (OperationalError, InterfaceError)) or error.connection_invalidated:
                    self._retry_at = time.monotonic() + _PAUSE
                # Not the whole error: it quotes the statement with its values.
                reason = " ".join(str(error.orig).split())
                logger.error(
                    f"The conversation database failed ({type(error).__name__}: {reason}); see the tracker_store in"
                    " endpoints.yml. A bot that can't reach it answers on and keeps conversations in memory."
                )
                raise StoreUnreachableError from None
        raise AssertionError("the last attempt returns or raises")


# The store of this process, for what is not given it by Rasa.
_serving: PrivateTrackerStore | None = None


def serving_store() -> PrivateTrackerStore | None:
    """The store that conversations of this process are kept in; None if `endpoints.yml` names another kind."""
    return _serving


def _prepare(connection: Any, record: Any) -> None:
    """Readies each new connection: SQLite overwrites what it deletes, PostgreSQL gives a hanging statement up."""
    cursor = connection.cursor()
    if type(connection).__module__.startswith("sqlite3"):
        cursor.execute("PRAGMA secure_delete = ON")
    else:
        cursor.execute(f"SET statement_timeout = {_STATEMENT_TIMEOUT * 1000}")
    cursor.close()
