from __future__ import annotations

import csv
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.numpy import load_file

from components.crisis_encoder import CrisisHead
from components.crisis_examples import LABELS
from components.encoder.settings import EncoderSettings
from components.encoder.tokenizer import load_tokenizer
from training import wellness_encoder
from training.base_encoder import build_base_encoder
from training.wellness_encoder import Task, build_wellness_encoder, learned_texts

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_base_encoder(tmp_path_factory.mktemp("base") / "encoder")


@pytest.fixture(scope="module")
def built(base: Path) -> Path:
    return build_wellness_encoder(base.with_name("wellness"), base)


@pytest.fixture(scope="module")
def dataset() -> list[tuple[str, str]]:
    with (ROOT / "data" / "wellness.csv").open(encoding="utf-8", newline="") as stream:
        return [(row["유저"], row["구분"]) for row in csv.DictReader(stream) if row["유저"]]


def test_it_is_the_base_encoder_with_fewer_layers_and_others_on_top(base: Path, built: Path) -> None:
    before, after = (load_file(folder / "model.safetensors") for folder in (base, built))
    same = {name for name in after if name in before and np.array_equal(before[name], after[name])}
    changed = {name.split(".")[2] for name in after.keys() - same}
    assert changed == {"5", "6", "7", "8", "9"}
    assert json.loads((built / "config.json").read_text(encoding="utf-8"))["num_hidden_layers"] == 10
    head = CrisisHead.load(built)
    assert head is not None
    assert head.weights.shape[0] == head.biases.shape[0] == len(LABELS)
    assert "open wellness dataset" in (built / "README.md").read_text(encoding="utf-8")


def test_it_reads_what_people_say_and_no_prefix(base: Path, built: Path) -> None:
    long, short = (load_tokenizer(folder).encode("잠이 안 와요") for folder in (base, built))
    assert short == [long[0], *long[4:]]


def test_an_utterance_in_chats_spelling_is_held_out_with_its_original() -> None:
    task = Task.of(["잠이 안 와요", "싫어요", "좋아요"], np.array([0, 1, 1]), 2, str.upper).chatted(1.0)
    assert task.texts == ["잠이 안 와요", "싫어요", "좋아요"] * 2
    assert task.labels.tolist() == [0, 1, 1] * 2
    assert len(task.read) == 6


def test_it_is_built_once(built: Path) -> None:
    stamp = (built / "model.safetensors").stat().st_mtime_ns
    build_wellness_encoder(built)
    assert (built / "model.safetensors").stat().st_mtime_ns == stamp


def test_it_keeps_together_what_belongs_together_better_than_the_base_does(
    base: Path, built: Path, dataset: list[tuple[str, str]]
) -> None:
    from test_base_encoder import vectors

    learned = learned_texts()
    unseen = [(text, category) for text, category in dataset if text not in learned]
    known = [(text, category) for text, category in dataset if text in learned][::10]
    right = {}
    for folder in (base, built):
        found = vectors(folder, [text for text, _ in unseen[:300]]) @ vectors(folder, [text for text, _ in known]).T
        nearest = [known[at][1].split("/")[0:2] for at in found.argmax(axis=1)]
        right[folder] = np.mean([near == category.split("/")[0:2] for near, (_, category) in zip(nearest, unseen)])
    assert right[built] > right[base] + 0.05


def test_what_rasa_train_and_evaluate_hold_out_was_not_learned_from(dataset: list[tuple[str, str]]) -> None:
    nlu = yaml.safe_load((ROOT / "data" / "intents.yml").read_text(encoding="utf-8"))["nlu"]
    intents = [line[2:] for intent in nlu for line in intent["examples"].splitlines()]
    for texts in ([text for text, _ in dataset], [*(text for text, _ in dataset), *intents]):
        held_out = {texts[index] for index in EncoderSettings(source="").hold_out(texts)}
        assert not held_out & learned_texts()


@given(
    arrays.arrays(
        np.float32,
        st.sampled_from([(7,), (3, 5), (1, 1)]),
        elements=st.floats(-1, 1, width=32).map(lambda value: value if abs(value) > 1e-20 else 0.0),
    )
)
def test_changes_survive_eight_bits(change: np.ndarray) -> None:
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        patch.setattr(wellness_encoder, "CHANGES", Path(folder) / "changes.npz")
        head = CrisisHead(change.reshape(1, -1), np.zeros(1, dtype=np.float32))
        wellness_encoder._write_changes({"layer.weight": change}, head)
        changes, read_head = wellness_encoder.read_changes()
    (read,) = changes.values()
    np.testing.assert_array_equal(read_head.weights, head.weights)
    assert read.shape == change.shape
    assert np.all(np.abs(read - change) <= np.abs(change).max(axis=-1, keepdims=True) / 127)
