"""What is personal in a message, and what only looks like it."""

from __future__ import annotations

import csv
import time
import unicodedata
from datetime import date
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from personal import PERSONAL

from bot.safety.personal_data import mask, mask_all

DATA = Path(__file__).parents[3] / "data"

WRITTEN_OTHERWISE = [
    ("9001011234568", "주민등록번호"),
    ("900101 1234568", "주민등록번호"),
    ("９００１０１－１２３４５６８", "주민등록번호"),
    ("구공공일공일 일이삼사오육팔", "주민등록번호"),
    ("01012345678", "전화번호"),
    ("010 1234 5678", "전화번호"),
    ("010.1234.5678", "전화번호"),
    ("0 1 0 1 2 3 4 5 6 7 8", "전화번호"),
    ("０１０－１２３４－５６７８", "전화번호"),
    ("٠١٠-١٢٣٤-٥٦٧٨", "전화번호"),
    ("010\u200b-1234\u200d-5678", "전화번호"),
    ("+82 10-1234-5678", "전화번호"),
    ("10-1234-5678", "전화번호"),
    ("011-234-5678", "전화번호"),
    ("02-123-4567", "전화번호"),
    ("(031) 123-4567", "전화번호"),
    ("070-1234-5678", "전화번호"),
    ("0505-123-4567", "전화번호"),
    ("공일공 일이삼사 오육칠팔", "전화번호"),
    ("공일공일이삼사오육칠팔", "전화번호"),
    ("공일공에 일이삼사에 오육칠팔", "전화번호"),
    ("영일영 다시 일이삼사 다시 오육칠팔", "전화번호"),
    ("공일공 하나둘셋넷 다섯여섯일곱여덟", "전화번호"),
    ("010-일이삼사-5678", "전화번호"),
    ("4111 1111 1111 1111", "카드번호"),
    ("4111111111111111", "카드번호"),
    ("3782 822463 10005", "카드번호"),
    ("123456-04-123456", "계좌번호"),
    ("3333-01-1234567", "계좌번호"),
    ("1002-123-456789", "계좌번호"),
    ("hong @ naver.com", "이메일"),
    ("hong(at)naver.com", "이메일"),
    ("서울특별시 관악구 신림동 123-45번지", "주소"),
    ("제주도 서귀포시 중문관광로 72번길 35, 3층 301호", "주소"),
    ("강남구 역삼동 12-3", "주소"),
    ("센텀아파트 101동 1203호", "주소"),
]  # fmt: skip

STAYS = [
    "109에 전화했어요", "1577-0199 정신건강 위기상담전화", "1388, 1366, 112, 119", "1588-9191", "1644-1234", "080-123-4567",
    "오늘은 2026-11-26이에요", "2026.11.26 10:30:00", "20261126", "1990년 1월 1일에 태어났어요", "4시 10분부터 5시 20분까지",
    "저는 29살이고 연봉 35,000,000원이에요", "계좌에 1000000원 있어", "카드값이 1,234,567원 나왔어", "100점 만점에 45점",
    "혈압이 120-80이고 맥박은 72예요", "10-20명 정도", "3.14159", "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11",
    "주문번호 20261126123456",
    "4111 1111 1111 1112", "강남에서 친구를 만났어", "서울 살아요", "101동 살아요", "1층 2호선 타고", "카톡 아이디는 hong이야",
    "이 일이 오래 걸려서 사 일이 지났어", "공부 일이 사구팔", "마포대교 옥상에서 뛰어내릴 거야", "@친구야", "5시 @ 회사",
]  # fmt: skip


@pytest.mark.parametrize("kind", PERSONAL)
def test_every_kind_of_personal_data_is_masked(kind: str) -> None:
    masked = mask(f"제 얘기를 할게요. {PERSONAL[kind]} 이에요. 잠이 안 와요")
    assert masked == f"제 얘기를 할게요. [{kind}] 이에요. 잠이 안 와요"


@pytest.mark.parametrize(("text", "kind"), WRITTEN_OTHERWISE)
def test_however_it_is_written(text: str, kind: str) -> None:
    assert mask(text) == f"[{kind}]"


