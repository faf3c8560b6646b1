"""A bot of the project's own configuration, rules and domain, but for the encoder, that knows few categories."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml
from servers import ROOT

CATEGORIES = (
    "감정.자살충동",
    "증상.자살시도",
    "증상.자해",
    "감정.살인욕구",
    "감정.우울감",
    "증상.불면",
    "배경.직장.스트레스",
    "감정.화",
    "감정.외로움",
    "모호함",
)


def train_small_bot(folder: Path) -> Path:
    """Trains it in `folder`, which need not exist, and returns the model's file."""
    data = folder / "data"
    data.mkdir(parents=True)
    config = yaml.safe_load((ROOT / "config.yml").read_text(encoding="utf-8"))
    for component in config["pipeline"]:
        if "encoder" in component:
            component["encoder"] = None
    _write(folder / "config.yml", config)

    nlu = yaml.safe_load((ROOT / "data" / "generated" / "nlu.yml").read_text(encoding="utf-8"))
    nlu["nlu"] = [entry for entry in nlu["nlu"] if _is_wanted(entry["intent"])]
    _write(data / "nlu.yml", nlu)
    responses = yaml.safe_load((ROOT / "data" / "generated" / "responses.yml").read_text(encoding="utf-8"))
    responses["responses"] = {name: texts for name, texts in responses["responses"].items() if _is_wanted(name)}
    _write(data / "responses.yml", responses)

    model = folder / "model.tar.gz"
    shared = [ROOT / "data" / name for name in ("rules.yml", "intents.yml")]
    command = ["train", "--skip-validation", "--config", folder / "config.yml", "--domain", ROOT / "domain.yml"]
    command += ["--data", data, *shared, "--out", folder, "--fixed-model-name", "model"]
    subprocess.run(
        [sys.executable, "-m", "bot.quiet_rasa", *map(str, command)],
        cwd=ROOT, env={**os.environ, "LOG_LEVEL": "WARNING"}, check=True, timeout=300, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return model


def _is_wanted(name: str) -> bool:
    """Whether an intent or response belongs to a category of the small bot, or to none."""
    _, slash, category = name.partition("wellness/")
    parents = {".".join(path.split(".")[:depth]) for path in CATEGORIES for depth in range(1, path.count(".") + 2)}
    return not slash or category in parents


def _write(file: Path, content: object) -> None:
    file.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
