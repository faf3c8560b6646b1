"""Takes the pictures of docs/channels/web.md from a running bot: `python scripts/web_pictures.py [http://127.0.0.1:5005/]`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

FOLDER = Path(__file__).parents[1] / "docs" / "channels" / "pictures"
SAID = ["요즘 밤에 잠이 안 와요", "팀장님이 사람들 앞에서 소리를 질러요"]
_PHONE = {"viewport": {"width": 390, "height": 780}, "device_scale_factor": 1.5, "is_mobile": True, "has_touch": True}
_DESKTOP = {"viewport": {"width": 1100, "height": 720}}


def main(address: str) -> None:
    """Overwrites the pictures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = _open(browser, address, **_DESKTOP)
        _talk(page, SAID)
        _save(page, "desktop")
        page = _open(browser, address, **_PHONE)
        _save(page, "phone")
        page.get_by_text("지금 도움이 필요해요").tap()
        _save(page, "phone-help")
        page = _open(browser, address, color_scheme="dark", **_PHONE)
        _talk(page, [*SAID, "그냥 사라지고 싶어요"])
        _save(page, "phone-dark")
        browser.close()


def _open(browser: Browser, address: str, **options: Any) -> Page:
    page = browser.new_context(locale="ko-KR", reduced_motion="reduce", **options).new_page()
    page.goto(address)
    return page


def _talk(page: Page, messages: list[str]) -> None:
    for message in messages:
        answers = page.locator(".bot").count()
        page.get_by_label("보낼 말").fill(message)
        page.get_by_label("보내기", exact=True).click()
        page.locator(".bot").nth(answers).wait_for()  # the page's policy lets nothing be evaluated in it
    expect(page.locator(".trouble")).to_have_count(0)


def _save(page: Page, name: str) -> None:
    page.screenshot(path=FOLDER / f"{name}.png", animations="disabled")


if __name__ == "__main__":
    main(*sys.argv[1:2] or ["http://127.0.0.1:5005/"])