@pytest.mark.parametrize("text", STAYS)
def test_ordinary_numbers_and_hotlines_stay(text: str) -> None:
    assert mask(text) == text


def test_nothing_that_comes_with_the_project_is_taken_for_personal() -> None:
    for file in DATA.glob("*.csv"):
        with file.open(encoding="utf-8-sig", newline="") as stream:
            assert [cell for row in csv.reader(stream) for cell in row if mask(cell) != cell] == []
    for file in DATA.glob("*.yml"):
        assert mask(file.read_text(encoding="utf-8")) == file.read_text(encoding="utf-8")


def test_what_is_said_beside_it_stays_for_whoever_must_help() -> None:
    assert mask("서울시 강남구 테헤란로 123 옥상이야 뛰어내릴 거야") == "[주소] 옥상이야 뛰어내릴 거야"
    assert mask("내 번호는 공일공 일이삼사 오육칠팔이에요") == "내 번호는 [전화번호]이에요"
    assert mask("109 말고 010-1234-5678로 전화해") == "109 말고 [전화번호]로 전화해"


def test_decomposed_hangul_hides_nothing() -> None:
    assert mask(unicodedata.normalize("NFD", "공일공 일이삼사 오육칠팔")) == "[전화번호]"
    assert mask(unicodedata.normalize("NFD", "마포구 합정동 369-20")) == "[주소]"


@given(before=st.text(max_size=40), after=st.text(max_size=40), kind=st.sampled_from(sorted(PERSONAL)))
def test_whatever_stands_around_it_a_masked_text_has_no_trace(before: str, after: str, kind: str) -> None:
    assert PERSONAL[kind] not in mask(f"{before} {PERSONAL[kind]} {after}")


@given(st.text(alphabet=st.sampled_from("0123456789-. @공일이삼사오에동호층가a\u200b\ud800[]주소"), max_size=80))
def test_masking_what_is_masked_changes_nothing(text: str) -> None:
    assert mask(mask(text)) == mask(text)


@example(date(1799, 1, 1), "%Y%m%d")
@given(st.dates(), st.sampled_from(["%Y-%m-%d", "%Y.%m.%d", "%Y/%m/%d", "%Y%m%d", "%Y년 %m월 %d일", "%Y-%m-%dT%H:%M:%S"]))
def test_a_date_is_no_personal_data(day: date, form: str) -> None:
    text = f"{day:{form}}"
    assert mask(text) == text


@given(
    st.integers(min_value=10_000_000, max_value=99_999_999),
    st.sampled_from(["010", "011", "016", "070"]),
    st.text("-. ", max_size=1),
)
def test_every_telephone_number_goes(number: int, prefix: str, between: str) -> None:
    assert mask(f"{prefix}{between}{number // 10_000}{between}{number % 10_000:04}") == "[전화번호]"


def test_values_are_masked_wherever_they_stand_and_the_original_is_left() -> None:
    phone = PERSONAL["전화번호"]
    value = {"text": phone, phone: [{"a": (phone, 4111111111111111, 3, 1.5, None, True)}]}
    masked = mask_all(value)
    assert masked == {"text": "[전화번호]", "[전화번호]": [{"a": ["[전화번호]", "[카드번호]", 3, 1.5, None, True]}]}
    assert value["text"] == phone


@pytest.mark.parametrize(
    "text",
    [
        "1", "1-", "010-", "공 ", "일에", "1동", "a@", "강남구 1", "\ud800 1", "\u200b1",
        f"1 계좌{' ' * 990}", "1" + "\u1100" * 19_999,
    ],
    ids=lambda text: repr(text[:10]),
)  # fmt: skip
def test_a_long_message_is_read_in_time_that_grows_with_its_length(text: str) -> None:
    start = time.perf_counter()
    mask(text * (20_000 // len(text)))
    assert time.perf_counter() - start < 5


def test_a_long_text_hides_nothing_between_the_stretches_in_which_it_is_read() -> None:
    for label, personal in PERSONAL.items():
        for before in range(600, 1_200, 25):
            masked = mask(f"{'가나 ' * (before // 3)}{personal} {'다라 ' * 300}")
            assert personal not in masked
            assert masked.count(f"[{label}]") == 1
