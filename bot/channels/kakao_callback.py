"""Answering at the callback address that a KakaoTalk request brings: once, within its minute, and to KakaoTalk only."""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from urllib.parse import urlsplit

import httpx

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0
_CONNECT_SECONDS = 3.0
# KakaoTalk takes an answer at once or not at all.
_SEND_SECONDS = 10.0


def may_be_called(url: str, hosts: list[str], insecure: bool) -> bool:
    """Whether the address is on one of the hosts, or below one, by https on its usual port; `insecure` allows any."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    host = (parts.hostname or "").rstrip(".")
    known = any(host == allowed or host.endswith(f".{allowed}") for allowed in hosts)
    plain = parts.username is None and parts.password is None and not any(character.isspace() for character in url)
    safe = insecure or (parts.scheme == "https" and port in (None, 443))
    return known and plain and safe and parts.scheme in ("http", "https")


class CallbackSender:
    """Posts answers. One for many, as reading the certificates takes longer than sending."""

    def __init__(self) -> None:
        self._client = httpx.AsyncClient(timeout=httpx.Timeout(_SEND_SECONDS, connect=_CONNECT_SECONDS), follow_redirects=False)

    async def send(self, url: str, payload: dict[str, Any], seconds: float) -> bool:
        """Posts the answer; says whether KakaoTalk took it.

        Tried again only where no connection came about, so that nothing is sent twice.

        Args:
            seconds: how long it may be tried.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            try:
                return _was_taken(await self._client.post(url, json=payload))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                if asyncio.get_running_loop().time() + _RETRY_SECONDS > deadline:
                    logger.warning(f"A callback was not sent: no connection to {urlsplit(url).hostname} ({error}).")
                    return False
                await asyncio.sleep(_RETRY_SECONDS)
            except httpx.HTTPError as error:
                logger.warning(f"A callback may not have been taken: {type(error).__name__}.")
                return False


def _was_taken(response: httpx.Response) -> bool:
    """KakaoTalk answers {"status": "SUCCESS" | "FAIL" | "ERROR", …}."""
    try:
        content = response.json()
    except ValueError:
        content = None
    status = content.get("status", "SUCCESS") if isinstance(content, dict) else "SUCCESS"
    if response.is_success and status == "SUCCESS":
        return True
    logger.warning(f"A callback was not taken: HTTP {response.status_code}, status {str(status)[:20]!r}.")
    return False
