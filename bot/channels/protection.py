"""Protects every channel: named first in `credentials.yml`, it has no address of its own and sees all others' requests."""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from rasa.core.channels.channel import InputChannel, UserMessage
from sanic import Blueprint, Request, Sanic
from sanic.response import BaseHTTPResponse, HTTPResponse, json

from bot.channels.gate import Gate, Limits, client_address, install
from bot.channels.rest_payload import NAMESPACE, PayloadError, parse_json, rest_payload
from bot.start_checks import REMOTE_MODELS, StartError, check_start

# A message of a thousand characters with what platforms put around it.
_MAX_BODY = 64 * 1024
# What is read at all. Sanic cuts the connection beyond it, so that the sender may never see why; the API is sent training data.
_MAX_READ, _MAX_API_READ = 2 * 1024 * 1024, 16 * 1024 * 1024
# Channels whose requests come from people themselves. All other requests come from a few addresses of a messaging platform.
_DIRECT_CHANNELS = ("rest", "web", "socketio")
_CHANNELS, _REST = "/webhooks/", "/webhooks/rest/webhook"


class ProtectionInput(InputChannel):
    """Limits, checks of what is sent, and refusing to start where strangers could do harm."""

    @classmethod
    def name(cls) -> str:
        return "protection"

    @classmethod
    def from_credentials(cls, credentials: dict[str, Any] | None) -> ProtectionInput:
        """Ends the process with exit code 2 and one sentence if the server mustn't start like this."""
        try:
            check_start(sys.argv[1:])
            return cls(Limits.from_environment())
        except (StartError, ValueError) as error:
            print(error, file=sys.stderr)
            raise SystemExit(2) from None

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    def blueprint(self, on_new_message: Callable[[UserMessage], Awaitable[None]]) -> Blueprint:
        return _Protection(self._limits)


class _Protection(Blueprint):
    """A blueprint whose middleware is the whole server's."""

    def __init__(self, limits: Limits) -> None:
        super().__init__("protection")
        self.ctx.limits = limits

    def register(self, app: Sanic, options: dict[str, Any]) -> None:
        super().register(app, options)  # type: ignore[no-untyped-call]
        gate = Gate(self.ctx.limits)
        install(gate)
        app.config.REQUEST_MAX_SIZE = _MAX_API_READ if app.name == "rasa_server" else _MAX_READ
        app.register_middleware(_check_request, "request")
        app.register_middleware(_harden_answer, "response")

        async def finish(app: Sanic, loop: Any) -> None:
            await gate.finish()

        app.register_listener(finish, "before_server_stop")


async def _check_request(request: Request) -> HTTPResponse | None:
    """Answers what no channel should see, with a 4xx and one sentence."""
    client_address.set(_person_behind(request))
    try:
        if request.path.rstrip("/") == "/model" and request.method == "PUT":
            _check_model(request)
        if request.route and request.method == "POST" and request.path.startswith(_CHANNELS):
            _check_message(request)
    except PayloadError as error:
        return json({"error": str(error)}, status=error.status)
    return None


async def _harden_answer(request: Request, response: BaseHTTPResponse) -> None:
    """What a bot says is never a page, and never stays in a cache on the way."""
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "no-referrer")
    if request.path.startswith(_CHANNELS) and request.method == "POST":
        response.headers.setdefault("Cache-Control", "no-store")


def _check_message(request: Request) -> None:
    if len(request.body) > _MAX_BODY:
        raise PayloadError(f"The body is larger than {_MAX_BODY} bytes.", status=413)
    is_json = request.content_type.partition(";")[0].strip().lower() == "application/json"
    if request.path.rstrip("/") == _REST:
        if not is_json:
            raise PayloadError("The Content-Type must be application/json.", status=415)
        # What Rasa's channel will read instead of the body.
        request.parsed_json = rest_payload(request.body, NAMESPACE)  # type: ignore[assignment]
    elif is_json:
        parse_json(request.body)


def _check_model(request: Request) -> None:
    """Rasa's API would fetch a model from any address it is given."""
    content = parse_json(request.body)
    if (content.get("model_server") or content.get("remote_storage")) and os.environ.get(REMOTE_MODELS) != "1":
        raise PayloadError(f"Models are loaded from this machine alone; {REMOTE_MODELS}=1 allows others.", status=403)


def _person_behind(request: Request) -> str | None:
    """The address that the request counts for, of IPv6 its network; None if that says nothing about a person.

    X-Forwarded-For is believed as far as SANIC_PROXIES_COUNT says it passed proxies of ours. Without it a proxy on this machine
    would look like one person, which is why the loopback counts for nobody.
    """
    channel = request.path.removeprefix(_CHANNELS).partition("/")[0]
    if not request.path.startswith(_CHANNELS) or channel not in _DIRECT_CHANNELS:
        return None
    try:
        address = ipaddress.ip_address((request.remote_addr or request.ip).strip("[]"))
    except ValueError:  # a Unix socket, or what a proxy made up
        return None
    if address.is_loopback:
        return None
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else str(address)
