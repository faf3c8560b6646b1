"""`GET /webhooks/health/`: whether the bot can answer, for whoever starts, watches or balances it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from rasa.core.channels.channel import InputChannel, UserMessage
from sanic import Blueprint, Request
from sanic.response import HTTPResponse, json


class HealthInput(InputChannel):
    """Answers 200 once a model is loaded, and 503 before and without one (Rasa's own `/` answers 200 then, too)."""

    @classmethod
    def name(cls) -> str:
        return "health"

    def blueprint(self, on_new_message: Callable[[UserMessage], Awaitable[None]]) -> Blueprint:
        blueprint = Blueprint("health")

        @blueprint.get("/")
        async def health(request: Request) -> HTTPResponse:
            agent = getattr(request.app.ctx, "agent", None)
            if agent is not None and agent.is_ready():
                return json({"status": "ok"})
            return json({"status": "no model is loaded"}, status=503)

        return blueprint
