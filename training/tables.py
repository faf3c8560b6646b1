"""Reading the tables people really have: CSV or XLSX, UTF-8 or CP949, with columns in any order."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

csv.field_size_limit(10_000_000)


class TableError(Exception):
    """A file can't be read as the table that is wanted; the message is a sentence for whoever gave the file."""


Row = dict[str, str]


def read_table(path: Path, layouts: Sequence[Sequence[str]]) -> tuple[Sequence[str], list[Row]]:
    """The rows of a CSV or XLSX file that has all the columns of one of `layouts`.

    Returns:
        The layout that was found, and one dict a row with just its columns: NFC, white space folded, control characters
        gone, blank cells as "". Rows blank in all of them are left out.

    Raises:
        TableError: there is no such file, it can't be read, it isn't a table, or columns are missing.
    """
    seen: list[str] = []
    for sheet in _sheets(path):
        rows = ([clean(cell) for cell in row] for row in sheet)
        header = next((row for row in rows if any(row)), [])
        seen.extend(name for name in header if name)
        folded = [name.casefold() for name in header]
        for layout in layouts:
            if all(column.casefold() in folded for column in layout):
                places = {column: folded.index(column.casefold()) for column in layout}
                table = [{column: row[at] if at < len(row) else "" for column, at in places.items()} for row in rows]
                table = [row for row in table if any(row.values())]
                if not table:
                    raise TableError(f"{path}: there is nothing under the header; give a file with rows.")
                return layout, table
    if not seen:
        raise TableError(f"{path}: the file is empty; give a file with a header and rows.")
    wanted = ", or ".join(", ".join(layout) for layout in layouts)
    found = ", ".join(name[:20] for name in seen[:8])
    raise TableError(f"{path}: the columns {wanted} are wanted in the first row, and it has: {found}.")


def clean(cell: Any) -> str:
    """A cell as one line of NFC text; None is ""."""
    text = "" if cell is None else str(cell)
    text = "".join(character for character in text if character.isspace() or unicodedata.category(character) != "Cc")
    # Last, because a control character may have stood between two that compose.
    return unicodedata.normalize("NFC", " ".join(text.split()))


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
        sheets = [list(sheet.iter_rows(values_only=True)) for sheet in book.worksheets]
    except Exception:  # of a dozen kinds: zipfile's, zlib's, the XML parser's, openpyxl's own
        raise TableError(
            f"{path}: the file is not an Excel workbook that can be opened; save it again as XLSX or CSV."
        ) from None
    yield from map(iter, sheets)


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
