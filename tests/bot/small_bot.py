"""A whole bot with the project's own rules, responses and ordinary intents, but few categories: it trains in seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml
from servers import ROOT

CATEGORIES = ("감정.우울감", "감정.외로움", "증상.불면", "감정.자살충동", "배경.직장.스트레스", "모호함")
_EXAMPLES = 40


def train(folder: Path) -> Path:
    """Trains it in `folder` and returns the model. `python -m training import` must have been run before."""
    data = folder / "data"
    data.mkdir(parents=True)
    nlu = yaml.load((ROOT / "data" / "generated" / "nlu.yml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    few = [entry for entry in nlu["nlu"] if entry["intent"].removeprefix("wellness/") in CATEGORIES]
    for entry in few:
        entry["examples"] = "".join(f"{line}\n" for line in entry["examples"].splitlines()[:_EXAMPLES])
    (data / "nlu.yml").write_text(
        yaml.safe_dump({"version": "3.1", "nlu": few}, allow_unicode=True, width=10_000), encoding="utf-8"
    )
    for file in ("intents.yml", "rules.yml", "generated/responses.yml"):
        (data / Path(file).name).write_bytes((ROOT / "data" / file).read_bytes())
    command = ["train", "--skip-validation", "--config", "tests/configs/small_bot.yml", "--domain", "domain.yml"]
    command += ["--data", str(data), "--out", str(folder), "--fixed-model-name", "small"]
    trained = subprocess.run(
        [sys.executable, "-m", "bot.quiet_rasa", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert trained.returncode == 0, trained.stderr
    return folder / "small.tar.gz"
