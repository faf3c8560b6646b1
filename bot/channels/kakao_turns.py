"""Who gets which answer when: turns of many people at once, within the few seconds that KakaoTalk waits for each.

Each person's turns run one after another. What the bot says waits in the person's `said` until an answer takes it along: that
of the same request where it was in time, else the callback's, else that of the person's next request.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rasa.core.channels.channel import CollectingOutputChannel, UserMessage

from bot.channels.kakao_answer import Reply, answer, reply, sentence_reply, wording
from bot.channels.kakao_callback import CallbackSender, may_be_called
from bot.channels.kakao_models import SkillAnswer, UserRequest
from bot.channels.kakao_settings import KakaoSettings
from components.crisis_policy import UNHEARD

logger = logging.getLogger(__name__)

CHANNEL = "kakao"
# People whose place is kept at least, the latest ones; whoever is owed something keeps it anyway.
_MOST_PEOPLE = 10_000
# A request that came again so soon after its answer is KakaoTalk's repetition, not the person's.
_REPEAT_SECONDS = 3.0
# The same where the answer was that it takes longer: then the answer of that turn is wanted.
_HELD_SECONDS = 10.0
# Rounds of the event loop from one turn's start to the next one's.
_ROUNDS = 4
# A turn that takes longer is given up, so that the person's next one can begin.
_TURN_SECONDS = 60.0
# A callback address is good for a minute from the request and belongs to one request.
_CALLBACK_SECONDS = 55.0


class KakaoOutputChannel(CollectingOutputChannel):
    """Gathers a turn's messages; its name lets the domain have variations for KakaoTalk."""

    @classmethod
    def name(cls) -> str:
        return CHANNEL

    async def send_elements(self, recipient_id: str, elements: Any, **kwargs: Any) -> None:
        await self._persist_message({"recipient_id": recipient_id, "elements": list(elements)})


@dataclass
class Turn:
    """What the bot does about one message, `number` of the person's."""

    number: int
    task: asyncio.Task[None] = field(init=False)


@dataclass
class Delivery:
    """A request, which may arrive more than once.

    Attributes:
        turn: what the bot does about it.
        exchange: makes its answer.
        waiting: how many connections wait for that.
        is_held: whether the answer was that it takes longer.
        forgotten_at: when the same request would be another one, by the loop's clock; None until it is answered.
    """

    turn: Turn
    exchange: asyncio.Task[SkillAnswer] = field(init=False)
    waiting: int = 0
    is_held: bool = False
    forgotten_at: float | None = None


class Said(NamedTuple):
    """A reply and the number of the turn it is from."""

    number: int
    reply: Reply


@dataclass
class Person:
    """One person's place.

    Attributes:
        order: held by the turn that runs.
        said: what the bot said and no answer has taken along yet, in order.
        given: the last answer that did.
        was_not_read: whether they were told since that what they sent can't be read.
    """

    order: asyncio.Lock = field(default_factory=asyncio.Lock)
    said: list[Said] = field(default_factory=list)
    given: SkillAnswer | None = None
    was_not_read: bool = False
    deliveries: dict[str, Delivery] = field(default_factory=dict)
    last_turn: Turn | None = None

    @property
    def is_owed_something(self) -> bool:
        return bool(self.said) or (self.last_turn is not None and not self.last_turn.task.done())

    def take(self, turn: Turn) -> tuple[SkillAnswer, list[Said], list[Said]]:
        """An answer of what was said up to this turn's end, what it was made of, and what of that found no place and stays.

        Where the turn isn't over, the answer says that more is to come. Where another answer has taken everything along, it is
        repeated.
        """
        taken = [said for said in self.said if said.number <= turn.number]
        is_late = not turn.task.done()
        if not taken and not is_late and self.given:
            return self.given, [], []
        replies = [said.reply for said in taken]
        if is_late or not taken:
            replies.append(sentence_reply(wording().holding, wording().fetch))
        self.given, rest = answer(replies)
        left = [Said(turn.number, rest)] if rest else []
        self.said = left + [said for said in self.said if said.number > turn.number]
        return self.given, taken, left


