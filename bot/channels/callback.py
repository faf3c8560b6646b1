"""A callback for another program (docs/channels/callback.md): Rasa's connector, with one secret for both directions."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from rasa.core.channels.callback import CallbackInput, CallbackOutput
from rasa.core.channels.channel import UserMessage
from rasa.shared.exceptions import RasaException
from rasa.utils.endpoints import ClientResponseError, EndpointConfig
from sanic import Blueprint, Request
from sanic.response import HTTPResponse, json

from bot.channels.connectors import are_same
from bot.channels.rest_payload import PayloadError, rest_payload
from bot.channels.switches import SwitchedChannel

logger = logging.getLogger(__name__)


class _CallbackOutput(CallbackOutput):
    """Raises what the address refuses. Rasa's only logs it, with the response's body, which may repeat the message."""

    async def _persist_message(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        try:
            await self.callback_endpoint.request("post", content_type="application/json", json=message)
        except ClientResponseError as error:
            problem = f"CALLBACK_URL refused a message with status {error.status}."
            logger.error(problem)
            raise RasaException(problem) from None


class _CallbackConnector(CallbackInput):
    def __init__(self, url: str, token: str) -> None:
        self._authorization = f"Bearer {token}"
        super().__init__(EndpointConfig(url, headers={"Authorization": self._authorization}))

    @classmethod
    def from_credentials(cls, credentials: dict[str, Any] | None) -> _CallbackConnector:
        return cls(**(credentials or {}))

    def get_output_channel(self) -> _CallbackOutput:
        return _CallbackOutput(self.callback_endpoint)

    def blueprint(self, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> Blueprint:
        blueprint = super().blueprint(on_new_message)

        @blueprint.middleware("request")
        async def check(request: Request) -> HTTPResponse | None:
            if not are_same(request.headers.get("Authorization"), self._authorization):
                return json({"error": "The header Authorization does not carry the token."}, status=403)
            try:
                request.parsed_json = rest_payload(request.body)  # type: ignore[assignment]
            except PayloadError as error:
                return json({"error": str(error)}, status=error.status)
            return None

        return blueprint


class CallbackChannel(SwitchedChannel, _CallbackConnector):
    """The connector, as `credentials.yml` names it."""
