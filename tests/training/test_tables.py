"""Tables as people have them: every file here is written to disk and read back."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.dataset import CHATBOT_COLUMNS, WELLNESS_COLUMNS
from training.tables import Row, TableError, clean, read_table

LAYOUTS = (WELLNESS_COLUMNS, CHATBOT_COLUMNS)
CATEGORY, UTTERANCE, ANSWER = "감정/걱정/건강염려", "몸이 아플까 봐, 걱정돼요 ㅠㅠ", "건강이 걱정되시는군요."
TABLE = f'구분,유저,챗봇\n{CATEGORY},"{UTTERANCE}",{ANSWER}\n'
ROWS = [dict(zip(WELLNESS_COLUMNS, (CATEGORY, UTTERANCE, ANSWER)))]
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0\x1f\x15\xc4\x89"


def rows_of(file: Path, content: str | bytes, encoding: str = "utf-8") -> list[Row]:
    """The rows read back from `content`, written to `file`."""
    file.write_bytes(content.encode(encoding) if isinstance(content, str) else content)
    return read_table(file, LAYOUTS)[1]


def workbook(*sheets: Sequence[Sequence[object]], merged: Sequence[str] = ()) -> bytes:
    """An XLSX file with these sheets, and these cells merged in each."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for rows in sheets:
        sheet = book.create_sheet()
        for row in rows:
            sheet.append(row)
        for area in merged:
            sheet.merge_cells(area)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def rewritten(content: bytes, pattern: bytes, replacement: bytes) -> bytes:
    """A workbook whose sheets have `replacement` for what matches `pattern`."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w") as new:
        for name in old.namelist():
            part = old.read(name)
            new.writestr(name, re.sub(pattern, replacement, part) if "worksheets/" in name else part)
    return stream.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949", "utf-16"])
def test_text_is_read_in_every_encoding_that_excel_saves(tmp_path: Path, encoding: str) -> None:
    assert rows_of(tmp_path / "talk.csv", TABLE, encoding) == ROWS


def test_utf_16_is_read_in_either_byte_order(tmp_path: Path) -> None:
    assert rows_of(tmp_path / "talk.csv", "\ufeff" + TABLE, "utf-16-be") == ROWS


@pytest.mark.parametrize("delimiter", ["\t", ";"])
def test_tabs_and_semicolons_separate_columns_too(tmp_path: Path, delimiter: str) -> None:
    content = delimiter.join(WELLNESS_COLUMNS) + "\n" + delimiter.join(ROWS[0].values()) + "\n"
    assert rows_of(tmp_path / "talk.csv", content) == ROWS


def test_a_workbook_is_read_whatever_its_file_is_called(tmp_path: Path) -> None:
    content = workbook([WELLNESS_COLUMNS, (CATEGORY, UTTERANCE, ANSWER)])
    assert rows_of(tmp_path / "talk.xlsx", content) == ROWS
    assert rows_of(tmp_path / "talk.csv", content) == ROWS


def test_the_table_may_stand_on_any_sheet_of_a_workbook(tmp_path: Path) -> None:
    sheets = [("만든 날", 2026), ("만든 이", None)], [WELLNESS_COLUMNS, (CATEGORY, UTTERANCE, ANSWER)]
    assert rows_of(tmp_path / "talk.xlsx", workbook(*sheets)) == ROWS


def test_every_sheet_with_the_columns_of_the_first_such_is_read(tmp_path: Path) -> None:
    content = workbook(
        [("만든 날", 2026)],
        [WELLNESS_COLUMNS, ("감정/화", "화가 나요", "")],
        [CHATBOT_COLUMNS, ("심심해", "놀아 드릴까요?", 0)],
        [("챗봇", "비고", "유저", "구분"), ("낯설지요.", "확인함", "이사했어요", "배경/이사")],
        [WELLNESS_COLUMNS],
    )
    rows = rows_of(tmp_path / "talk.xlsx", content)
    assert [tuple(row.values()) for row in rows] == [("감정/화", "화가 나요", ""), ("배경/이사", "이사했어요", "낯설지요.")]


def test_an_empty_sheet_before_the_full_one_is_passed_over(tmp_path: Path) -> None:
    content = workbook([WELLNESS_COLUMNS], [WELLNESS_COLUMNS, (CATEGORY, UTTERANCE, ANSWER)])
    assert rows_of(tmp_path / "talk.xlsx", content) == ROWS


def test_a_merged_cell_stands_in_each_of_its_rows(tmp_path: Path) -> None:
    content = workbook(
        [
            ("비고", *WELLNESS_COLUMNS),
            ("", "감정/화", "화가 나요", "화나셨군요."),
            ("", None, "열 받아", None),
            ("", None, "짜증 나", None),
            ("", "감정/슬픔", "슬퍼요", "슬프시군요."),
        ],
        merged=("A1:A2", "B2:B4", "D3:D4", "B5:B9"),
    )
    assert [tuple(row.values()) for row in rows_of(tmp_path / "talk.xlsx", content)] == [
        ("감정/화", "화가 나요", "화나셨군요."),
        ("감정/화", "열 받아", ""),
        ("감정/화", "짜증 나", ""),
        ("감정/슬픔", "슬퍼요", "슬프시군요."),
    ]


def test_a_merged_column_name_is_no_category(tmp_path: Path) -> None:
    content = workbook([WELLNESS_COLUMNS, ("", "한 문장", ""), (CATEGORY, UTTERANCE, ANSWER)], merged=("A1:A2", "C1:C2"))
    assert [row["구분"] for row in rows_of(tmp_path / "talk.xlsx", content)] == ["", CATEGORY]


def test_a_cell_merged_down_to_the_last_row_a_sheet_can_have_is_read_in_those_it_has(tmp_path: Path) -> None:
    content = workbook([WELLNESS_COLUMNS, (CATEGORY, UTTERANCE, ANSWER), ("", "걱정돼", "")], merged=("A2:A3",))
    rows = rows_of(tmp_path / "talk.xlsx", rewritten(content, b'ref="A2:A3"', b'ref="A2:XFD1048576"'))
    assert [row["구분"] for row in rows] == [CATEGORY, CATEGORY]


def test_a_workbook_that_misstates_its_size_is_read_whole(tmp_path: Path) -> None:
    content = rewritten(workbook([WELLNESS_COLUMNS, (CATEGORY, UTTERANCE, ANSWER)]), b'ref="A1:C2"', b'ref="A1"')
    assert rows_of(tmp_path / "talk.xlsx", content) == ROWS


def test_numbers_in_a_workbook_are_text(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "talk.xlsx", workbook([CHATBOT_COLUMNS, (109, "전화번호예요.", 0)]))
    assert rows == [{"Q": "109", "A": "전화번호예요.", "label": "0"}]


def test_columns_stand_in_any_order_among_strangers(tmp_path: Path) -> None:
    content = f',챗봇,비고,구분,유저,,\n1,{ANSWER},확인함,{CATEGORY},"{UTTERANCE}",,x\n'
    assert rows_of(tmp_path / "talk.csv", content) == ROWS


def test_column_names_are_found_in_any_case_and_the_layout_is_told(tmp_path: Path) -> None:
    file = tmp_path / "talk.csv"
    file.write_text(" q ,a,Label\n안녕,반가워요,0\n", encoding="utf-8")
    assert read_table(file, LAYOUTS) == (CHATBOT_COLUMNS, [{"Q": "안녕", "A": "반가워요", "label": "0"}])


def test_blank_rows_go_and_blank_and_missing_cells_are_empty(tmp_path: Path) -> None:
    rows = rows_of(tmp_path / "talk.csv", "\n ,\n구분,유저,챗봇\n,,\n\n감정/화\n, \t ,힘드셨군요.\n")
    assert [list(row.values()) for row in rows] == [["감정/화", "", ""], ["", "", "힘드셨군요."]]


def test_hangul_from_a_mac_is_composed(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", TABLE)
    assert decomposed != TABLE
    assert rows_of(tmp_path / "talk.csv", decomposed) == ROWS


def test_a_cell_of_several_lines_becomes_one(tmp_path: Path) -> None:
    (row,) = rows_of(tmp_path / "talk.csv", '구분,유저,챗봇\r\n화,"왜  이러는지\r\n\x07 모르겠어요 ",그래요\r\n')
    assert row["유저"] == "왜 이러는지 모르겠어요"


@pytest.mark.parametrize("blank", ["nan", "NaN", " None ", "NULL", "N/A", "<NA>", "NaT", "#N/A", "#REF!", "#DIV/0!"])
def test_what_programs_write_for_nothing_is_no_word(tmp_path: Path, blank: str) -> None:
    content = f"구분,유저,챗봇\n감정/화,화가 나요,{blank}\n{blank},{blank},{blank}\n{blank},화나,화나셨군요.\n"
    rows = [tuple(row.values()) for row in rows_of(tmp_path / "talk.csv", content)]
    assert rows == [("감정/화", "화가 나요", ""), ("", "화나", "화나셨군요.")]


@pytest.mark.parametrize("word", ["null", "none", "na", "난", "off", "#샵", "nan이 뭐예요"])
def test_words_that_only_look_like_nothing_stay(word: str) -> None:
    assert clean(word) == word


def test_an_excel_error_is_a_blank_cell(tmp_path: Path) -> None:
    content = workbook([WELLNESS_COLUMNS, (CATEGORY, UTTERANCE, "#REF!"), (CATEGORY, UTTERANCE, float("nan"))])
    assert [row["챗봇"] for row in rows_of(tmp_path / "talk.xlsx", content)] == ["", ""]


UNREADABLE = {
    "empty": (b"", "is empty"),
    "blank lines": (b"\xef\xbb\xbf\r\n \r\n,,\r\n", "is empty"),
    "header only": ("구분,유저,챗봇\n , ,\n".encode(), "nothing under the header"),
    "missing column": (
        "구분,유저\n감정/화,화가 나요\n".encode("cp949"),
        "the columns 구분, 유저, 챗봇, or Q, A, label are wanted",
    ),
    "JSON": (json.dumps(ROWS, indent=1).encode(), "are wanted in the first row"),
    "PNG": (PNG, "neither CSV nor XLSX"),
    "Latin": ("구분,유저,챗봇\n".encode() + b"\xff\xe9t\xe9\n", "neither UTF-8 nor CP949"),
    "UTF-16 cut in half": (TABLE.encode("utf-16")[:-1], "neither UTF-8 nor CP949"),
    "endless cell": ("구분,유저,챗봇\n".encode() + b"x" * 10_000_001, "line 2"),
    "workbook cut in half": (workbook([WELLNESS_COLUMNS])[:2000], "not an Excel workbook"),
    "workbook of broken XML": (rewritten(workbook([WELLNESS_COLUMNS]), b"</row>", b""), "not an Excel workbook"),
    "workbook header only": (workbook([WELLNESS_COLUMNS], []), "nothing under the header"),
    "workbook of nothing": (workbook([]), "is empty"),
    "ZIP": (b"PK\x03\x04" + b"\0" * 100, "not an Excel workbook"),
}


@pytest.mark.parametrize(("content", "reason"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_not_such_a_table_is_refused_in_one_sentence(tmp_path: Path, content: bytes, reason: str) -> None:
    file = tmp_path / "talk.csv"
    with pytest.raises(TableError, match=reason) as error:
        rows_of(file, content)
    assert str(error.value).startswith(str(file))
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)


def test_every_damaged_workbook_is_read_or_refused(tmp_path: Path) -> None:
    whole = workbook([WELLNESS_COLUMNS, *[(CATEGORY, f"{UTTERANCE} {number}", ANSWER) for number in range(20)]])
    for place in range(4, len(whole), 61):
        with suppress(TableError):
            assert rows_of(tmp_path / "talk.xlsx", whole[:place] + b"\xff" + whole[place + 1 :])


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="there is no such file"):
        read_table(tmp_path / "talk.csv", LAYOUTS)
    with pytest.raises(TableError, match="can't be read"):
        read_table(tmp_path, LAYOUTS)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables") / "talk.csv"


@st.composite
def encoded_tables(draw: st.DrawFn) -> tuple[list[tuple[str, str, str]], str]:
    """Cells of any text that an encoding has, and the encoding."""
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp949"]))
    cells = st.text(st.characters(codec=encoding if encoding == "cp949" else "utf-8", exclude_characters="\0"))
    return draw(st.lists(st.tuples(cells, cells, cells), max_size=5)), encoding


@given(encoded_tables())
def test_any_table_is_read_back_clean(file: Path, table: tuple[list[tuple[str, str, str]], str]) -> None:
    cells, encoding = table
    with file.open("w", encoding=encoding, newline="") as stream:
        csv.writer(stream).writerows([WELLNESS_COLUMNS, *cells])
    expected = [dict(zip(WELLNESS_COLUMNS, map(clean, row))) for row in cells if any(map(clean, row))]
    if expected:
        assert read_table(file, LAYOUTS) == (WELLNESS_COLUMNS, expected)
    else:
        with pytest.raises(TableError, match="nothing under the header"):
            read_table(file, LAYOUTS)


@given(st.text() | st.floats() | st.none())
def test_a_clean_cell_is_one_composed_line_and_stays_as_it_is(cell: str | float | None) -> None:
    text = clean(cell)
    assert text == clean(text) == unicodedata.normalize("NFC", text) == " ".join(text.split())
    assert not any(unicodedata.category(character) == "Cc" for character in text)
