from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.rest_payload import MAX_SENDER, NAMESPACE, PayloadError, is_sender, rest_payload

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
BODIES = st.one_of(
    st.binary(max_size=200),
    JSON_VALUES.map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries({}, optional={"sender": JSON_VALUES, "message": JSON_VALUES, "metadata": JSON_VALUES}).map(
        lambda value: json.dumps(value).encode()
    ),
)


@given(BODIES)
def test_any_body_is_a_message_or_one_sentence(body: bytes) -> None:
    payload, refusal = None, None
    try:
        payload = rest_payload(body)
    except PayloadError as error:
        refusal = error
    if payload is not None:
        assert set(payload) == {"sender", "message"}
        assert isinstance(payload["message"], str)
        assert is_sender(payload["sender"])
    else:
        assert refusal is not None
        assert 400 <= refusal.status < 500
        assert str(refusal).endswith(".")
        assert "\n" not in str(refusal)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b'"x"', b"5", b"null", b"{", b"\xff\xfe\xfa", b"NaN", b"[" * 60_000, b'{"a":' * 10_000, b"9" * 60_000,
        b"{}", b'{"message": null}', b'{"message": 5}', b'{"message": ["x"]}', b'{"message": {"x": 1}}', b'{"message": true}',
        b'{"message": "x", "sender": 5}', b'{"message": "x", "sender": ""}', b'{"message": "x", "sender": " "}',
        b'{"message": "x", "sender": "a\\nb"}', b'{"message": "x", "sender": "\\u001b[2J"}',
        b'{"message": "x", "sender": "\\ud800"}', b'{"message": "x", "sender": "\\u0000"}',
    ],
)  # fmt: skip
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(PayloadError):
        rest_payload(body)


def test_a_sender_is_as_long_as_can_be_stored() -> None:
    assert is_sender("가" * MAX_SENDER)
    assert not is_sender("가" * (MAX_SENDER + 1))


def test_without_a_sender_everybody_has_a_conversation_of_their_own() -> None:
    senders = {rest_payload(body)["sender"] for body in [b'{"message": "x"}', b'{"message": "x", "sender": null}'] * 5}
    assert len(senders) == 10


def test_only_the_sender_and_the_message_reach_rasa() -> None:
    body: dict[str, Any] = {"sender": "a", "message": "x", "metadata": {"is_external": True}, "input_channel": "slack"}
    assert rest_payload(json.dumps(body).encode()) == {"sender": "a", "message": "x"}


@given(st.text(st.characters(blacklist_categories=["C", "Z"]), min_size=1, max_size=50).filter(lambda name: name != NAMESPACE))
def test_nobody_can_go_on_with_a_conversation_of_another_channel(sender: str) -> None:
    def named(sender: str) -> str:
        return rest_payload(json.dumps({"sender": sender, "message": "x"}).encode(), NAMESPACE)["sender"]

    assert named(sender).startswith(NAMESPACE)
    assert named(named(sender)) == named(sender), "as the answer names it"
    with pytest.raises(PayloadError):
        named(NAMESPACE)
