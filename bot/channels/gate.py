"""What every message of every channel passes before Rasa handles it: limits, one turn at a time, and an answer in any case."""

from __future__ import annotations

import asyncio
import logging
import os
import traceback
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import yaml
from rasa.core.agent import Agent
from rasa.core.channels.channel import CollectingOutputChannel, OutputChannel, UserMessage
from rasa.core.processor import MessageProcessor
from rasa.shared.core.events import BotUttered, Event
from rasa.shared.core.trackers import DialogueStateTracker

from bot.channels.limits import RateLimiter
from bot.channels.rest_payload import is_sender
from bot.safety.hotlines import CRISIS_FILE, hotlines
from components.crisis_examples import CRISIS
from components.crisis_policy import UNHEARD, UNSENT
from components.message_text import printable

logger = logging.getLogger(__name__)

# Whose request is being handled, where one address is one person or a few; None for a messaging platform's.
client_address: ContextVar[str | None] = ContextVar("client_address", default=None)

_REFUSALS = Path(__file__).with_name("refusals.yml")
# A turn that hangs must not keep the conversation's later messages waiting. Sanic ends a request after 60 s.
_TURN_SECONDS = 45
# A messenger that hangs must leave the turn time to be saved.
_SEND_SECONDS = 20
# How long a server that stops waits for the turns under way.
_FINISH_SECONDS = 10
# Conversations that are remembered, the latest ones, because what was last said in them isn't in their tracker.
_MOST_UNHEARD = 10_000
# So many parts of a message that is too long are read from its beginning, and as many from its end.
_PARTS = 8
# What went wrong in sending the answers of the turn that is being handled; None outside of one.
_errors: ContextVar[list[Exception] | None] = ContextVar("errors", default=None)

Messages = list[dict[str, Any]]
Handler = Callable[[Agent, UserMessage], Awaitable[Messages | None]]


@dataclass(frozen=True)
class Limits:
    """What one person may send. A limit of 0 is none."""

    message_length: int = 1000  # characters; longer ones are read for a crisis and otherwise asked for in parts
    messages_per_minute: int = 20  # of one conversation
    messages_per_minute_and_address: int = 120  # a family, a class or an office share an address

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Limits:
        """Reads MAEUM_MESSAGE_LENGTH, MAEUM_MESSAGES_PER_MINUTE and MAEUM_MESSAGES_PER_MINUTE_AND_ADDRESS.

        Raises:
            ValueError: one is not a whole number; the message names it.
        """
        values = {}
        for name in cls.__dataclass_fields__:
            variable = f"MAEUM_{name.upper()}"
            value = environment.get(variable)
            if value is None:
                continue
            if not (value.isascii() and value.isdigit()):
                raise ValueError(f"{variable} must be a whole number, 0 for no limit, and it is {value!r}.")
            values[name] = int(value)
        return cls(**values)


class Gate:
    """Refuses what is too much, kindly and in the channel's own form, because the channel's own output says it.

    A message about a crisis is never refused: what exceeds a limit is read before it is, though of a very long one only the
    beginning and the end, and every refusal names the hotlines.
    Reading costs time, so that it has a limit of the same size, on which each part of a long message counts; a flood beyond
    both gets the hotlines alone.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._per_sender = RateLimiter(limits.messages_per_minute)
        self._per_address = RateLimiter(limits.messages_per_minute_and_address)
        self._readings = RateLimiter(limits.messages_per_minute)
        self._readings_per_address = RateLimiter(limits.messages_per_minute_and_address)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._running: set[asyncio.Task[Messages | None]] = set()
        self._unheard: OrderedDict[str, bool] = OrderedDict()

    async def handle(self, agent: Agent, message: UserMessage, handler: Handler) -> Messages | None:
        """Lets `handler` handle the message or answers it here; never raises but when cancelled.

        The turn goes on even then: Sanic cancels whoever waits for it when the sender hangs up.
        """
        turn = asyncio.ensure_future(self._turn(agent, message, handler))
        self._running.add(turn)
        turn.add_done_callback(self._running.discard)
        try:
            return await asyncio.shield(turn)
        except asyncio.CancelledError:  # perhaps nobody reads the answer
            turn.add_done_callback(lambda _: self._remember_unheard(message.sender_id))
            raise

    async def finish(self) -> None:
        """Waits for the turns under way, as a server that stops does."""
        if self._running:
            await asyncio.wait(self._running, timeout=_FINISH_SECONDS)

    async def _turn(self, agent: Agent, message: UserMessage, handler: Handler) -> Messages | None:
        try:
            refusal, to_read = self._refusal(agent, message)
            if refusal is None or to_read:
                # Rasa's own lock is tried once a second; who sends two messages running would wait for it.
                lock = self._turns.setdefault(message.sender_id, asyncio.Lock())
                is_early = lock.locked()  # the message before isn't answered yet
                async with lock:
                    crisis = await _crisis_among(to_read, agent)
                    if crisis or refusal is None:
                        message.text = crisis or message.text
                        if self._unheard.pop(message.sender_id, False) or is_early:
                            message.metadata = {**(message.metadata or {}), UNHEARD: True}
                        return await asyncio.wait_for(handler(agent, message), _TURN_SECONDS)
        except Exception as error:
            logger.error(f"A message got no answer: {_what_and_where(error)}")
            refusal = "failed"
        self._remember_unheard(message.sender_id)
        return await _say(message, refusal)

    def _remember_unheard(self, sender_id: str) -> None:
        """The conversation's next message won't be about the bot's last reply, because something else was said since."""
        if is_sender(sender_id):
            self._unheard[sender_id] = True
            self._unheard.move_to_end(sender_id)
            if len(self._unheard) > _MOST_UNHEARD:
                self._unheard.popitem(last=False)

    def _refusal(self, agent: Agent, message: UserMessage) -> tuple[str | None, list[str]]:
        """Why the message isn't handled, as a key of refusals.yml, or None; and what of it is to be read for a crisis then."""
        if not agent.is_ready():
            raise RuntimeError("no model is loaded")
        if not is_sender(message.sender_id):
            raise ValueError("the conversation's id is too long or not a line of text")
        message.text = printable(message.text or "").strip()
        if not message.text:
            return "blank", []
        conversation, address = (message.input_channel, message.sender_id), client_address.get()
        too_fast = not self._per_sender.allows(conversation) or (address and not self._per_address.allows(address))
        length = self._limits.message_length
        too_long = 0 < length < len(message.text)
        if not too_fast and not too_long:
            return None, []
        parts = _parts(message.text, length) if too_long else [message.text]
        to_read = [part for part in parts if self._may_be_read(conversation, address)]
        return "too_fast" if too_fast else "too_long", to_read

    def _may_be_read(self, conversation: tuple[str | None, str], address: str | None) -> bool:
        return self._readings.allows(conversation) and (not address or self._readings_per_address.allows(address))


