"""KakaoTalk's skill request and answer, as its public guides for chatbot skills describe them (version 2.0)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field, StrictStr, root_validator

MAX_OUTPUTS = 3
MAX_QUICK_REPLIES = 10
MAX_BUTTONS = 3
MAX_TEXT = 1000
MAX_TEXT_CARD = 400
MAX_TITLE = 50
MAX_DESCRIPTION = 230
MAX_LABEL = 14
# Of two buttons, which stand side by side.
MAX_LABEL_OF_TWO = 8


def length(text: str) -> int:
    """A text's length as KakaoTalk may count it at the strictest: in UTF-16 units, of which an emoji takes two."""
    return len(text.encode("utf-16-le", errors="surrogatepass")) // 2


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.title() for other in others)


class _KakaoModel(BaseModel):
    class Config:
        alias_generator = _camel_case
        allow_population_by_field_name = True


class User(_KakaoModel):
    id: str = Field(min_length=1, max_length=200)


class UserRequest(_KakaoModel):
    utterance: StrictStr
    user: User
    # There only in blocks that have callbacks switched on.
    callback_url: StrictStr | None = None


class SkillRequest(_KakaoModel):
    """What of a request matters to the bot; whatever else it holds is ignored."""

    user_request: UserRequest


class Button(_KakaoModel):
    """A card's button: it calls a number, opens a page or sends a message in the person's name."""

    label: str = Field(min_length=1, max_length=MAX_LABEL)
    action: Literal["phone", "webLink", "message"]
    phone_number: str | None = None
    web_link_url: str | None = None
    message_text: str | None = None

    @root_validator(skip_on_failure=True)
    def _has_what_it_does(cls, values: dict[str, Any]) -> dict[str, Any]:  # noqa: N805
        needed = {"phone": "phone_number", "webLink": "web_link_url", "message": "message_text"}[values["action"]]
        if not values[needed]:
            raise ValueError(f"a button with the action {values['action']} needs {_camel_case(needed)}")
        return values


class QuickReply(_KakaoModel):
    label: str = Field(min_length=1, max_length=MAX_LABEL)
    action: Literal["message"] = "message"
    message_text: str = Field(min_length=1)


class SimpleText(_KakaoModel):
    text: str = Field(min_length=1, max_length=MAX_TEXT)


class SimpleImage(_KakaoModel):
    image_url: str = Field(min_length=1)
    alt_text: str = Field(min_length=1, max_length=MAX_TEXT)


class TextCard(_KakaoModel):
    """Text with buttons that stay, unlike quick replies."""

    description: str = Field(min_length=1, max_length=MAX_TEXT_CARD)
    buttons: list[Button] = Field(min_items=1, max_items=MAX_BUTTONS)


class Thumbnail(_KakaoModel):
    image_url: str = Field(min_length=1)


class BasicCard(_KakaoModel):
    title: str | None = Field(default=None, min_length=1, max_length=MAX_TITLE)
    description: str | None = Field(default=None, min_length=1, max_length=MAX_DESCRIPTION)
    thumbnail: Thumbnail
    buttons: list[Button] | None = Field(default=None, min_items=1, max_items=MAX_BUTTONS)


class Output(_KakaoModel):
    """One bubble, of the one kind that is set."""

    simple_text: SimpleText | None = None
    simple_image: SimpleImage | None = None
    text_card: TextCard | None = None
    basic_card: BasicCard | None = None

    @root_validator(skip_on_failure=True)
    def _is_of_one_kind(cls, values: dict[str, Any]) -> dict[str, Any]:  # noqa: N805
        if sum(value is not None for value in values.values()) != 1:
            raise ValueError("an output is one of simpleText, simpleImage, textCard and basicCard")
        return values

    @property
    def can_call(self) -> bool:
        """Whether a button of it calls a number: help, which goes before everything else."""
        card = self.text_card or self.basic_card
        return card is not None and any(button.action == "phone" for button in card.buttons or [])


class Template(_KakaoModel):
    outputs: list[Output] = Field(min_items=1, max_items=MAX_OUTPUTS)
    quick_replies: list[QuickReply] | None = Field(default=None, min_items=1, max_items=MAX_QUICK_REPLIES)


class SkillAnswer(_KakaoModel):
    """The bot's answer, or (`use_callback`) words to show until the answer comes to the callback address."""

    version: Literal["2.0"] = "2.0"
    template: Template | None = None
    use_callback: Literal[True] | None = None
    data: dict[str, str] | None = None

    def payload(self) -> dict[str, Any]:
        """As it is sent, without what isn't set."""
        return self.dict(by_alias=True, exclude_none=True)
