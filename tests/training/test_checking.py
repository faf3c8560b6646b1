from __future__ import annotations

import csv
from pathlib import Path

import pytest

from training.checking import check, near_duplicates
from training.tables import TableError

BANNED = Path(__file__).parents[2] / "data" / "banned_in_answers.yml"
SLEEP = [
    "밤새 뒤척였어요",
    "새벽 네 시에 또 깼네",
    "잠이 안 와서 죽겠음",
    "누우면 눈이 말똥말똥",
    "불 끄고 두 시간째 천장만 봐요",
    "수면이 엉망이 됐어요",
    "베개만 몇 번을 뒤집는지",
    "낮엔 졸린데 밤엔 못 자요",
    "알람 전에 늘 깨 있어",
    "한숨도 못 자고 출근했다",
    "자다 깨면 다시 못 자",
    "잠드는 법을 잊었나 봐요",
]
WORK = [
    "팀장이 또 소리를 질렀어요",
    "야근이 끝이 없네요",
    "회의만 들어가면 숨고 싶음",
    "월요일 출근길이 무거워요",
    "보고서를 세 번째 다시 써요",
    "동료가 제 공을 가로챘어",
    "퇴근하고도 카톡이 옵니다",
    "연봉은 그대로인데 일만 늘어",
    "거래처 전화가 무섭다",
    "사수가 인사를 안 받아요",
    "평가 면담에서 깨졌어요",
    "점심도 못 먹고 일했네",
]


def written(folder: Path, *extra: tuple[str, str, str], answers: int = 3) -> Path:
    """A sound file of two categories, with rows added to it."""
    rows = [("증상/불면", text, "") for text in SLEEP] + [("배경/직장", text, "") for text in WORK]
    rows += [
        (name, "", f"{name}에 건네는 {number}번째 말이에요.")
        for name in ("증상/불면", "배경/직장")
        for number in range(answers)
    ]
    file = folder / "data.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerows([("구분", "유저", "챗봇"), *rows, *extra])
    return file


def problems(file: Path) -> list[str]:
    return check(file, BANNED, classify=False).problems


def test_a_sound_file_has_no_problem_and_is_counted(tmp_path: Path) -> None:
    report = check(written(tmp_path), BANNED, classify=False)
    assert report.problems == []
    assert report.statistics["categories"] == "2"
    assert report.statistics["utterances"] == "24 (12 to 12 a category)"


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (("증상/불면", SLEEP[0], ""), "duplicate: "),
        (("배경/직장", SLEEP[0], ""), "conflict: "),
        (("배경/직장", "야근이 끝이 없네요ㅠ", ""), "near-duplicates: "),
        (("배경/직장", "네", ""), "length 1: "),
        (("배경/학업", "시험을 또 망쳤어요", ""), "thin: 배경/학업 has 1 utterances"),
        (("배경/직장", "", "증상/불면에 건네는 0번째 말이에요."), "answer of "),
        (("배경/직장", "", "자낙스를 드셔 보세요."), "drug in an answer of 배경/직장"),
        (("배경/직장", "", "자기 전에 두 알씩 드세요."), "dose in an answer of 배경/직장"),
        (("배경/직장", "", "그건 공황장애인 것 같아요."), "diagnosis in an answer of 배경/직장"),
        (("배경/직장", "", "꼭 나을 거예요."), "promise in an answer of 배경/직장"),
    ],
)
def test_each_kind_of_problem_is_found(tmp_path: Path, row: tuple[str, str, str], problem: str) -> None:
    assert any(found.startswith(problem) for found in problems(written(tmp_path, row)))


def test_a_category_with_too_few_answers_is_found(tmp_path: Path) -> None:
    assert "thin: 증상/불면 has 2 answers, and 3 are wanted" in problems(written(tmp_path, answers=2))


def test_an_opening_used_again_and_again_is_found(tmp_path: Path) -> None:
    names = ("사과", "포도", "우산", "기차")
    rows = [("배경/직장", f"오늘도 우리 회사는 {name} 이야기뿐", "") for name in names]
    assert "opening used 4 times: '오늘도 우리 회사는'" in problems(written(tmp_path, *rows))


def test_naming_a_condition_is_no_diagnosis(tmp_path: Path) -> None:
    assert problems(written(tmp_path, ("배경/직장", "", "우울증이라는 말을 듣고 마음이 무거우셨겠어요."))) == []


def test_near_duplicates_are_pairs_of_places() -> None:
    assert near_duplicates(["잠이 너무 안 와요 정말", "밥이 맛있다", "잠이 너무 안 와요 정말로"]) == [(0, 2)]


def test_confusions_are_counted_out_of_fold(tmp_path: Path) -> None:
    report = check(written(tmp_path), BANNED)
    assert "out-of-fold top-1 / top-3" in report.statistics
    assert all(truth != taken and count > 0 for truth, taken, count in report.confusions)


def test_categories_of_an_utterance_or_two_are_checked_as_well(tmp_path: Path) -> None:
    file = tmp_path / "small.csv"
    file.write_text("구분,유저,챗봇\n화,화가 나요,\n화,화나,\n잠,잠이 안 와요,\n봄,봄이 왔어요,\n", encoding="utf-8")
    assert "out-of-fold top-1 / top-3" in check(file, BANNED).statistics


def test_a_file_without_an_utterance_is_refused_in_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    file.write_text("구분,유저,챗봇\n화,,그래요\n,화가 나요,그래요\n", encoding="utf-8")
    with pytest.raises(TableError, match="no row has both"):
        check(file, BANNED)