class KakaoTurns:
    """The turns of all people. Its methods belong to one event loop."""

    def __init__(self, settings: KakaoSettings, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> None:
        self._settings = settings
        self._on_new_message = on_new_message
        self._people: OrderedDict[str, Person] = OrderedDict()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._start = asyncio.Lock()
        self._sender = CallbackSender()

    async def answer(self, request: UserRequest, key: str) -> SkillAnswer:
        """The answer to a request, in time for KakaoTalk. Requests with the same `key` are one that came again."""
        person = self._person(request.user.id)
        delivery = self._delivery(person, request, key)
        delivery.waiting += 1
        try:
            return await asyncio.shield(delivery.exchange)
        finally:
            delivery.waiting -= 1

    def could_not_read(self, name: str) -> None:
        """The person is told so; what they write next isn't about anything the bot said before."""
        self._person(name).was_not_read = True

    async def finish(self, seconds: float) -> None:
        """Waits for the turns under way and their callbacks, as a server that stops does."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        await self._sender.close()

    def _person(self, name: str) -> Person:
        person = self._people.setdefault(name, Person())
        self._people.move_to_end(name)
        if len(self._people) > _MOST_PEOPLE:
            for other in list(self._people)[: len(self._people) - _MOST_PEOPLE]:
                if not self._people[other].is_owed_something:
                    del self._people[other]
        return person

    def _delivery(self, person: Person, request: UserRequest, key: str) -> Delivery:
        now = asyncio.get_running_loop().time()
        for old in [old for old, one in person.deliveries.items() if one.forgotten_at is not None and one.forgotten_at <= now]:
            del person.deliveries[old]
        utterance = request.utterance.strip()
        fetched = person.last_turn if utterance == wording().fetch.message_text else None
        known = person.deliveries.get(key)
        if known and not (known.exchange.done() and (known.is_held or fetched)):
            return known
        if fetched:
            turn = fetched
        elif known:
            turn = known.turn
        else:
            turn = Turn(person.last_turn.number + 1 if person.last_turn else 0)
            is_unheard = person.is_owed_something or person.was_not_read
            person.was_not_read = False
            turn.task = self._task(self._turn(person, turn.number, request.user.id, utterance, is_unheard))
            person.last_turn = turn
        delivery = person.deliveries[key] = Delivery(turn)
        callback = None if known else self._callback(request)
        delivery.exchange = self._task(self._exchange(person, delivery, callback, now))
        return delivery

    def _callback(self, request: UserRequest) -> str | None:
        url = request.callback_url
        if url and not may_be_called(url, self._settings.callback_hosts, self._settings.insecure_callbacks):
            logger.warning("A request's callbackUrl is not on a host of `callback_hosts` by https; it is not used.")
            return None
        return url or None

    async def _turn(self, person: Person, number: int, name: str, utterance: str, is_unheard: bool) -> None:
        """Has the bot answer and keeps what it said for the person. Never raises."""
        async with person.order:
            # Rasa classifies a message without letting go of the event loop. One start in so many rounds keeps a rush from
            # stopping the clocks of those who wait, whose answer takes some rounds from the clock to the connection.
            async with self._start:
                for _ in range(_ROUNDS):
                    await asyncio.sleep(0)
            channel = KakaoOutputChannel()
            said = Reply()
            metadata = {UNHEARD: True} if is_unheard else None
            message = UserMessage(utterance, channel, name, input_channel=CHANNEL, metadata=metadata)
            try:
                await asyncio.wait_for(self._on_new_message(message), _TURN_SECONDS)
            except Exception as error:
                logger.error(f"A KakaoTalk turn failed: {without_words(error)}")
            try:
                said = reply(channel.messages)
            except Exception as error:
                logger.error(f"What the bot said does not fit KakaoTalk: {without_words(error)}")
            person.said.append(Said(number, said if said.outputs else sentence_reply(wording().failed)))

    async def _exchange(self, person: Person, delivery: Delivery, callback: str | None, received: float) -> SkillAnswer:
        """What is there of the answer when it must be given."""
        loop = asyncio.get_running_loop()
        settings = self._settings
        patience = settings.callback_after_seconds if callback else settings.answer_within_seconds
        await asyncio.wait({delivery.turn.task}, timeout=received + patience - loop.time())
        is_late = not delivery.turn.task.done()
        if callback:
            delivery.forgotten_at = received + _CALLBACK_SECONDS
            if is_late:
                self._task(self._call_back(person, delivery.turn, callback, received))
                return SkillAnswer(use_callback=True, data={"text": wording().waiting})
        else:
            delivery.forgotten_at = loop.time() + (_HELD_SECONDS if is_late else _REPEAT_SECONDS)
        # Where the connection is gone nobody takes the answer along, and the same request may come again for it.
        delivery.is_held = is_late or not delivery.waiting
        if not delivery.waiting:
            return SkillAnswer()
        said, _, _ = person.take(delivery.turn)
        return said

    async def _call_back(self, person: Person, turn: Turn, url: str, received: float) -> None:
        """Gives the answer at the callback address, and keeps it for the person's next request if it isn't taken there."""
        loop = asyncio.get_running_loop()
        await asyncio.wait({turn.task}, timeout=received + _CALLBACK_SECONDS - loop.time())
        said, taken, left = person.take(turn)
        try:
            is_taken = await self._sender.send(url, said.payload(), received + _CALLBACK_SECONDS - loop.time())
        except Exception as error:
            logger.error(f"A callback failed: {without_words(error)}")
            is_taken = False
        if not is_taken:
            person.said = taken + [one for one in person.said if one not in left]

    def _task(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """A task that the loop alone would not keep alive."""
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def without_words(error: Exception) -> str:
    """The error's kind and where it happened; its message might quote what a person wrote."""
    return f"{type(error).__name__}\n{''.join(traceback.format_tb(error.__traceback__))}"
