"""KakaoTalk: `POST /webhooks/kakao/webhook` is the address of a skill in KakaoTalk's chatbot admin (docs/channels/kakao.md)."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import ValidationError
from rasa.core.channels.channel import InputChannel, UserMessage
from sanic import Blueprint, Request, Sanic
from sanic.response import HTTPResponse
from sanic.response import json as json_response

from bot.channels.kakao_answer import sentence_answer, wording
from bot.channels.kakao_models import SkillRequest, UserRequest
from bot.channels.kakao_settings import KakaoSettings
from bot.channels.kakao_turns import CHANNEL, KakaoTurns, without_words
from bot.channels.switches import SwitchedChannel

logger = logging.getLogger(__name__)

# How long a server that stops waits for answers it has promised.
_FINISH_SECONDS = 10.0


class KakaoConnector(InputChannel):
    """Answers every request that carries the secret with an answer KakaoTalk can show, whatever the request holds."""

    def __init__(self, settings: KakaoSettings) -> None:
        self._settings = settings

    @classmethod
    def name(cls) -> str:
        return CHANNEL

    @classmethod
    def from_credentials(cls, credentials: dict[str, Any] | None) -> KakaoConnector:
        return cls(KakaoSettings.load(credentials or {}))

    def blueprint(self, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> Blueprint:
        blueprint = Blueprint(CHANNEL)
        turns = KakaoTurns(self._settings, on_new_message)

        @blueprint.post("/webhook")
        async def webhook(request: Request) -> HTTPResponse:
            if not self._is_authorised(request):
                return _json({"error": f"The header {self._settings.secret_header} does not carry the secret."}, status=403)
            try:
                content = json.loads(request.body)
                user_request = SkillRequest.parse_obj(content).user_request
            except (ValueError, RecursionError) as error:
                wrong = [entry["loc"] for entry in error.errors()] if isinstance(error, ValidationError) else "no JSON"
                logger.warning(f"A KakaoTalk request could not be read: {wrong}.")
                return _json(sentence_answer(wording().unreadable))
            if not user_request.utterance.strip():
                turns.could_not_read(user_request.user.id)
                return _json(sentence_answer(wording().unreadable))
            return _json(await _answer(turns, user_request, _digest(content)))

        @blueprint.listener("before_server_stop")
        async def finish(app: Sanic, loop: Any) -> None:
            await turns.finish(_FINISH_SECONDS)

        return blueprint

    def _is_authorised(self, request: Request) -> bool:
        given = request.headers.get(self._settings.secret_header, "")
        return hmac.compare_digest(given.encode(errors="surrogateescape"), self._settings.secret.encode())


class KakaoInput(SwitchedChannel, KakaoConnector):
    """The connector, as `credentials.yml` names it: on when the variable that holds its secret is set."""


async def _answer(turns: KakaoTurns, request: UserRequest, key: str) -> dict[str, Any]:
    try:
        return (await turns.answer(request, key)).payload()
    except Exception as error:
        logger.error(f"A KakaoTalk request was not answered: {without_words(error)}")
        return sentence_answer(wording().failed)


def _digest(content: Any) -> str:
    """The same for the same request; KakaoTalk gives requests no number of their own."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _json(content: dict[str, Any], status: int = 200) -> HTTPResponse:
    return json_response(content, status=status, dumps=json.dumps)
