"""How often our classifier is right and how long it learns, against Rasa's default pipeline on the same split."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from training.base_encoder import build_base_encoder
from training.benchmark.figures import Bench, Figure, skipped
from training.benchmark.measuring import run_alone
from training.dataset import WELLNESS_COLUMNS, wellness_data
from training.evaluation import classifier_config
from training.tables import read_table

EPOCHS = 100
_TOP1, _TIME = "top-1 of the categories, against DIET", "training time, against DIET"
_OWN = "wellness-encoder"
Examples = list[tuple[str, str]]
Pipeline = list[dict[str, Any]]


def measure(bench: Bench, epochs: int = EPOCHS) -> Iterator[Figure]:
    """Both learn from four fifths of every category of the dataset, through Rasa, and are tested on the rest."""
    if not bench.slow:
        for name in (_TOP1, _TIME):
            yield skipped(name, f"{epochs} epochs of DIET take a quarter of an hour and more: --slow")
        return
    train, test = split(bench.dataset)
    bench.say("the bot's classifier: training and testing")
    ours = run_alone(train_and_test, bots_pipeline(bench.project), train, test)
    bench.say(f"Rasa's default pipeline: training it for {epochs} epochs and testing it")
    reference = run_alone(train_and_test, rasas_pipeline(epochs), train, test)
    note = f"{len(train)} utterances learnt, {len(test)} tested; our encoder: the base; DIET: {epochs} epochs"
    yield Figure(_TOP1, ours[0], reference[0], "share", True, note=note)
    yield Figure(_TIME, ours[1] / 60, reference[1] / 60, "min", note=note)


def split(dataset: Path) -> tuple[Examples, Examples]:
    """The utterances with their categories: four fifths of each category, and the rest."""
    from sklearn.model_selection import train_test_split

    data = wellness_data(read_table(dataset, [WELLNESS_COLUMNS])[1])
    examples = [(text, category) for category, texts in data.utterances.items() for text in texts]
    train, test = train_test_split(examples, test_size=0.2, random_state=0, stratify=[category for _, category in examples])
    return train, test


def bots_pipeline(project: Path) -> Pipeline:
    """The classifier as the project's `config.yml` sets it, but for an encoder that has learned from the dataset before.

    In place of the bot's own encoder stands the one it was made from, which has not seen what is tested; nor is the dataset
    learned along.
    """
    classifier = classifier_config(project / "config.yml")
    classifier["supporting_examples"] = None
    encoder = classifier.get("encoder")
    if encoder and (project / encoder).is_dir():
        encoder = project / encoder
        classifier["encoder"] = str(build_base_encoder(encoder.with_name("base-encoder")) if encoder.name == _OWN else encoder)
    return [classifier]


def rasas_pipeline(epochs: int) -> Pipeline:
    """What `rasa init` recommends."""
    return [
        {"name": "WhitespaceTokenizer"},
        {"name": "CountVectorsFeaturizer"},
        {"name": "CountVectorsFeaturizer", "analyzer": "char_wb", "min_ngram": 1, "max_ngram": 4},
        {"name": "DIETClassifier", "epochs": epochs},
    ]


def train_and_test(pipeline: Pipeline, train: Examples, test: Examples) -> tuple[float, float]:
    """Top-1 and seconds of training of a pipeline that is trained as `rasa train nlu` does."""
    from rasa.core.agent import Agent
    from rasa.model_training import train_nlu
    from rasa.shared.nlu.training_data.message import Message
    from rasa.shared.nlu.training_data.training_data import TrainingData

    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)  # where Rasa's cache will be, so that nothing trained before is taken from it
        config = {"recipe": "default.v1", "assistant_id": "benchmark", "language": "ko", "pipeline": pipeline}
        Path("config.yml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
        examples = [Message.build(text=text, intent=_intent(category)) for text, category in train]
        Path("nlu.yml").write_text(TrainingData(examples).nlu_as_yaml(), encoding="utf-8")

        started = time.perf_counter()
        with contextlib.redirect_stdout(sys.stderr):  # standard output is the table's
            model = train_nlu("config.yml", "nlu.yml", "models")
        taken = time.perf_counter() - started
        agent = Agent.load(model)
        os.chdir("/")  # the folder goes

    async def right() -> int:
        parsed = [(await agent.parse_message(text), category) for text, category in test]
        return sum(result["intent"]["name"] == _intent(category) for result, category in parsed)

    return asyncio.run(right()) / len(test), taken


def _intent(category: str) -> str:
    """The category as the name of an ordinary intent, which may hold no slash."""
    return category.replace("/", ".")
