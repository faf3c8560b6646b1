from __future__ import annotations

from typing import Any

import pytest
from channel_servers import serving
from rasa.core.channels.rest import RestInput
from rasa.shared.exceptions import RasaException

from bot.channels.switches import SwitchedChannel, SwitchedOff

CREDENTIALS = {"environment": {"token": "SOME_TOKEN", "secret": "SOME_SECRET"}, "colour": "green"}


class Connector(RestInput):
    """A connector as Rasa ships them: its credentials are a dictionary."""

    def __init__(self, credentials: dict[str, Any]) -> None:
        self.credentials = credentials

    @classmethod
    def name(cls) -> str:
        return "connector"

    @classmethod
    def from_credentials(cls, credentials: dict[str, Any] | None) -> Connector:
        return cls(credentials or {})


class SwitchedConnector(SwitchedChannel, Connector):
    pass


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in CREDENTIALS["environment"].values():  # type: ignore[attr-defined]
        monkeypatch.delenv(variable, raising=False)


def test_a_channel_is_on_when_its_variables_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "t")
    monkeypatch.setenv("SOME_SECRET", " s\n")
    channel = SwitchedConnector.from_credentials(CREDENTIALS)
    assert isinstance(channel, SwitchedConnector)
    assert channel.credentials == {"token": "t", "secret": "s", "colour": "green"}


def test_a_channel_that_is_off_says_how_to_switch_it_on() -> None:
    channel = SwitchedConnector.from_credentials(CREDENTIALS)
    assert isinstance(channel, SwitchedOff)
    with serving(channel) as client:
        for answer in (client.post("/webhooks/connector/webhook", json={}), client.get("/webhooks/connector/")):
            assert answer.status_code == 404
            assert "set SOME_TOKEN and SOME_SECRET" in answer.json()["error"]


@pytest.mark.parametrize("value", ["", "   "])
def test_a_channel_set_up_by_half_stops_the_start_with_a_sentence(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("SOME_TOKEN", "t")
    with pytest.raises(RasaException, match="lacks SOME_SECRET: set it, or unset SOME_TOKEN, SOME_SECRET"):
        SwitchedConnector.from_credentials(CREDENTIALS)
    monkeypatch.setenv("SOME_SECRET", value)
    with pytest.raises(RasaException, match="lacks SOME_SECRET"):
        SwitchedConnector.from_credentials(CREDENTIALS)


def test_a_channel_that_no_variable_can_switch_on_stops_the_start() -> None:
    with pytest.raises(RasaException, match="needs `environment:`"):
        SwitchedConnector.from_credentials(None)


def test_two_channels_may_be_off_beside_each_other() -> None:
    with serving(SwitchedOff("slack", ["A"]), SwitchedOff("telegram", ["B"])) as client:
        assert "set A " in client.post("/webhooks/slack/webhook").json()["error"]
        assert "set B " in client.post("/webhooks/telegram/webhook").json()["error"]
