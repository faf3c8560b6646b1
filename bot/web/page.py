"""The web chat's files as they are sent: made once, when the server starts, and held in memory."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sanic import Request
from sanic.response import HTTPResponse, empty, raw

from bot.safety.hotlines import Hotline, hotlines

FOLDER = Path(__file__).parent
INDEX = "index.html"

_CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Nothing but this server's own files, no inline script or style, nobody's frame; markup can't be made from strings at all.
_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types maeum",
    ]
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # A browser asks each time whether a file has changed, so that a changed number is never an old one.
    "Cache-Control": "no-cache",
    # The service worker lies beside the other files and keeps the page, which is above them.
    "Service-Worker-Allowed": "/",
}
# Lines for when every minute counts are shown apart from those that listen.
_URGENT = ("emergency", "police")


@dataclass(frozen=True)
class WebFile:
    """One file, ready to send."""

    body: bytes
    content_type: str
    etag: str

    def response(self, request: Request) -> HTTPResponse:
        """The file, or 304 if the browser has it already."""
        headers = {**HEADERS, "ETag": self.etag}
        if request.headers.get("If-None-Match") == self.etag:
            return empty(status=304, headers=headers)
        return raw(self.body, content_type=self.content_type, headers=headers)


def web_files(address: str, socket: str) -> dict[str, WebFile]:
    """The files by name; "index.html" is the page, in Korean, with the hotlines in it.

    Args:
        address: where the other files are, as seen from the page.
        socket: where the WebSocket is, as seen from the page.

    Raises:
        ValueError: data/crisis.yml has a hotline without a name or number.
    """
    files = {
        file.name: _web_file(file.read_bytes(), file.suffix)
        for file in sorted(FOLDER.iterdir())
        if file.suffix in _CONTENT_TYPES and file.name != INDEX
    }
    files[INDEX] = _web_file(_index(address, socket, list(files)).encode(), ".html")
    return files


def _index(address: str, socket: str, names: list[str]) -> str:
    words: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / "words.yml").read_text(encoding="utf-8"))
    lines = hotlines()
    template = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined).get_template(INDEX)
    return template.render(
        words=words["ko"],
        files=address,
        modules=[name for name in names if name.endswith(".js") and name not in ("main.js", "service_worker.js")],
        hotlines=_grouped(lines),
        data={"files": address, "socket": socket, "words": words, "hotlines": [asdict(line) for line in lines]},
    )


def _grouped(lines: list[Hotline]) -> dict[str, list[Hotline]]:
    return {
        "listening": [line for line in lines if line.key not in _URGENT],
        "urgent": [line for line in lines if line.key in _URGENT],
    }


def _web_file(body: bytes, suffix: str) -> WebFile:
    return WebFile(body, _CONTENT_TYPES[suffix], f'"{hashlib.sha256(body).hexdigest()[:32]}"')
