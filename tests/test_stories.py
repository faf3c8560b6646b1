"""The conversations in `tests/stories/`, with the trained model and Rasa's own story tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
STORIES = sorted((ROOT / "tests" / "stories").glob("test_*.yml"))


def test_every_story_ends_as_it_is_told(tmp_path: Path) -> None:
    command = ["test", "core", "--e2e", "--fail-on-prediction-errors", "--no-plot", "--no-warnings"]
    command += ["--stories", "tests/stories", "--model", "models/maeum.tar.gz", "--out", str(tmp_path)]
    result = subprocess.run(
        [sys.executable, "-m", "bot.quiet_rasa", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    # `rasa test core` is content with no model and with no stories, so what it did is counted.
    report = json.loads((tmp_path / "story_report.json").read_text(encoding="utf-8"))
    told = [story for file in STORIES for story in yaml.safe_load(file.read_text(encoding="utf-8"))["stories"]]
    assert report["conversation_accuracy"] == {
        "accuracy": 1.0, "correct": len(told), "with_warnings": 0, "total": len(told)
    }  # fmt: skip
    assert len(told) >= 40


def test_every_step_of_a_person_is_what_they_typed() -> None:
    for file in STORIES:
        for story in yaml.safe_load(file.read_text(encoding="utf-8"))["stories"]:
            assert all("user" in step for step in story["steps"] if "intent" in step), story["story"]
