"""Channels that stand in `credentials.yml` ready and are switched on by setting their environment variables."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

from rasa.core.channels.channel import InputChannel, UserMessage
from rasa.shared.exceptions import RasaException
from sanic import Blueprint, Request
from sanic.response import HTTPResponse, json


class SwitchedChannel(InputChannel):
    """Put before a connector among a class's bases, lets environment variables switch the connector on.

    `environment` in `credentials.yml` says which variable holds which of the connector's credentials; whatever else stands
    there reaches the connector as it is:

        bot.channels.messengers.SlackChannel:
          environment: {slack_token: SLACK_TOKEN, slack_signing_secret: SLACK_SIGNING_SECRET}
          use_threads: true

    With none of the variables set the channel is off: its addresses answer 404 with a sentence that says how to switch it on.
    With all of them set it is on. With some, or an empty one, the server doesn't start.
    """

    @classmethod
    def from_credentials(cls, credentials: dict[str, Any] | None) -> InputChannel:
        """The connector, or what stands in for it while it is off.

        Raises:
            RasaException: some variables are set and others not, or one is empty; a sentence for whoever starts the server.
        """
        settings = dict(credentials or {})
        variables: dict[str, str] = settings.pop("environment", None) or {}
        if not variables:
            raise RasaException(
                f"credentials.yml: {cls.__module__}.{cls.__name__} needs `environment:` with the names of the variables that"
                " hold its credentials."
            )
        missing = [variable for variable in variables.values() if not os.environ.get(variable, "").strip()]
        if not missing:
            found = {credential: os.environ[variable].strip() for credential, variable in variables.items()}
            return super().from_credentials({**settings, **found})
        if not any(variable in os.environ for variable in variables.values()):
            return SwitchedOff(cls.name(), missing)
        raise RasaException(
            f"The channel '{cls.name()}' lacks {' and '.join(missing)}: set {'them' if len(missing) > 1 else 'it'}, or unset"
            f" {', '.join(variables.values())} to switch the channel off."
        )


class SwitchedOff(InputChannel):
    """Answers 404 in place of a channel that is off."""

    def __init__(self, channel: str, variables: list[str]) -> None:
        self._channel = channel
        self._variables = variables

    @classmethod
    def name(cls) -> str:
        return "switched_off"

    def url_prefix(self) -> str:
        return self._channel

    def blueprint(self, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> Blueprint:
        blueprint = Blueprint(f"{self._channel}_switched_off")

        @blueprint.route("/", methods=["GET", "POST"])
        @blueprint.route("/<path:path>", methods=["GET", "POST"])
        async def off(request: Request, path: str = "") -> HTTPResponse:
            sentence = f"The channel '{self._channel}' is off: set {' and '.join(self._variables)} and start the server again."
            return json({"error": sentence}, status=404)

        return blueprint
