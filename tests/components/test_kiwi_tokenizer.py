from __future__ import annotations

import unicodedata

from hypothesis import example, given, settings
from hypothesis import strategies as st
from rasa.nlu.tokenizers.tokenizer import Token
from rasa.shared.nlu.training_data.message import Message

from components.kiwi_tokenizer import KiwiTokenizer
from components.morphemes import morphemes, morphemes_of_all


def tokens(text: str) -> list[Token]:
    return KiwiTokenizer(KiwiTokenizer.get_default_config()).tokenize(Message.build(text), "text")


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.text(st.characters()), st.text(st.sampled_from("했었어요 잠이안와ㅠㅠㅋ😀가각ᆨ\u1100\u1161\u200b.,!a1"))))
@example("")
@example("   ")
@example("\ud800")
def test_tokens_are_slices_of_the_text_in_order_and_never_overlap(text: str) -> None:
    end = 0
    for token in tokens(text):
        assert token.text == text[token.start : token.end] != ""
        assert token.start >= end
        end = token.end


def test_morphemes_are_told_apart() -> None:
    assert [token.text for token in tokens("잠이 안와요")] == ["잠", "이", "안", "와요"]
    assert [token.lemma for token in tokens("잠이 안와요")] == ["잠", "이", "안", "오+어요"]


def test_morphemes_that_share_a_syllable_make_one_token() -> None:
    (did, ending) = tokens("했어요")
    assert (did.text, did.lemma, did.get("pos")) == ("했", "하+었", "VV+EP")
    assert ending.text == "어요"


def test_jamo_and_emoji_are_tokens_and_shift_nothing() -> None:
    text = "😀 힘들어 ㅠㅠ ㅋㅋㅋ 😭"
    found = tokens(text)
    assert {"ㅠㅠ", "ㅋㅋㅋ", "😀", "😭"} <= {token.text for token in found}
    assert text.index("힘들") == next(token.start for token in found if token.text.startswith("힘들"))


def test_decomposed_hangul_means_the_same_and_keeps_its_own_offsets() -> None:
    text = unicodedata.normalize("NFD", "밤에 잠을 못 잤어요")
    found = tokens(text)
    assert [token.lemma for token in found] == [token.lemma for token in tokens("밤에 잠을 못 잤어요")]
    assert all(token.text == text[token.start : token.end] for token in found)


def test_many_texts_are_analysed_as_each_alone_is() -> None:
    texts = ["잠이 안 와요ㅠㅠ", "", "했어\ud800", "ㅋㅋ 우울해", "\u1112\u1161\u11ab 번 더"]
    assert morphemes_of_all(texts) == [morphemes(text) for text in texts]
