"""What `credentials.yml` may say of the KakaoTalk channel."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, Extra, Field, ValidationError, validator
from rasa.shared.exceptions import RasaException

_SECRET = re.compile(r"[!-~]{16,}")


class KakaoSettings(BaseModel, extra=Extra.forbid):
    """The KakaoTalk channel's settings.

    Attributes:
        secret: what the skill sends in the header `secret_header`.
        answer_within_seconds: how long a turn may take before the person is told that it takes longer. KakaoTalk waits for 5,
            and a server with fifty people at once is one or two late.
        callback_after_seconds: the same where the block has callbacks.
        callback_hosts: hosts that callbacks may be sent to; those below them as well.
        insecure_callbacks: whether callbacks may be sent by http and to any port, as tests do on the loopback.
    """

    secret: str
    secret_header: str = "X-Skill-Secret"
    answer_within_seconds: float = Field(default=2.5, gt=0, lt=5)
    callback_after_seconds: float = Field(default=2.0, gt=0, lt=5)
    callback_hosts: list[str] = ["kakao.com", "kakaoenterprise.com"]
    insecure_callbacks: bool = False

    @validator("secret")
    def _is_hard_to_guess(cls, secret: str) -> str:  # noqa: N805
        if not _SECRET.fullmatch(secret):
            raise ValueError("16 or more letters, digits and signs, without spaces; `openssl rand -hex 32` makes one")
        return secret

    @classmethod
    def load(cls, credentials: dict[str, Any]) -> KakaoSettings:
        """Reads the settings.

        Raises:
            RasaException: a setting is missing, unknown or out of its range; the sentence names it and never shows the secret.
        """
        try:
            return cls(**credentials)
        except ValidationError as error:
            wrong = "; ".join(f"{entry['loc'][0]}: {entry['msg']}" for entry in error.errors())
            raise RasaException(f"credentials.yml, the KakaoTalk channel: {wrong}.") from None
