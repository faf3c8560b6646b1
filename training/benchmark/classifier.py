"""How often our classifier is right and how long it learns, against Rasa's default pipeline on the same split."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

from training.benchmark.figures import Bench, Figure, skipped
from training.benchmark.measuring import cores, run_alone
from training.dataset import WELLNESS_COLUMNS, wellness_data
from training.tables import read_table

EPOCHS = 100
_TOP1, _TIME = "top-1 of the categories", "training time"
Examples = list[tuple[str, str]]


def measure(bench: Bench, epochs: int = EPOCHS) -> Iterator[Figure]:
    """Both learn from four fifths of every category of the dataset and are tested on the rest."""
    if not bench.slow:
        for name in (_TOP1, _TIME):
            yield skipped(f"{name}, against DIET", f"{epochs} epochs of DIET take a quarter of an hour and more: --slow")
        return
    train, test = split(bench.dataset)
    encoder = _encoder(bench.project / "config.yml")
    note = f"{len(train)} utterances learnt, {len(test)} tested; encoder: {encoder}; DIET: {epochs} epochs; {cores()} cores"
    with tempfile.TemporaryDirectory() as work:
        bench.say("the bot's classifier: training and testing")
        ours = _evaluate(bench.project, Path(work), train, test, encoder)
        bench.say(f"Rasa's default pipeline: training it for {epochs} epochs and testing it")
        reference = run_alone(train_and_test_diet, Path(work), train, test, epochs)
    yield Figure(f"{_TOP1}, against DIET", ours[0], reference[0], "share", True, note=note)
    yield Figure(f"{_TIME}, against DIET", ours[1] / 60, reference[1] / 60, "min", note=note)


def split(dataset: Path) -> tuple[Examples, Examples]:
    """The utterances with their categories: four fifths of each category, and the rest."""
    from sklearn.model_selection import train_test_split

    data = wellness_data(read_table(dataset, [WELLNESS_COLUMNS])[1])
    examples = [(text, category) for category, texts in data.utterances.items() for text in texts]
    train, test = train_test_split(examples, test_size=0.2, random_state=0, stratify=[category for _, category in examples])
    return train, test


def _encoder(config: Path) -> str:
    """The encoder the bot's configuration names, as `python -m training evaluate` wants it."""
    pipeline = yaml.safe_load(config.read_text(encoding="utf-8"))["pipeline"]
    classifier = next(component for component in pipeline if component["name"].endswith(".WellnessClassifier"))
    return classifier.get("encoder") or "none"


def _evaluate(project: Path, folder: Path, train: Examples, test: Examples, encoder: str) -> tuple[float, float]:
    """Top-1 and seconds of training, from the command that anyone can run."""
    files = {"train": train, "test": test}
    for name, examples in files.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerows([WELLNESS_COLUMNS, *((category, text, "") for text, category in examples)])
    command = [sys.executable, "-m", "training", "evaluate", "--encoder", encoder, "--json", str(folder / "ours.json")]
    for name in files:
        command += [f"--{name}", str(folder / f"{name}.csv")]
    subprocess.run(command, cwd=project, check=True, stdout=subprocess.DEVNULL)
    figures = json.loads((folder / "ours.json").read_text(encoding="utf-8"))
    return figures["top1"], figures["train_seconds"]


def train_and_test_diet(folder: Path, train: Examples, test: Examples, epochs: int) -> tuple[float, float]:
    """Top-1 and seconds of training of the pipeline `rasa init` recommends, trained as `rasa train nlu` does."""
    from rasa.core.agent import Agent
    from rasa.model_training import train_nlu
    from rasa.shared.nlu.training_data.message import Message
    from rasa.shared.nlu.training_data.training_data import TrainingData

    os.chdir(folder)  # where Rasa's cache will be, so that nothing trained before is taken from it
    pipeline = [
        {"name": "WhitespaceTokenizer"},
        {"name": "CountVectorsFeaturizer"},
        {"name": "CountVectorsFeaturizer", "analyzer": "char_wb", "min_ngram": 1, "max_ngram": 4},
        {"name": "DIETClassifier", "epochs": epochs},
    ]
    config = {"recipe": "default.v1", "assistant_id": "diet", "language": "ko", "pipeline": pipeline}
    Path("config.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    examples = [Message.build(text=text, intent=_intent(category)) for text, category in train]
    Path("nlu.yml").write_text(TrainingData(examples).nlu_as_yaml(), encoding="utf-8")

    started = time.perf_counter()
    with contextlib.redirect_stdout(sys.stderr):  # standard output is the table's
        model = train_nlu("config.yml", "nlu.yml", "models")
    taken = time.perf_counter() - started

    agent = Agent.load(model)

    async def right() -> int:
        parsed = [(await agent.parse_message(text), category) for text, category in test]
        return sum(result["intent"]["name"] == _intent(category) for result, category in parsed)

    return asyncio.run(right()) / len(test), taken


def _intent(category: str) -> str:
    """The category as the name of an ordinary intent, which may hold no slash."""
    return category.replace("/", ".")
