"""The bot's messages as KakaoTalk shows them: bubbles, cards with buttons, and quick replies."""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from bot.channels.kakao_buttons import CardButton, card_button, hotline_buttons, shortened
from bot.channels.kakao_models import (
    MAX_BUTTONS,
    MAX_DESCRIPTION,
    MAX_LABEL,
    MAX_OUTPUTS,
    MAX_QUICK_REPLIES,
    MAX_TEXT,
    MAX_TEXT_CARD,
    MAX_TITLE,
    BasicCard,
    Output,
    QuickReply,
    SimpleImage,
    SimpleText,
    SkillAnswer,
    Template,
    TextCard,
    Thumbnail,
    length,
)
from bot.channels.sentences import split_text
from bot.safety.hotlines import hotlines

logger = logging.getLogger(__name__)

_WORDING_FILE = Path(__file__).parent / "kakao.yml"


@dataclass(frozen=True)
class Wording:
    """The content of `kakao.yml`, with the hotlines filled in."""

    holding: str
    fetch: QuickReply
    waiting: str
    more: str
    unreadable: str
    failed: str
    picture: str


@functools.cache
def wording() -> Wording:
    """What the channel says of its own accord."""
    texts = yaml.safe_load(_WORDING_FILE.read_text(encoding="utf-8"))
    fetch = texts.pop("fetch")
    numbers = {hotline.key: hotline for hotline in hotlines()}
    sentences = {name: text.format(**numbers) for name, text in texts.items()}
    return Wording(fetch=QuickReply(label=fetch["label"], message_text=fetch["message"]), **sentences)


@dataclass
class Reply:
    """What the bot says to one message: bubbles, perhaps more than one answer may have, and quick replies."""

    outputs: list[Output] = field(default_factory=list)
    quick_replies: list[QuickReply] = field(default_factory=list)


def reply(messages: Iterable[dict[str, Any]]) -> Reply:
    """The messages that Rasa's `CollectingOutputChannel` gathers, in KakaoTalk's terms.

    A text that names a hotline gets a button that calls it. Buttons that call or open a page stay with their text, others
    become quick replies; those beyond the tenth are named in the text, so that they can be typed.
    """
    whole = Reply()
    for message in messages:
        text = message.get("text") or ""
        said: list[tuple[str, str]] = []
        on_card: list[CardButton] = []
        for button in message.get("buttons") or []:
            pressed = card_button(button)
            if pressed:
                on_card.append(pressed)
            else:
                title = str(button.get("title") or button["payload"])
                payload = str(button.get("payload") or title)
                # An /intent is for Rasa; people who press a button see what it sends.
                said.append((title, title if payload.startswith("/") else payload))
        free = MAX_QUICK_REPLIES - len(whole.quick_replies)
        in_text = said[free:] if text.strip() else said  # quick replies show below words only
        text = "\n".join([text, *(spoken for _, spoken in in_text)])
        whole.quick_replies += [
            QuickReply(label=shortened(title, MAX_LABEL), message_text=spoken) for title, spoken in said[:free]
        ]
        whole.outputs += _text_outputs(text, on_card)
        whole.outputs += _other_outputs(message)
    return whole


def answer(replies: list[Reply]) -> tuple[SkillAnswer, Reply | None]:
    """As much of the replies as one answer holds, and what is left for the person's next message.

    Where they don't fit, what can call for help goes first and texts are joined. The quick replies are the last reply's; a rest
    brings one that fetches it.

    Args:
        replies: with one output at least among them.
    """
    outputs = [output for one in replies for output in one.outputs]
    quick_replies = replies[-1].quick_replies
    if len(outputs) <= MAX_OUTPUTS:
        return _skill_answer(outputs, quick_replies), None
    outputs = _joined(sorted(outputs, key=lambda output: not output.can_call))
    if len(outputs) <= MAX_OUTPUTS:
        return _skill_answer(outputs, quick_replies), None
    # One bubble says that there is more.
    shown, rest = outputs[: MAX_OUTPUTS - 1], outputs[MAX_OUTPUTS - 1 :]
    more = Output(simple_text=SimpleText(text=wording().more))
    return _skill_answer([*shown, more], [wording().fetch]), Reply(rest, quick_replies)


def sentence_reply(sentence: str, *quick_replies: QuickReply) -> Reply:
    """A sentence of the bot's own as a reply."""
    return Reply(_text_outputs(sentence, []), list(quick_replies))


