"""Reading the tables people really have: CSV or XLSX, UTF-8 or CP949, with columns in any order."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

csv.field_size_limit(10_000_000)

# What pandas, databases and Excel write for a cell without a value. Only in this spelling: "null" and "none" are names, too.
_BLANKS = {
    "nan", "NaN", "NaT", "None", "<NA>", "NULL", "N/A", "#N/A", "#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!",
    "#SPILL!", "#CALC!",
}  # fmt: skip


class TableError(Exception):
    """A file can't be read as the table that is wanted; the message is a sentence for whoever gave the file."""


Row = dict[str, str]


def read_table(path: Path, layouts: Sequence[Sequence[str]]) -> tuple[Sequence[str], list[Row]]:
    """The rows of a CSV or XLSX file that has all the columns of one of `layouts`.

    Of a workbook the first sheet with a layout tells which it is; then come the rows of every other sheet that has it.

    Returns:
        The layout that was found, and one dict a row with just its columns: NFC, white space folded, control characters
        gone, blank cells as "". Rows blank in all of them are left out.

    Raises:
        TableError: there is no such file, it can't be read, it isn't a table, or columns are missing.
    """
    seen: list[str] = []
    found: Sequence[str] | None = None
    table: list[Row] = []
    for sheet in _sheets(path):
        rows = ([clean(cell) for cell in row] for row in sheet)
        header = next((row for row in rows if any(row)), [])
        seen.extend(name for name in header if name)
        folded = [name.casefold() for name in header]
        for layout in layouts if found is None else [found]:
            if all(column.casefold() in folded for column in layout):
                found = layout
                places = {column: folded.index(column.casefold()) for column in layout}
                picked = ({column: row[at] if at < len(row) else "" for column, at in places.items()} for row in rows)
                table.extend(row for row in picked if any(row.values()))
                break
    if not seen:
        raise TableError(f"{path}: the file is empty; give a file with a header and rows.")
    if found is None:
        wanted = ", or ".join(", ".join(layout) for layout in layouts)
        names = ", ".join(name[:20] for name in seen[:8])
        raise TableError(f"{path}: the columns {wanted} are wanted in the first row, and it has: {names}.")
    if not table:
        raise TableError(f"{path}: there is nothing under the header; give a file with rows.")
    return found, table


def clean(cell: Any) -> str:
    """A cell as one line of NFC text; None, and what programs write for it, is ""."""
    text = "" if cell is None else str(cell)
    text = "".join(character for character in text if character.isspace() or unicodedata.category(character) != "Cc")
    # Last, because a control character may have stood between two that compose.
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    return "" if text in _BLANKS else text


def _sheets(path: Path) -> Iterator[Iterator[Sequence[Any]]]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise TableError(f"{path}: there is no such file; check the path.") from None
    except OSError as error:
        raise TableError(f"{path}: the file can't be read ({error.strerror}); check what it is and who may read it.") from None
    if content.startswith(b"PK\x03\x04"):
        yield from _workbook(path, content)
    else:
        yield _comma_separated(path, content)


def _workbook(path: Path, content: bytes) -> Iterator[Iterator[Sequence[Any]]]:
    import openpyxl

    try:
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        for sheet in book.worksheets:
            sheet.reset_dimensions()  # some programs write "A1" there, whatever the sheet holds
        sheets = [_filled_down(sheet) for sheet in book.worksheets]
    except Exception:  # of a dozen kinds: zipfile's, zlib's, the XML parser's, openpyxl's own
        raise TableError(
            f"{path}: the file is not an Excel workbook that can be opened; save it again as XLSX or CSV."
        ) from None
    yield from map(iter, sheets)


def _filled_down(sheet: Any) -> list[list[Any]]:
    """The rows of a sheet, a cell merged over several below the header standing in each of them that holds anything."""
    from openpyxl.worksheet.cell_range import CellRange

    rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    header = next((number for number, row in enumerate(rows, 1) if any(row)), len(rows))
    for area in map(CellRange, _merged(sheet)):
        top, *below = rows[area.min_row - 1 : area.max_row] or [[]]
        column = area.min_col - 1
        if area.min_row > header and column < len(top):
            for row in filter(any, below):
                row.extend([None] * (column + 1 - len(row)))
                row[column] = top[column]
    return rows


def _merged(sheet: Any) -> Iterator[str]:
    """The areas of merged cells, "A2:A9", from the sheet's XML.

    openpyxl's read-only mode passes them over. Its other mode takes three times the memory, and a cell for each place of an
    area, though that be a whole column.
    """
    with sheet._get_source() as source:
        for _, element in ElementTree.iterparse(source):
            if element.tag.endswith("}mergeCell"):
                yield element.attrib["ref"]
            element.clear()


def _comma_separated(path: Path, content: bytes) -> Iterator[Sequence[str]]:
    text = _decoded(path, content)
    header = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",\t;", key=header.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        yield from rows
    except csv.Error as error:
        raise TableError(f"{path}, line {rows.line_num}: not a row of a table ({error}); save the file again as CSV.") from None


def _decoded(path: Path, content: bytes) -> str:
    if b"\0" in content and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise TableError(f"{path}: the file is neither CSV nor XLSX; save it as one of them.")
    # In this order: CP949 takes much that is UTF-8, and UTF-8 takes nothing that is CP949 Hangul.
    for encoding in ("utf-16",) if b"\0" in content else ("utf-8-sig", "cp949"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise TableError(f"{path}: the text is neither UTF-8 nor CP949; save the file again as UTF-8 CSV.")
