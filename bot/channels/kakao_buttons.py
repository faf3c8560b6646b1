"""Buttons on KakaoTalk's cards, above all those that call a hotline."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any, Literal

from bot.channels.kakao_models import MAX_LABEL, MAX_LABEL_OF_TWO, Button, length
from bot.safety.hotlines import Hotline, hotlines, named_in


@dataclass(frozen=True)
class CardButton:
    """A button before it is known how many share its card.

    Attributes:
        titles: what may stand on it, the best first.
        value: the number it calls, the page it opens or the text it sends.
    """

    titles: tuple[str, ...]
    action: Literal["phone", "webLink", "message"]
    value: str

    def button(self, on_card: int) -> Button:
        """The button as one of so many on its card."""
        limit = MAX_LABEL_OF_TWO if on_card == 2 else MAX_LABEL
        label = next((title for title in self.titles if length(title) <= limit), shortened(self.titles[0], limit))
        does = {"phone": "phone_number", "webLink": "web_link_url", "message": "message_text"}[self.action]
        return Button(label=label, action=self.action, **{does: self.value})


def card_button(button: dict[str, Any]) -> CardButton | None:
    """What a response's button becomes on a card; None if it says something, as quick replies do."""
    url = str(button.get("url") or "")
    title = str(button.get("title") or url)
    if url.startswith("tel:"):
        number = url.removeprefix("tel:")
        known = next((hotline for hotline in _hotlines() if _digits(hotline.number) == _digits(number)), None)
        return _calling(known) if known else CardButton((title, number), "phone", number)
    if url.startswith(("https://", "http://")):
        return CardButton((title,), "webLink", url)
    return None


def hotline_buttons(text: str) -> list[CardButton]:
    """A button for each hotline whose number the text names, in the text's order."""
    return [_calling(hotline) for hotline in named_in(text, _hotlines())]


def shortened(title: str, limit: int) -> str:
    """The title, or its beginning with an ellipsis, in at most `limit` characters."""
    title = " ".join(title.split()) or "…"
    if length(title) <= limit:
        return title
    end = limit - 1
    while length(title[:end]) > limit - 1:
        end -= 1
    return title[:end].rstrip() + "…"


def _calling(hotline: Hotline) -> CardButton:
    first_word = hotline.name.split()[0]
    titles = (f"{hotline.name} {hotline.number}", f"{first_word} {hotline.number}", hotline.name, first_word, hotline.number)
    return CardButton(titles, "phone", hotline.number)


@functools.cache
def _hotlines() -> list[Hotline]:
    return hotlines()


def _digits(number: str) -> str:
    return re.sub(r"\D", "", number)
