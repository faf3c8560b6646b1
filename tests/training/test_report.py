"""The evaluation report of a slice of the open dataset, made through the real command line."""

from __future__ import annotations

import base64
import csv
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml

from training.evaluation import evaluate
from training.report import EvaluationResult, write_report

ROOT = Path(__file__).parents[2]
WORDS = yaml.safe_load((ROOT / "training" / "templates" / "report.yml").read_text(encoding="utf-8"))
SECTIONS = ("figures", "made_of", "reliability", "risk_coverage", "areas", "confusions", "learning_curve", "sizes")
PICTURES = ("reliability", "risk_coverage", "areas", "learning_curve", "sizes")
MARKUP = """<script>alert("마음")</script> & <img src=http://example.org/a.png>"""
STRANGE = "감정/<b>새로운</b> 것"  # a category never trained on, so that its utterances stand among the confusions
TESTED = 3
VOID = {"meta", "source", "img", "br", "wbr"}


@dataclass
class Page(HTMLParser):
    """The page as a browser would see it; fails where a tag isn't closed."""

    html: str
    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    text: str = ""
    open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A training and a test file: every thirtieth category of the open dataset, and a strange one to be tested on."""
    utterances: dict[str, list[str]] = {}
    with (ROOT / "data" / "wellness.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            if row["유저"]:
                utterances.setdefault(row["구분"], []).append(row["유저"])
    folder = tmp_path_factory.mktemp("files")
    for name, part in (("train", slice(TESTED, None)), ("test", slice(TESTED))):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["구분", "유저", "챗봇"])
            writer.writerows(
                (category, text, "") for category in sorted(utterances)[::30] for text in utterances[category][part]
            )
            if name == "test":
                writer.writerows((STRANGE, MARKUP + " 잠" * count, "") for count in range(4))
    return folder / "train.csv", folder / "test.csv"


@pytest.fixture(scope="module")
def made(files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Page, Path]:
    """The report as somebody gets it who types the command, and their home folder."""
    home, out = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("out")
    arguments = ["--train", str(files[0]), "--test", str(files[1]), "--json", str(out / "a.json"), "--encoder", "none"]
    command = [sys.executable, "-m", "training", "evaluate", *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MPL", "XDG_"))}
    # A machine on which looking through the fonts takes long, about which matplotlib has something to say after 5 s.
    slow = tmp_path_factory.mktemp("bin") / "fc-list"
    slow.write_text("#!/bin/sh\ncase $1 in --format*) sleep 6 ;; esac\n", encoding="utf-8")
    slow.chmod(0o755)
    environment |= {"HOME": str(home), "PATH": f"{slow.parent}{os.pathsep}{environment['PATH']}"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in out.iterdir()} == {"a.json", "a.html"}
    assert str(out / "a.html") in done.stdout
    return Page((out / "a.html").read_text(encoding="utf-8")), home


@pytest.fixture(scope="module")
def result(files: tuple[Path, Path]) -> EvaluationResult:
    return evaluate(*files)


@pytest.fixture
def page_of(tmp_path: Path) -> Callable[[EvaluationResult], Page]:
    """Makes a report, failing on any letter that can't be drawn."""

    def write(result: EvaluationResult) -> Page:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*[Gg]lyph")
            write_report(tmp_path / "report.html", result)
        return Page((tmp_path / "report.html").read_text(encoding="utf-8"))

    return write


def test_every_section_is_there_in_korean_and_english(made: tuple[Page, Path]) -> None:
    page = made[0]
    assert [section["id"] for section in page.all("section")] == list(SECTIONS)
    for name in SECTIONS:
        assert WORDS[name]["title"] in page.text
        assert WORDS[name]["subtitle"] in page.text
    assert page.all("html") == [{"lang": "ko"}]


def test_the_headline_figures_are_those_of_the_json(
    result: EvaluationResult, page_of: Callable[[EvaluationResult], Page]
) -> None:
    text = page_of(result).text
    for figure in (f"{result.figures['top1']:.1%}", f"{result.figures['top3']:.1%}", f"{result.figures['macro_f1']:.3f}"):
        assert figure in text
    assert "numpy\N{NO-BREAK SPACE}" in text


def test_nothing_is_asked_of_the_network(made: tuple[Page, Path]) -> None:
    page = made[0]
    assert not {tag for tag, _ in page.elements} & {"script", "link", "iframe", "object", "base", "a", "form"}
    for _, attributes in page.elements:
        assert all(value.startswith("data:") for name, value in attributes.items() if name in ("src", "srcset", "href"))
    assert not re.search(r"url\(|@import", page.html)
    assert "default-src 'none'" in page.html


