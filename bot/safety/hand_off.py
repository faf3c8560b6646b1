"""Calling a human in: a message to an operator's webhook for every reply that a crisis gets."""

from __future__ import annotations

import json
import logging
import os
import threading
import time
import uuid
from asyncio import AbstractEventLoop
from collections import OrderedDict
from pathlib import Path
from typing import Any

import httpx
from rasa.core.brokers.broker import EventBroker
from rasa.utils.endpoints import EndpointConfig
from tenacity import Retrying, retry_if_exception, sleep_using_event, stop_after_attempt, wait_exponential

from components.crisis_policy import METADATA

logger = logging.getLogger(__name__)

URL, TOKEN, TEXT, FOLDER = "MAEUM_HAND_OFF_URL", "MAEUM_HAND_OFF_TOKEN", "MAEUM_HAND_OFF_TEXT", "MAEUM_HAND_OFF_FOLDER"
EVENT_NAME = "crisis_hand_off"
_DEFAULT_FOLDER = ".cache/hand-off"
_TIMEOUT_SECONDS = 5
# Tries one after the other; then the event waits for the next round, which comes with the next event or after this long.
_TRIES = 3
_ROUND_SECONDS = 30.0
# The 4xx by which a webhook would take none at all now: the token is wrong, or it is busy. Another refuses one hand-off alone.
_NOT_NOW = (401, 403, 408, 429)
# Later than this a hand-off helps nobody, and what it holds shouldn't be kept.
_MAX_AGE_SECONDS = 24 * 60 * 60
# Of so many people the latest message is remembered until the reply to it is published, if messages are sent at all.
_REMEMBERED = 1000


class HandOffBroker(EventBroker):
    """An event broker that turns the replies of CrisisPolicy into hand-off events, and passes every event on.

    Named in `endpoints.yml`: `event_broker: {type: bot.safety.hand_off.HandOffBroker}`. Another broker goes under its `broker`
    key; it gets all of Rasa's events and the hand-offs. It stands behind the tracker store, so that it sees people's ids and
    messages as the store keeps them. Nothing that fails or hangs here reaches the conversation: it is logged.
    """

    def __init__(self, webhook: Webhook | None, broker: EventBroker | None = None, with_text: bool = False) -> None:
        self._webhook = webhook
        self._broker = broker
        self._texts: OrderedDict[str, str] | None = OrderedDict() if with_text else None

    @classmethod
    async def from_endpoint_config(
        cls, broker_config: EndpointConfig, event_loop: AbstractEventLoop | None = None
    ) -> HandOffBroker:
        inner = broker_config.kwargs.get("broker")
        broker = await EventBroker.create(EndpointConfig.from_dict(inner), event_loop) if inner else None
        url = os.environ.get(URL)
        if not url:
            logger.warning(f"{URL} is not set: nobody is told when a person is in a crisis. See docs/crisis.md.")
        folder = Path(os.environ.get(FOLDER) or _DEFAULT_FOLDER)
        webhook = Webhook(url, folder, os.environ.get(TOKEN)) if url else None
        return cls(webhook, broker, os.environ.get(TEXT, "").lower() in ("1", "true", "yes"))

    def publish(self, event: dict[str, Any]) -> None:
        self._pass_on(event)
        try:
            hand_off = self._hand_off(event)
        except Exception as error:
            # Not the exception itself: it may quote the person.
            logger.error(f"A crisis could not be handed off: {type(error).__name__} while reading the event.")
            return
        if hand_off is None:
            return
        self._pass_on(hand_off)
        if self._webhook:
            self._webhook.send(hand_off)

    def is_ready(self) -> bool:
        return self._broker.is_ready() if self._broker else True

    async def close(self) -> None:
        if self._webhook:
            self._webhook.close()
        if self._broker:
            await self._broker.close()

    def _pass_on(self, event: dict[str, Any]) -> None:
        if self._broker is None:
            return
        try:
            self._broker.publish(event)
        except Exception as error:
            logger.error(f"The event broker {type(self._broker).__name__} did not take an event: {type(error).__name__}.")

    def _hand_off(self, event: dict[str, Any]) -> dict[str, Any] | None:
        """What to send for one of Rasa's events, if it is a reply of the crisis protocol."""
        sender = event["sender_id"]
        if event.get("event") == "user" and self._texts is not None:
            self._texts[sender] = event.get("text") or ""
            self._texts.move_to_end(sender)
            if len(self._texts) > _REMEMBERED:
                self._texts.popitem(last=False)
        told = (event.get("metadata") or {}).get(METADATA) if event.get("event") == "action" else None
        if not told:
            return None
        hand_off = {
            "event": EVENT_NAME,
            "id": uuid.uuid4().hex,
            "sender_id": sender,
            "timestamp": event.get("timestamp") or time.time(),
            "kind": told["kind"],
            "stage": told["stage"],
            "score": told.get("score"),
        }
        if self._texts is not None:
            hand_off["text"] = self._texts.pop(sender, "")
        return hand_off