def sentence_answer(sentence: str) -> dict[str, Any]:
    """The whole JSON answer that says the sentence, for whoever answers a KakaoTalk request in the bot's place."""
    said, _ = answer([sentence_reply(sentence)])
    return said.payload()


def _skill_answer(outputs: list[Output], quick_replies: list[QuickReply]) -> SkillAnswer:
    return SkillAnswer(template=Template(outputs=outputs, quick_replies=quick_replies or None))


def _text_outputs(text: str, buttons: list[CardButton]) -> list[Output]:
    """The text, on cards where it has buttons or names hotlines and as simple text elsewhere."""
    outputs: list[Output] = []
    # With nothing to press, longer pieces are fewer bubbles.
    size = MAX_TEXT_CARD if buttons or hotline_buttons(text) else MAX_TEXT
    pieces = split_text(text, size, length) or ["\n".join(button.titles[0] for button in buttons)]
    for index, piece in enumerate(pieces):
        called = hotline_buttons(piece)
        if index == len(pieces) - 1:
            numbers = {button.value for button in called}
            called += [button for button in buttons if button.value not in numbers]
        outputs += _cards(piece, called) if called else [Output(simple_text=SimpleText(text=piece))] if piece else []
    return _joined(outputs)


def _cards(text: str, buttons: list[CardButton]) -> list[Output]:
    """The text on a card with the first buttons, and the others on cards that name them."""
    cards = []
    for start in range(0, len(buttons), MAX_BUTTONS):
        on_card = buttons[start : start + MAX_BUTTONS]
        description = text if start == 0 else "\n".join(button.titles[0] for button in on_card)
        # Titles of any length may come from the domain.
        description = split_text(description, MAX_TEXT_CARD, length)[0]
        shown = [button.button(len(on_card)) for button in on_card]
        cards.append(Output(text_card=TextCard(description=description, buttons=shown)))
    return cards


def _joined(outputs: list[Output]) -> list[Output]:
    """The outputs, with simple texts that follow each other in one bubble as far as they fit."""
    joined: list[Output] = []
    for output in outputs:
        last = joined[-1].simple_text if joined else None
        if last and output.simple_text:
            text = f"{last.text}\n\n{output.simple_text.text}"
            if length(text) <= MAX_TEXT:
                joined[-1] = Output(simple_text=SimpleText(text=text))
                continue
        joined.append(output)
    return joined


def _other_outputs(message: dict[str, Any]) -> list[Output]:
    """What of a message isn't text: image, attachment, elements and KakaoTalk's own JSON."""
    outputs: list[Output] = []
    if image := message.get("image"):
        outputs += _image(str(image), wording().picture)
    if attachment := message.get("attachment"):
        outputs += _text_outputs(str(attachment), [])
    for element in message.get("elements") or []:
        outputs += _element(element)
    if custom := message.get("custom"):
        try:
            outputs.append(Output.parse_obj(custom["kakao"]))
        except (KeyError, TypeError, ValidationError) as error:
            logger.warning(f"A custom response was left out: its `kakao` is not a KakaoTalk output ({type(error).__name__}).")
    return outputs


def _image(url: str, words: str) -> list[Output]:
    if not url.startswith(("http://", "https://")):
        return _text_outputs(url, [])
    return [Output(simple_image=SimpleImage(image_url=url, alt_text=words))]


def _element(element: dict[str, Any]) -> list[Output]:
    """A card of title, subtitle, image and buttons; as text and image where the card would cut them."""
    title, description = str(element.get("title") or ""), str(element.get("subtitle") or "")
    buttons = [
        card_button(button) or CardButton((str(button["title"]),), "message", str(button["title"]))
        for button in element.get("buttons") or []
    ]
    image = str(element.get("image_url") or "")
    text = "\n".join(filter(None, [title, description]))
    fits = length(title) <= MAX_TITLE and length(description) <= MAX_DESCRIPTION and len(buttons) <= MAX_BUTTONS
    if not image.startswith(("http://", "https://")):
        return _text_outputs(text, buttons)
    if not fits or hotline_buttons(text):
        return [*_image(image, wording().picture), *_text_outputs(text, buttons)]
    card = BasicCard(
        title=title or None,
        description=description or None,
        thumbnail=Thumbnail(image_url=image),
        buttons=[button.button(len(buttons)) for button in buttons] or None,
    )
    return [Output(basic_card=card)]
