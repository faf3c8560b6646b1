"""Chromium for tests, and a watch on what a page mustn't do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect, sync_playwright

# Eight workers may share two cores; nothing here is a measurement.
expect.set_options(timeout=30_000)

_REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", ({violatedDirective, blockedURI}) =>
  console.error(`policy: ${violatedDirective} ${blockedURI}`));
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium, which `scripts/test_tools.sh` installs where it is missing."""
    found = [path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))]
    # Chromium's sandbox doesn't start as root, as everything runs in CI.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found[0] if found else None, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


class Watch:
    """What a page asks for and complains about, from now on."""

    def __init__(self, page: Page) -> None:
        self.requested: list[str] = []
        self.complaints: list[str] = []
        page.add_init_script(_REPORT_VIOLATIONS)
        page.context.on("request", lambda request: self.requested.append(request.url))
        page.on("websocket", lambda socket: self.requested.append(socket.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self.complaints.append(message.text) if message.type == "error" else None)

    @property
    def hosts(self) -> set[str]:
        """Everybody who was asked for anything."""
        return {urlsplit(url).netloc for url in self.requested}
