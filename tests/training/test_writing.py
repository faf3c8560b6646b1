"""Files that are there whole or not at all."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from training.writing import check_writable, write_whole


@contextmanager
def little_room() -> Iterator[None]:
    """No file of this process may grow beyond 1,000 bytes, as on a disk that is full.

    Not a fixture: pytest's own output may go to a file, and it reports on a test before its fixtures end.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_stood_there_outlives_a_full_disk(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    write_whole(file, "전에 쓴 것")
    with little_room(), pytest.raises(OSError, match=r"report\.html'$"):
        write_whole(file, "마음" * 1000)
    assert file.read_text(encoding="utf-8") == "전에 쓴 것"
    assert list(tmp_path.iterdir()) == [file]


def test_asking_whether_a_file_can_be_written_leaves_everything_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    check_writable(file)
    assert not file.exists()
    write_whole(file, "마음")
    check_writable(file)
    assert file.read_text(encoding="utf-8") == "마음"


@pytest.mark.parametrize("place", [".", "no/such/folder/report.html"])
def test_a_place_that_cannot_be_written_is_found_out_beforehand(tmp_path: Path, place: str) -> None:
    with pytest.raises(OSError, match=str(tmp_path)):
        check_writable(tmp_path / place)