class Webhook:
    """Posts JSON to a URL from a thread of its own, at least once each, in order; one that is refused holds no other up.

    What is not delivered yet lies in `folder`, a file an event, and is tried again in rounds and after a restart, for a day.
    """

    def __init__(self, url: str, folder: Path, token: str | None = None, round_seconds: float = _ROUND_SECONDS) -> None:
        self._url = url
        self._folder = folder
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._round_seconds = round_seconds
        self._new: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = threading.Event()
        # A daemon, because a webhook that hangs must not keep the server from stopping; the files are there after it.
        self._thread = threading.Thread(target=self._run, name="hand-off", daemon=True)
        self._thread.start()

    def send(self, body: dict[str, Any]) -> None:
        """Writes the event down and returns: the server may be stopped while the thread waits for a webhook that hangs."""
        try:
            self._keep(body)
        except Exception:  # the thread meets it again, and logs it
            with self._lock:
                self._new.append(body)
        self._wake.set()

    def close(self, timeout: float = 2.0) -> None:
        """Ends the thread; what is undelivered is written down."""
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout)

    def _run(self) -> None:
        with httpx.Client(timeout=_TIMEOUT_SECONDS, headers=self._headers) as client:
            while True:
                self._wake.clear()
                left = True
                try:
                    self._keep_new()
                    left = self._deliver_kept(client)
                except OSError as error:
                    logger.error(f"Hand-offs can't be kept in {self._folder}, and are sent from memory: {error}.")
                    left = self._deliver_new(client)
                except Exception as error:
                    logger.error(f"Hand-offs could not be sent, and will be tried again: {type(error).__name__}.")
                if self._closing.is_set():
                    return
                self._wake.wait(self._round_seconds if left else None)

    def _keep_new(self) -> None:
        """Writes down what couldn't be when it came. At the start this finds out whether anything can be."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        while self._new:
            self._keep(self._new[0])
            with self._lock:
                self._new.pop(0)

    def _keep(self, body: dict[str, Any]) -> None:
        """Writes an event down, so that it is not lost from here on."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{time.time_ns():020d}-{body['id']}"
        # Only its owner may read it, and nobody sees half of it.
        part = self._folder / f"{name}.part"
        part.touch(mode=0o600)
        part.write_text(json.dumps(body, ensure_ascii=False), encoding="utf-8")
        part.rename(self._folder / f"{name}.json")

    def _deliver_new(self, client: httpx.Client) -> bool:
        """Sends what couldn't be written down; whether anything is left to be tried again."""
        for body in list(self._new):
            if self._closing.is_set():
                break
            error = self._post(client, json.dumps(body, ensure_ascii=False).encode())
            if error is None:
                with self._lock:
                    self._new.remove(body)
            elif not _is_refusal(error):
                break
        return True

    def _deliver_kept(self, client: httpx.Client) -> bool:
        """Sends what is written down; whether anything is left to be tried again."""
        for file in sorted(self._folder.glob("*.json")):
            if self._closing.is_set():
                return True
            if time.time() - file.stat().st_mtime > _MAX_AGE_SECONDS:
                logger.error(f"A hand-off could not be delivered within a day and is given up: {file.name}.")
                file.unlink()
                continue
            error = self._post(client, file.read_bytes())
            if error is None:
                file.unlink()
            elif not _is_refusal(error):
                return True
        return bool(self._new) or any(self._folder.glob("*.json"))

    def _post(self, client: httpx.Client, body: bytes) -> Exception | None:
        """Why it was not taken, at the last of several tries; None if it was. What is refused is tried once a round."""
        retrying = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, httpx.HTTPError) and not _is_refusal(error)),
            stop=stop_after_attempt(_TRIES),
            wait=wait_exponential(multiplier=0.5, max=5),
            sleep=sleep_using_event(self._closing),  # so that closing doesn't wait for it
            reraise=True,
        )
        try:
            for attempt in retrying:
                with attempt:
                    client.post(self._url, content=body, headers={"Content-Type": "application/json"}).raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            logger.error(f"The webhook of {URL} did not take a hand-off, which will be tried again: {_reason(error)}.")
            return error
        return None


def _is_refusal(error: BaseException) -> bool:
    """Whether the webhook won't have this hand-off, and may well have the next."""
    if not isinstance(error, httpx.HTTPStatusError):
        return False
    return error.response.is_client_error and error.response.status_code not in _NOT_NOW


def _reason(error: Exception) -> str:
    """What went wrong, without the URL, which may hold a secret."""
    status = f" {error.response.status_code}" if isinstance(error, httpx.HTTPStatusError) else ""
    return type(error).__name__ + status
