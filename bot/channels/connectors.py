"""What the connectors of messengers share: Rasa's are mended where they would fail people, and ours for LINE is built of it."""

from __future__ import annotations

import asyncio
import hmac
import logging
import threading
from collections import OrderedDict
from collections.abc import Coroutine, Hashable
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

import requests
from rasa.core.channels.channel import InputChannel, OutputChannel
from rasa.shared.exceptions import RasaException

logger = logging.getLogger(__name__)

# How long a platform's API may take.
SECONDS = 10.0
# In a thread that sends: set once nobody waits for it any more.
_given_up: ContextVar[threading.Event | None] = ContextVar("given_up", default=None)

Button = dict[str, Any]


class ApiSettings(InputChannel):
    """Put between SwitchedChannel and a connector of Rasa's, lets credentials.yml move the platform's API.

    `api_base` there replaces `API`, for a proxy or a stand-in.
    """

    API: str
    settings: dict[str, Any]

    @classmethod
    def from_credentials(cls, credentials: dict[str, Any] | None) -> InputChannel:
        channel = super().from_credentials(credentials)
        channel.settings = dict(credentials or {})
        return channel

    @property
    def api(self) -> str:
        return str(self.settings.get("api_base") or self.API).rstrip("/")


class SendsInThreads(OutputChannel):
    """Put before an output channel of Rasa's that waits for its platform in the event loop, keeps the other people talking."""

    async def send_response(self, recipient_id: str, message: dict[str, Any]) -> None:
        await _in_thread(super().send_response(recipient_id, message))

    async def send_text_message(self, recipient_id: str, text: str, **kwargs: Any) -> None:
        await _in_thread(super().send_text_message(recipient_id, text, **kwargs))


async def _in_thread(sending: Coroutine[Any, Any, None]) -> None:
    """Sends from a thread. Nothing can cancel it, but once this is cancelled, its ApiSession begins no other request."""
    given_up = _given_up.get() or threading.Event()  # send_response has send_text_message send from a thread within its own

    def send() -> None:
        _given_up.set(given_up)
        asyncio.run(sending)

    try:
        await asyncio.to_thread(send)
    except asyncio.CancelledError:
        given_up.set()
        raise


class ApiSession(requests.Session):
    """A session with a time limit, in which what the platform refuses is an error, and a line in the log."""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """As requests', whatever time limit it is given.

        Raises:
            RasaException: the platform can't be reached or refuses it, or nobody waits for it any more. Requests' own errors
                quote the address with the access token in it.
        """
        kwargs["timeout"] = SECONDS
        host = urlsplit(request.url or "").hostname
        given_up = _given_up.get()
        if given_up and given_up.is_set():
            raise RasaException(f"Nobody waits any more for {host} to take a message.")
        try:
            response = super().send(request, **kwargs)
        except requests.RequestException as error:
            problem = f"{host} can't be reached: {type(error).__name__}."
        else:
            if response.ok:
                return response
            problem = f"{host} refused a message with status {response.status_code}."
        logger.error(problem)
        raise RasaException(problem)


class Deliveries:
    """Answers each delivery of a platform once, in the background, because platforms repeat what isn't answered in seconds."""

    def __init__(self, capacity: int = 10_000) -> None:
        self._capacity = capacity
        self._seen: OrderedDict[Hashable, None] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    def is_new(self, key: Hashable) -> bool:
        """Whether this delivery comes for the first time, as far as the last `capacity` ones tell. It counts as seen then."""
        if key in self._seen:
            return False
        self._seen[key] = None
        if len(self._seen) > self._capacity:
            self._seen.popitem(last=False)
        return True

    def handle(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)  # the loop alone would not keep it alive
        task.add_done_callback(self._finished)

    async def finish(self) -> None:
        """Waits for what is being handled, as a server that stops does."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=SECONDS)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error:  # by its kind alone: it may quote what a person wrote
            logger.error(f"A delivery was not answered: {type(error).__name__}.")


def with_numbers(text: str, buttons: list[Button]) -> tuple[str, list[Button]]:
    """The text with the numbers and pages that buttons open, for platforms whose buttons can't, and the buttons that are left.

    A number that the text names already isn't repeated.
    """
    spoken = [button for button in buttons if not button.get("url")]
    lines = [_line(button) for button in buttons if button.get("url")]
    return "\n".join([text, *(line for line in lines if line not in text)]), spoken


def _line(button: Button) -> str:
    title, url = str(button.get("title", "")), str(button["url"])
    if not url.startswith("tel:"):
        return f"{title} {url}"
    number = url.removeprefix("tel:")
    return title if number in title.replace("-", "") else f"{title} {number}"


def are_same(given: str | None, secret: str) -> bool:
    """Whether somebody knows a secret, in a time that says nothing about it."""
    return hmac.compare_digest((given or "").encode(errors="surrogatepass"), secret.encode())
