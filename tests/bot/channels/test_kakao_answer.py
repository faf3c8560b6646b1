"""The bot's messages as KakaoTalk shows them; every answer is checked against KakaoTalk's schema."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from kakao_simulator import Shown, check
from servers import ROOT

from bot.channels.kakao_answer import answer, reply, sentence_answer, wording
from bot.safety.hotlines import hotlines


def show(*messages: dict[str, Any]) -> Shown:
    """What is shown of a turn's messages, of which nothing may be left."""
    shown, rest = answer([reply(messages)])
    assert rest is None
    return Shown(check(shown.payload()))


def button(title: str, **more: str) -> dict[str, str]:
    return {"title": title, "payload": title, **more}


def test_each_message_is_a_bubble() -> None:
    shown = show({"text": "그러셨군요."}, {"text": "언제부터였나요?"})
    assert shown.outputs == [{"simpleText": {"text": "그러셨군요."}}, {"simpleText": {"text": "언제부터였나요?"}}]


def test_a_long_text_is_cut_where_sentences_end() -> None:
    sentence = "오늘 하루도 참 길고 고단했겠어요. "
    shown = show({"text": sentence * 80})
    assert len(shown.texts) == 2
    assert all(text.endswith("고단했겠어요.") for text in shown.texts)
    assert " ".join(shown.texts) == (sentence * 80).strip()


def test_more_than_three_bubbles_are_joined() -> None:
    assert show(*({"text": f"{number}번째."} for number in range(9))).text == "\n\n".join(f"{n}번째." for n in range(9))


def test_what_does_not_fit_is_kept_for_the_next_message() -> None:
    texts = [f"{letter}{'가' * 900}." for letter in "ABCDE"]
    seen: list[str] = []
    rest = reply([{"text": text, "buttons": [button("네")]} for text in texts])
    answers = []
    while rest:
        given, left = answer([rest])
        answers.append(Shown(check(given.payload())))
        seen += answers[-1].texts
        rest = left  # type: ignore[assignment]
    assert [text for text in seen if text != wording().more] == texts
    assert answers[0].quick_replies == {wording().fetch.label: wording().fetch.message_text}
    assert set(answers[-1].quick_replies) == {"네"}


def test_help_goes_before_everything_that_does_not_fit() -> None:
    help_text = "자살예방 상담전화 109에 전화해 주세요."
    shown, rest = answer([reply([*({"text": "가" * 990} for _ in range(4)), {"text": help_text}])])
    first = Shown(check(shown.payload()))
    assert first.texts[0] == help_text
    assert first.numbers == ["109"]
    assert rest is not None


@pytest.mark.parametrize("hotline", hotlines(), ids=lambda hotline: hotline.key)
def test_a_text_that_names_a_hotline_can_call_it(hotline: Any) -> None:
    shown = show({"text": f"{hotline}에 전화해 주세요."})
    assert shown.numbers == [hotline.number]
    (label,) = (one["label"] for one in shown.outputs[0]["textCard"]["buttons"])
    assert label.split()[0] == hotline.name.split()[0]


def test_every_written_crisis_reply_can_call_every_number_it_names() -> None:
    responses = yaml.safe_load((ROOT / "data" / "generated" / "responses.yml").read_text(encoding="utf-8"))["responses"]
    crisis = yaml.safe_load((ROOT / "data" / "crisis.yml").read_text(encoding="utf-8"))
    names = [f"utter_wellness/{key.replace('/', '.')}" for key in crisis["replies"]] + list(crisis["bot_responses"])
    for response in (one for name in names for one in responses[name]):
        shown = show(response)
        assert shown.text == response["text"]
        named = [one.number for one in hotlines() if re.search(rf"(?<![\d-]){one.number}(?!\d)", response["text"])]
        assert set(shown.numbers) == set(named)


def test_a_text_that_names_all_hotlines_can_call_all() -> None:
    shown = show({"text": "\n".join(map(str, hotlines()))})
    assert set(shown.numbers) == {hotline.number for hotline in hotlines()}


@pytest.mark.parametrize(
    "text", ["몸무게가 109kg이에요", "1,109번 들었어요", "2109호", "109.5도", "010-1234-1577-0199", "11%와 119%"]
)
def test_other_numbers_are_not_hotlines(text: str) -> None:
    assert show({"text": text}).outputs == [{"simpleText": {"text": text}}]


def test_a_long_text_that_names_a_hotline_is_shown_whole_and_can_call() -> None:
    text = "많이 힘드셨겠어요. " * 60 + "지금 109에 전화해 주세요."
    shown = show({"text": text})
    assert shown.numbers == ["109"]
    assert " ".join(" ".join(shown.texts).split()) == text