def test_every_picture_is_described_and_explained(made: tuple[Page, Path]) -> None:
    page = made[0]
    assert len(page.all("img")) == len(page.all("figcaption")) == len(PICTURES)
    for name, image in zip(PICTURES, page.all("img")):
        assert len(image["alt"]) > 30
        assert re.search(r"\d", image["alt"])
        assert WORDS[name]["how"] in page.text


def test_every_picture_is_drawn_for_light_and_for_dark(made: tuple[Page, Path]) -> None:
    page = made[0]
    assert len(page.all("source")) == len(PICTURES)
    for source, image in zip(page.all("source"), page.all("img")):
        assert source["media"] == "(prefers-color-scheme: dark)"
        assert decoded(source["srcset"]) != decoded(image["src"])


def test_korean_letters_are_drawn_as_outlines_of_the_font(made: tuple[Page, Path]) -> None:
    for name, image in zip(PICTURES, made[0].all("img")):
        drawing = decoded(image["src"])
        ElementTree.fromstring(drawing)
        letters = {character for word in WORDS[name].values() for character in word if "가" <= character <= "힣"}
        outlines = {int(code, 16) for code in re.findall(r'id="NanumGothic\w*-([0-9a-f]+)"', drawing)}
        assert outlines
        assert {chr(code) for code in outlines if 0xAC00 <= code <= 0xD7A3} & letters
        assert "<text" not in drawing


def test_an_utterance_is_shown_and_never_obeyed(made: tuple[Page, Path]) -> None:
    page = made[0]
    assert MARKUP in page.text
    assert STRANGE in page.text
    assert "<script" not in page.html
    assert "<b>" not in page.html


def test_nothing_is_left_in_the_home_folder(made: tuple[Page, Path]) -> None:
    assert list(made[1].iterdir()) == []


def test_the_same_result_makes_the_same_page(result: EvaluationResult, page_of: Callable[[EvaluationResult], Page]) -> None:
    assert page_of(result).html == page_of(result).html


def test_names_that_cannot_be_drawn_do_no_harm(result: EvaluationResult, page_of: Callable[[EvaluationResult], Page]) -> None:
    areas = ["돈$x^2$", "🙂", "\\frac{", "᠀" * 30, "위험<&>", *(f"영역{number}" for number in range(20))]
    truth = [f"{areas[index % len(areas)]}/{category}" for index, category in enumerate(result.truth)]
    assert WORDS["areas"]["others"] in page_of(replace(result, truth=truth)).all("img")[2]["alt"]


def test_a_threshold_that_nothing_reaches_is_said(
    result: EvaluationResult, page_of: Callable[[EvaluationResult], Page]
) -> None:
    page = page_of(replace(result, threshold=1.5))
    assert WORDS["risk_coverage"]["none_chosen"].format(threshold=1.5) in page.all("img")[1]["alt"]
    assert "nan" not in page.text


def test_a_model_that_is_always_right_has_no_confusions(
    result: EvaluationResult, page_of: Callable[[EvaluationResult], Page]
) -> None:
    page = page_of(replace(result, truth=result.taken))
    assert WORDS["confusions"]["none"] in page.text
    assert len(page.all("table")) == 2


def test_one_utterance_is_enough(result: EvaluationResult, page_of: Callable[[EvaluationResult], Page]) -> None:
    one = replace(result, predicted=result.predicted[:1], texts=result.texts[:1], truth=result.truth[:1])
    assert len(page_of(one).all("img")) == len(PICTURES)


def test_half_a_surrogate_pair_does_not_stop_the_report(
    result: EvaluationResult, page_of: Callable[[EvaluationResult], Page]
) -> None:
    assert "?반쪽" in page_of(replace(result, texts=["\ud800반쪽"] * len(result.texts))).text


def test_the_commonest_confusion_comes_first(result: EvaluationResult, page_of: Callable[[EvaluationResult], Page]) -> None:
    taken, *_ = result.labels
    predicted = np.full_like(result.predicted, 0.1)
    predicted[:, 0] = 0.8
    page = page_of(replace(result, predicted=predicted))
    first = page.text[page.text.rindex(WORDS["confusions"]["columns"]["examples"]) :].split()
    assert first[1:5] == [*STRANGE.split(), taken, "4"]


def decoded(uri: str) -> str:
    """The SVG in a data URI."""
    return base64.b64decode(uri.removeprefix("data:image/svg+xml;base64,")).decode("utf-8")
