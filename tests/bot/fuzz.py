"""Requests to a server as nobody means them, drawn from a seeded source."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import Any

REST = "/webhooks/rest/webhook"
_WORDS = [
    "안녕하세요", "잠이 안 와요", "회사 가기 싫어", "ㅠㅠ", "우울해요", "고마워요",
    "hello", "こんにちは", "مرحبا", "שלום", "Привет", "ไทย",
]  # fmt: skip
_ODD = [
    "\x00", "\x1b[2J\x1b]0;x\x07", "\nFORGED line", "\r\n", "\u202e", "\u200b", "\ufeff", "\ud800", "\udfff", "\u2028", "\x85",
    "\uffff", "\U0010ffff", "😀", "👨‍👩‍👧", "\u1112\u1161\u11ab", "각\u0301" * 3, "\\ud800",
    "{sender_id}", "{0[x]}", "0[", "%s%n", "${HOME}", "<script>x</script>", "'; drop table events; --",
    "/restart", '/greet{"a": 1}', "@", "EXTERNAL: greet",
]  # fmt: skip


@dataclass(frozen=True)
class Request:
    """One request; `is_message` says whether it is one that must be answered, in the conversation of `sender`."""

    method: str
    path: str
    body: bytes
    headers: dict[str, str]
    is_message: bool
    sender: str


def fuzzed_request(rng: random.Random) -> Request:
    sender = f"사람 {rng.randrange(200)}"
    headers = {"Content-Type": rng.choice(["application/json"] * 3 + ["application/json; charset=utf-8"])}
    if rng.random() < 0.55:
        content: dict[str, Any] = {"sender": sender, "message": _text(rng)}
        if rng.random() < 0.3:
            content[rng.choice(["metadata", "input_channel", "text", "stream"])] = _value(rng)
        return Request("POST", REST, _encoded(rng, content), headers, True, sender)
    body = rng.choice([_wrong_kind, _cut, _noise, _deep, _large])(rng, sender)
    path = rng.choice(
        [REST] * 8 + [f"{REST}/", f"{REST}?stream=true", f"{REST}?stream=%00", "/webhooks/rest/", "/webhooks/%1b%0aFORGED"]
    )
    method = rng.choice(["POST"] * 8 + ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
    if rng.random() < 0.15:
        headers["Content-Type"] = rng.choice(["text/plain", "", "application/xml", "multipart/form-data", "application/jsonp"])
    if rng.random() < 0.1:
        headers["X-Forwarded-For"] = rng.choice(["1.2.3.4", "x, y, z", "::1", "127.0.0.1, 10.0.0.1", "," * 100])
    return Request(method, path, body, headers, False, sender)


def _text(rng: random.Random) -> str:
    length = rng.choice([0, 1, 2, 3, 5, 8, 40])
    return rng.choice(["", " "]).join(rng.choice(_WORDS if rng.random() < 0.5 else _ODD) for _ in range(length))


def _value(rng: random.Random, depth: int = 0) -> Any:
    if depth < 3 and rng.random() < 0.3:
        inner = [_value(rng, depth + 1) for _ in range(rng.randrange(4))]
        return inner if rng.random() < 0.5 else {_text(rng)[:20]: each for each in inner}
    return rng.choice([None, True, 0, -1, 1e308, 10**40, "", _text(rng)])


def _encoded(rng: random.Random, content: object) -> bytes:
    text = json.dumps(content, ensure_ascii=rng.random() < 0.5)
    return text.encode(rng.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16"]), "surrogatepass")


def _wrong_kind(rng: random.Random, sender: str) -> bytes:
    content = rng.choice(
        [_value(rng), {"sender": _value(rng), "message": 5}, {"sender": 5, "message": _text(rng)}, {"message": None}]
    )
    return _encoded(rng, content)


def _cut(rng: random.Random, sender: str) -> bytes:
    body = _encoded(rng, {"sender": sender, "message": _text(rng) + "…"})
    return body[: rng.randrange(len(body) - 1)]


def _noise(rng: random.Random, sender: str) -> bytes:
    return rng.randbytes(rng.choice([0, 1, 10, 1000]))


def _deep(rng: random.Random, sender: str) -> bytes:
    opening, closing = rng.choice([(b"[", b"]"), (b'{"message":', b"}")])
    return opening * 5000 + b'"x"' + closing * 5000


def _large(rng: random.Random, sender: str) -> bytes:
    return json.dumps(
        {"sender": sender, "message": "가" * rng.choice([1001, 5000, 30_000, 200_000])}, ensure_ascii=False
    ).encode()
