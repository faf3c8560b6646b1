"""Answering at the callback address that a KakaoTalk request brings: once, within its minute, and to KakaoTalk only."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from typing import Any
from urllib.parse import urlsplit

import aiohttp

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0
# KakaoTalk takes an answer at once or not at all.
_SEND_TIMEOUT = aiohttp.ClientTimeout(total=10)


def may_be_called(url: str, hosts: list[str], insecure: bool) -> bool:
    """Whether the address is on one of the hosts, or below one, by https on its usual port; `insecure` allows any."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    host = (parts.hostname or "").rstrip(".")
    # Parsers disagree on hosts with other characters.
    if not re.fullmatch(r"[a-z0-9.-]+", host):
        return False
    known = any(host == allowed or host.endswith(f".{allowed}") for allowed in hosts)
    plain = parts.username is None and parts.password is None and not any(character.isspace() for character in url)
    safe = insecure or (parts.scheme == "https" and port in (None, 443))
    return known and plain and safe and parts.scheme in ("http", "https")


class CallbackSender:
    """Posts answers; belongs to the event loop that first sends one."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def send(self, url: str, payload: dict[str, Any], seconds: float) -> bool:
        """Posts the answer; says whether KakaoTalk took it.

        Tried again only where no connection came about, so that nothing is sent twice.

        Args:
            seconds: how long it may be tried.
        """
        if self._session is None:
            # Each answer by a connection of its own: one kept open may end while an answer is on its way.
            connector = aiohttp.TCPConnector(force_close=True, limit=0)
            self._session = aiohttp.ClientSession(connector=connector, timeout=_SEND_TIMEOUT, trust_env=True)
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            try:
                async with self._session.post(url, json=payload, allow_redirects=False) as response:
                    return _was_taken(response.status, await response.text(errors="replace"))
            except aiohttp.ClientConnectorError as error:
                if asyncio.get_running_loop().time() + _RETRY_SECONDS > deadline:
                    # A certificate's error has no os_error.
                    logger.warning(f"A callback was not sent: no connection to {urlsplit(url).hostname} ({error.__cause__}).")
                    return False
                await asyncio.sleep(_RETRY_SECONDS)
            except (aiohttp.ClientError, asyncio.TimeoutError) as error:
                logger.warning(f"A callback may not have been taken: {type(error).__name__}.")
                return False

    async def close(self) -> None:
        if self._session:
            await self._session.close()


def _was_taken(status: int, text: str) -> bool:
    """KakaoTalk answers {"status": "SUCCESS" | "FAIL" | "ERROR", …}."""
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    outcome = content.get("status", "SUCCESS") if isinstance(content, dict) else "SUCCESS"
    if 200 <= status < 300 and outcome == "SUCCESS":
        return True
    logger.warning(f"A callback was not taken: HTTP {status}, status {str(outcome)[:20]!r}.")
    return False
