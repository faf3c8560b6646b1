"""Who may call the action server: Rasa on this machine, or whoever knows the token."""

from __future__ import annotations

import hmac
import ipaddress
import os
import sys
from collections.abc import Mapping
from http import HTTPStatus

import pluggy
from rasa_sdk.plugin import plugin_manager
from sanic import Request, Sanic
from sanic.response import HTTPResponse, json

TOKEN, ADDRESS = "MAEUM_ACTION_TOKEN", "SANIC_HOST"
_LOOPBACK = "127.0.0.1"

_hook = pluggy.HookimplMarker("rasa_sdk")


class AccessControl:
    """Lets in what carries `Authorization: Bearer TOKEN`; without a token, JSON that was meant for this very machine.

    The latter keeps out web pages that a browser on this machine has open: they can send neither JSON to another origin, nor
    this machine's name to an address that theirs resolves to.
    """

    def __init__(self, token: str | None) -> None:
        self._token = token

    @_hook
    def attach_sanic_app_extensions(self, app: Sanic) -> None:
        app.register_middleware(self._check, "request")

    def _check(self, request: Request) -> HTTPResponse | None:
        if self._token:
            given = request.headers.getone("Authorization", "")
            if request.path != "/health" and not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
                return json({"error": f"The Authorization header must carry {TOKEN}."}, status=HTTPStatus.UNAUTHORIZED)
        elif not is_loopback(request.host.rpartition(":")[0] or request.host):
            return json({"error": "This action server serves its own machine alone."}, status=HTTPStatus.FORBIDDEN)
        if request.method == "POST" and not request.content_type.startswith("application/json"):
            return json({"error": "The Content-Type must be application/json."}, status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        return None


def is_loopback(host: str) -> bool:
    """Whether the host, a name or an address, is this machine seen from itself."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def control_access(environment: Mapping[str, str] = os.environ) -> None:
    """Called when the action server loads its actions, which is before it listens.

    rasa_sdk would listen on every address: where SANIC_HOST doesn't name one, on the loopback. To let other machines call takes
    a token; without one, the process ends with exit code 2 and a sentence.
    """
    os.environ.setdefault(ADDRESS, _LOOPBACK)
    token = environment.get(TOKEN)
    if not token and not is_loopback(os.environ[ADDRESS]):
        print(
            f"{ADDRESS}={os.environ[ADDRESS]} opens the action server to other machines: set {TOKEN} too, here and for Rasa, or"
            f" unset {ADDRESS}.",
            file=sys.stderr,
        )
        raise SystemExit(2)
    plugin_manager().register(AccessControl(token))