def is_crisis(parse_data: Mapping[str, Any]) -> bool:
    """Whether the pipeline takes a message for one about a crisis: the `crisis` intent, or a category with a fixed reply."""
    intent = parse_data["intent"]["name"]
    selected = parse_data.get("response_selector", {}).get(intent, {}).get("response", {})
    return intent == CRISIS or selected.get("intent_response_key") in _crisis_intents()


def install(gate: Gate) -> None:
    """Puts the gate where the messages of all connectors meet, and `_send` where what the bot says leaves Rasa.

    Rasa has no setting for either. Tests hold it to both.
    """

    async def handle_message(agent: Agent, message: UserMessage) -> Messages | None:
        return await gate.handle(agent, message, _handle)

    Agent.handle_message = handle_message
    MessageProcessor._send_bot_messages = staticmethod(_send)


_handle_message: Handler = Agent.handle_message
_send_bot_messages = MessageProcessor._send_bot_messages


async def _handle(agent: Agent, message: UserMessage) -> Messages | None:
    """Has Rasa handle the message, and raises what went wrong in sending the answers only when the turn is saved.

    Saving calls a human in, and has the next message read as one that follows on a crisis, answered or not.
    """
    errors: list[Exception] = []
    _errors.set(errors)
    messages = await _handle_message(agent, message)
    if errors:
        raise errors[0]
    return messages


async def _send(events: list[Event], tracker: DialogueStateTracker, channel: OutputChannel) -> None:
    """Sends what an action says, as Rasa does; after a failure nothing more in this turn."""
    errors = _errors.get()
    if errors is None:
        return await _send_bot_messages(events, tracker, channel)
    if not errors:
        try:
            return await asyncio.wait_for(_send_bot_messages(events, tracker, channel), _SEND_SECONDS)
        except Exception as error:  # of any messaging platform's client
            errors.append(error)
    for event in events:
        if isinstance(event, BotUttered):
            event.metadata[UNSENT] = True


async def _say(message: UserMessage, refusal: str) -> Messages | None:
    """Says the text of refusals.yml; like Rasa returns what a collecting channel has collected."""
    channel = message.output_channel
    try:
        await channel.send_text_message(message.sender_id, refusals()[refusal])
    except Exception as error:  # of any messaging platform's client
        logger.error(f"A refusal could not be sent: {_what_and_where(error)}")
    return channel.messages if isinstance(channel, CollectingOutputChannel) else None


def _what_and_where(error: Exception) -> str:
    """The error for the log: without its own words, in which databases and others repeat what a person wrote."""
    *_, last = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} in {last.name}, {last.filename}:{last.lineno}"


async def _crisis_among(parts: list[str], agent: Agent) -> str | None:
    """The first part that the pipeline takes for one about a crisis. Others talk on between two of them."""
    for part in parts:
        if is_crisis(await agent.parse_message(part)):
            return part
        await asyncio.sleep(0)
    return None


def _parts(text: str, length: int) -> list[str]:
    """The text's beginning and end in parts of `length` characters.

    They overlap by half, so that no phrase is cut in all of them. Beginning and end take turns, should not all be read.
    """
    half = length // 2
    starts = range(0, len(text) - half, max(1, half))
    chosen = [*starts[:_PARTS], *starts[_PARTS:][-_PARTS:]]
    by_turns = [start for pair in zip(chosen, reversed(chosen)) for start in pair][: len(chosen)]
    return [text[start : start + length] for start in by_turns]


@lru_cache(maxsize=1)
def refusals() -> dict[str, str]:
    """The texts of refusals.yml with the hotlines' numbers in their places."""
    numbers = {line.key: str(line) for line in hotlines()}
    texts: dict[str, str] = yaml.safe_load(_REFUSALS.read_text(encoding="utf-8"))
    return {name: text.format(**numbers) for name, text in texts.items()}


@lru_cache(maxsize=1)
def _crisis_intents() -> frozenset[str]:
    categories = yaml.safe_load(CRISIS_FILE.read_text(encoding="utf-8"))["replies"]
    return frozenset(f"wellness/{category.replace('/', '.')}" for category in categories)
