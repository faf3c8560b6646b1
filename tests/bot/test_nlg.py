from __future__ import annotations

import asyncio
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import BotUttered, Event, SessionStarted, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.utils.endpoints import EndpointConfig

from bot.nlg import CarefulResponseGenerator

DOMAIN = Domain.from_yaml(
    """
responses:
  utter_wellness/감정.화:
  - text: 화가 많이 나셨군요.
  - text: 속에서 불이 나는 날이네요.
  utter_greet:
  - text: 안녕하세요.
  utter_notice:
  - text: 저는 의사가 아니에요.
  utter_crisis_notice:
  - text: 저는 대화 봇이에요.
  utter_crisis_acted:
  - text: 하나
    buttons:
    - title: 네
      payload: 네
  - text: 둘
  - text: 셋
  utter_crisis_unclear:
  - text: 누구든
  utter_generated_reply:
  - text: "{reply}"
  utter_by_channel:
  - text: 어디서나
  - text: 카카오에서
    channel: kakao
"""
)


def say(said: list[Event], utter_action: str, channel: str = "rest", **values: str) -> str:
    tracker = DialogueStateTracker.from_events("someone", [SessionStarted(), UserUttered("…"), *said])
    generator = CarefulResponseGenerator(EndpointConfig(), DOMAIN)
    response = asyncio.run(generator.generate(utter_action, tracker, channel, **values))
    assert response is not None
    return str(response["text"])


def uttered(text: str, utter_action: str) -> BotUttered:
    return BotUttered(text, metadata={"utter_action": utter_action})


def test_the_same_answer_is_never_given_twice_running() -> None:
    said: list[Event] = [uttered("안녕하세요.\n\n저는 의사가 아니에요.", "utter_greet")]
    for _ in range(30):
        said.append(uttered(say(said, "utter_wellness/감정.화"), "utter_wellness/감정.화"))
    texts = [event.text for event in said if isinstance(event, BotUttered)]
    assert all(first != second for first, second in pairwise(texts))


def test_nor_when_something_else_was_said_between() -> None:
    for text, other in (
        ("화가 많이 나셨군요.", "속에서 불이 나는 날이네요."),
        ("속에서 불이 나는 날이네요.", "화가 많이 나셨군요."),
    ):
        said = [uttered(text, "utter_wellness/감정.화"), uttered("안녕하세요.", "utter_greet")]
        assert {say([*said], "utter_wellness/감정.화") for _ in range(20)} == {other}


def test_an_answer_with_the_notice_counts_as_given() -> None:
    said = [uttered("화가 많이 나셨군요.\n\n저는 의사가 아니에요.", "utter_wellness/감정.화")]
    assert {say([*said], "utter_wellness/감정.화") for _ in range(20)} == {"속에서 불이 나는 날이네요."}


def test_the_first_answer_ends_with_the_notice_whatever_it_is() -> None:
    for action in ("utter_greet", "utter_wellness/감정.화", "utter_by_channel"):
        assert say([], action).endswith("\n\n저는 의사가 아니에요.")
    assert say([], "utter_generated_reply", reply="그랬군요.") == "그랬군요.\n\n저는 의사가 아니에요."


def test_a_crisis_reply_comes_with_a_short_notice_in_its_place() -> None:
    text = say([], "utter_crisis_acted")
    assert text.partition("\n\n")[::2] in {(reply, "저는 대화 봇이에요.") for reply in ("하나", "둘", "셋")}
    assert say([uttered(text, "utter_crisis_acted")], "utter_greet") == "안녕하세요."


def test_no_text_comes_twice_in_a_session_while_one_is_left() -> None:
    said: list[Event] = [uttered("안녕하세요.", "utter_greet")]
    for _ in range(3):
        said += [uttered(say(said, "utter_crisis_acted"), "utter_crisis_acted"), uttered("누구든", "utter_crisis_unclear")]
    assert {event.text for event in said if isinstance(event, BotUttered)} == {"안녕하세요.", "하나", "둘", "셋", "누구든"}


def test_the_notice_comes_once_a_session() -> None:
    said: list[Event] = [uttered("안녕하세요.\n\n저는 의사가 아니에요.", "utter_greet")]
    assert say(said, "utter_greet") == "안녕하세요."
    assert say([*said, SessionStarted(), UserUttered("…")], "utter_greet").endswith("저는 의사가 아니에요.")


def test_a_response_with_one_text_may_repeat_it() -> None:
    assert say([uttered("안녕하세요.", "utter_greet")], "utter_greet") == "안녕하세요."


def test_a_channel_gets_its_own_variation() -> None:
    said: list[Event] = [uttered("안녕하세요.", "utter_greet")]
    assert say(said, "utter_by_channel", channel="kakao") == "카카오에서"
    assert say(said, "utter_by_channel", channel="rest") == "어디서나"


@given(st.one_of(st.text(), st.sampled_from(["{sender_id} {reply}", "0[", "{0[reply]}", "{{}}", "{", "}", "%s", "\\1"])))
def test_what_a_person_typed_is_never_a_template(text: str) -> None:
    assert say([uttered("안녕하세요.", "utter_greet")], "utter_generated_reply", reply=text) == text


def test_an_unknown_response_is_none() -> None:
    tracker = DialogueStateTracker.from_events("someone", [])
    assert asyncio.run(CarefulResponseGenerator(EndpointConfig(), DOMAIN).generate("utter_nothing", tracker, "rest")) is None