def test_buttons_become_quick_replies_with_short_labels_and_whole_messages() -> None:
    long = "네, 지금은 안전한 곳에 있고 곁에 사람이 있어요"
    shown = show({"text": "지금 안전하세요?", "buttons": [button("네"), button(long), {"title": "아니요", "payload": "/deny"}]})
    assert shown.quick_replies == {"네": "네", long[:13].rstrip() + "…": long, "아니요": "아니요"}


def test_buttons_beyond_the_tenth_are_named_in_the_text() -> None:
    titles = [f"{number}번 선택지" for number in range(13)]
    shown = show({"text": "골라 주세요.", "buttons": [button(title) for title in titles]})
    assert list(shown.quick_replies.values()) == titles[:10]
    assert shown.text == "\n".join(["골라 주세요.", *titles[10:]])


def test_phone_and_web_buttons_stay_on_the_card_of_their_text() -> None:
    phone = hotlines()[0].button(payload="전화할게요")
    web = button("채팅 상담", url="https://example.org/chat")
    shown = show({"text": "이야기를 들어 줄 사람이 있어요.", "buttons": [phone, web, button("괜찮아요")]})
    first, second = shown.outputs[0]["textCard"]["buttons"]
    assert first == {"label": "자살예방 109", "action": "phone", "phoneNumber": "109"}
    assert second == {"label": "채팅 상담", "action": "webLink", "webLinkUrl": "https://example.org/chat"}
    assert list(shown.quick_replies) == ["괜찮아요"]


def test_a_number_has_one_button_however_often_it_comes() -> None:
    shown = show({"text": "109, 자살예방 상담전화 109", "buttons": [hotlines()[0].button(payload="109")]})
    assert shown.numbers == ["109"]


def test_images_attachments_and_cards_have_their_place() -> None:
    image = "https://example.org/a.png"
    element = {"title": "호흡 연습", "subtitle": "4초 들이쉬고", "image_url": image, "buttons": [button("해 볼게요")]}
    shown = show({"image": image}, {"attachment": "https://example.org/a.pdf"}, {"elements": [element]})
    assert [next(iter(output)) for output in shown.outputs] == ["simpleImage", "simpleText", "basicCard"]
    assert shown.outputs[2]["basicCard"]["buttons"][0]["messageText"] == "해 볼게요"
    long = show({"elements": [{**element, "subtitle": "천천히. " * 60}]})
    assert long.outputs[0]["simpleImage"]["imageUrl"] == image
    assert long.text.count("천천히.") == 60


def test_kakao_json_of_the_domain_is_shown_if_kakao_can_show_it() -> None:
    text = {"simpleText": {"text": "카카오에서만"}}
    assert show({"custom": {"kakao": text}}).outputs == [text]
    both = {**text, "simpleImage": {"imageUrl": "https://example.org/a.png", "altText": "그림"}}
    unshown: list[Any] = [{"kakao": {"simpleText": {}}}, {"other": 1}, "text", {"kakao": both}]
    for wrong in unshown:
        assert reply([{"custom": wrong}]).outputs == []


def test_a_sentence_for_whoever_answers_in_the_bots_place() -> None:
    shown = Shown(check(sentence_answer("조금 천천히 적어 주세요. 급할 때는 119예요.")))
    assert shown.text == "조금 천천히 적어 주세요. 급할 때는 119예요."
    assert shown.numbers == ["119"]


words = st.text(st.sampled_from("가나다 힣ㅋㅠ.!?…\n😀👩\u200d👧é109-1577 0199abc\t\"'"), max_size=900)
buttons = st.lists(
    st.builds(
        lambda title, url: {"title": title, "payload": title, **({"url": url} if url else {})},
        words.filter(str.strip),
        st.sampled_from(["", "tel:109", "tel:0212345678", "https://example.org"]),
    ),
    max_size=14,
)
message = st.one_of(
    st.fixed_dictionaries({"text": words}),
    st.fixed_dictionaries({"text": words, "buttons": buttons}),
    st.fixed_dictionaries({"image": st.sampled_from(["https://example.org/a.png", "a.png"])}),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(message, min_size=1, max_size=6))
def test_whatever_the_bot_says_kakao_can_show_it_and_nothing_is_lost(messages: list[dict[str, Any]]) -> None:
    rest = reply(messages)
    if not rest.outputs:
        assert not any((one.get("text") or "").strip() or one.get("image") or one.get("buttons") for one in messages)
        return
    seen = ""
    while rest:
        given_answer, left = answer([rest])
        seen += Shown(check(given_answer.payload())).text
        assert left is None or len(left.outputs) < len(rest.outputs) or len(rest.outputs) > 3
        rest = left  # type: ignore[assignment]
    shown = sorted(re.findall(r"\S", seen))
    for one in messages:
        for character in set(re.findall(r"\S", one.get("text") or "")):
            assert character in shown
