from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components.crisis_answers import CUES_FILE, Answer, AnswerReader, load_cues

READER = AnswerReader(load_cues(), answer_threshold=0.25, safe_threshold=0.6)


def read(text: str, **ranking: float) -> Answer:
    return READER.read(text, [{"name": name, "confidence": confidence} for name, confidence in ranking.items()])


@pytest.mark.parametrize(
    "text",
    ["네, 안전해요", "안전합니다", "이제 안전해요!!", "이제 안전해졌어요", "지금은 괜찮아요", "네 안 전 해 요",
     "위험하지 않아요", "나 안전해 걱정 마", "그분은 안전해요"],
)  # fmt: skip
def test_who_says_plainly_that_they_are_safe_is_believed(text: str) -> None:
    assert read(text) is Answer.SAFE


@pytest.mark.parametrize(
    "text",
    [
        "아니요, 안전하지 않아요", "안 안전해", "안전한지 모르겠어요", "응 근데 또 무서워", "응 나 다리 위야", "괜찮지 않아요",
        "네 안전하지 않아요", "지금 칼을 들고 있어요", "살려주세요", "네... 위험해요",
    ],
)  # fmt: skip
def test_a_word_of_danger_is_never_a_yes(text: str) -> None:
    assert read(text, affirm=0.99, crisis_safe=0.99) is Answer.NOT_SAFE


@pytest.mark.parametrize(
    "text", ["안전해지고 싶어", "안전하긴 해요", "안전해?", "괜찮아요", "안전하다고 치자", "아직은 괜찮아", "잠이 안 와요",
     "ㅠㅠ", "", "😀", "안전할까", "안전해지면 말할게요", "안전하면 뭐해요", "나만 없으면 다 안전해요",
     "이제 마음이 편해졌어요", "이제 괜찮아요 다 끝났어요"]
)  # fmt: skip
def test_what_isnt_plainly_safe_is_unclear(text: str) -> None:
    assert read(text, affirm=0.9) is Answer.UNCLEAR


def test_bare_yes_and_no_are_read_with_their_signs() -> None:
    assert {read(text) for text in ("네", "응!!", "ㅇㅇ", "네ㅠㅠ", "넵~", " 예 . ")} == {Answer.YES}
    assert {read(text) for text in ("아니요", "ㄴㄴ", "아니...", "아니에요ㅠㅠㅠㅠ")} == {Answer.NO}


def test_other_answers_are_read() -> None:
    assert read("더 이야기하고 싶어요") is Answer.KEEP_TALKING
    assert read("제 얘기가 아니라 친구 얘기예요") is Answer.SOMEONE_ELSE
    assert read("109에 전화해 볼게요") is Answer.CALLING


def test_where_the_words_say_nothing_the_classifier_is_asked_and_must_be_surer_of_safe() -> None:
    assert read("한고비 넘겼어요", crisis_safe=0.7) is Answer.SAFE
    assert read("한고비 넘겼어요", crisis_safe=0.5) is Answer.UNCLEAR
    assert read("손이 떨리네요", crisis_not_safe=0.3, crisis_safe=0.2) is Answer.NOT_SAFE
    assert read("음", wellness=0.9, keep_talking=0.05) is Answer.UNCLEAR


@given(st.text())
def test_anything_can_be_read_and_only_a_safe_or_yes_word_makes_it_safe(text: str) -> None:
    answer = read(text)
    assert isinstance(answer, Answer)
    if not any(letter in text for letter in "안괜위가진네넵넹넴에예옙응웅엉어ㅇ그맞물당으yo오마기") and text.isprintable():
        assert answer not in (Answer.SAFE, Answer.YES)


@given(
    st.text(max_size=10), st.sampled_from(["안전하지 않아요", "위험해요", "죽고 싶어요", "살려주세요"]), st.text(max_size=10)
)
def test_danger_anywhere_in_a_message_is_never_safe(before: str, danger: str, after: str) -> None:
    # "위험해요" must not become "위험하지 않아요" by what follows, so that is kept apart.
    assert read(f"{before} {danger} {after}", crisis_safe=0.99) not in (Answer.SAFE, Answer.YES)


@pytest.mark.parametrize(
    ("change", "word"), [({"safe": None}, "safe"), ({"maybe": ["x"]}, "maybe"), ({"safe": ["(안전"]}, "안전")]
)  # fmt: skip
def test_a_wrong_file_is_named(tmp_path: Path, change: dict[str, list[str] | None], word: str) -> None:
    answers = {**yaml.safe_load(CUES_FILE.read_text(encoding="utf-8"))["answers"], **change}
    file = tmp_path / "answers.yml"
    content = {"answers": {name: patterns for name, patterns in answers.items() if patterns}}
    file.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    with pytest.raises(ValueError, match=word):
        load_cues(file)
