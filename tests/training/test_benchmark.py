"""What `python -m training benchmark` reports, measured on models so small that only the form of the figures counts."""

from __future__ import annotations

import filecmp
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import training.__main__
from training.benchmark import classifier, encoder, finetuning, generation, rest, run
from training.benchmark.figures import Bench, Figure, skipped
from training.benchmark.shapes import EMBEDDED, Shape, write_checkpoint
from training.wellness_encoder import build_wellness_encoder

ROOT = Path(__file__).parents[2]
TINY = Shape(
    "tiny",
    "electra",
    {
        "vocab_size": 300, "embedding_size": 16, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 64,
    },
)  # fmt: skip
ROW = {"ratio", "name", "ours", "reference", "unit", "higher_is_better", "note", "skipped"}


@pytest.fixture
def bench(examples: tuple[list[str], list[str]], tmp_path: Path) -> Bench:
    dataset = tmp_path / "wellness.csv"
    lines = [f"{category},{text}," for text, category in zip(*examples)]
    dataset.write_text("\n".join(["구분,유저,챗봇", *lines]) + "\n", encoding="utf-8")
    return Bench(ROOT, ROOT / "models" / "maeum.tar.gz", dataset, examples[0])


def benchmark(*arguments: object) -> Result:
    return CliRunner().invoke(training.__main__.app, ["benchmark", *map(str, arguments)])


def assert_measured(figures: list[Figure]) -> None:
    for figure in figures:
        assert figure.ratio is not None, figure
        assert figure.ratio > 0, figure
        assert figure.unit, figure
        assert figure.note, figure


def test_a_ratio_above_1_is_better_whether_more_or_less_is_wanted() -> None:
    assert Figure("a turn", ours=5, reference=10, unit="ms").ratio == 2
    assert Figure("turns", ours=5, reference=10, unit="turns/s", higher_is_better=True).ratio == 0.5


def test_what_was_not_measured_has_no_ratio() -> None:
    assert skipped("a turn", "no model").ratio is None
    assert Figure("memory", ours=5, reference=None, unit="MB").ratio is None


def test_both_ways_through_an_encoder_give_the_same_logits(bench: Bench, tmp_path: Path) -> None:
    exported = encoder.export(TINY, bench.utterances, tmp_path)
    texts = bench.sample(8)
    reference = encoder.torch_logits(exported)(texts)
    assert reference.shape == (8, 359)
    assert encoder.onnx_logits(exported, "fp32")(texts) == pytest.approx(reference, abs=1e-4)
    assert np.corrcoef(encoder.onnx_logits(exported, "int8")(texts).ravel(), reference.ravel())[0, 1] > 0.9


def test_encoders_are_timed_alone_and_in_batches_in_both_precisions(bench: Bench) -> None:
    figures = list(encoder.measure(bench, [TINY], utterances=2, batches=1, rounds=1))
    assert [figure.name for figure in figures] == [
        "tiny, fp32: one utterance",
        "tiny, fp32: batches of 32",
        "tiny, int8: one utterance",
        "tiny, int8: batches of 32",
    ]
    assert_measured(figures)
    assert all("random weights" in figure.note and "threads" in figure.note for figure in figures)


def test_the_embedded_encoder_is_measured_as_it_is_served(tmp_path: Path) -> None:
    measured, served = tmp_path / "measured", tmp_path / "served"
    assert write_checkpoint(EMBEDDED, [], measured) == "its own weights"
    build_wellness_encoder(served)
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        assert filecmp.cmp(measured / name, served / name, shallow=False), name


def test_generation_is_timed_against_as_many_threads_and_against_all(bench: Bench) -> None:
    sizes = {"vocab_size": 400, "n_embd": 32, "n_layer": 1, "n_head": 2, "n_positions": 128}
    figures = list(generation.measure(bench, sizes, messages=1, rounds=1))
    assert_measured(figures)
    assert figures[-1].name == "KoGPT2, int8: 3 × 40 tokens, against 1 thread"


def test_fine_tuning_says_from_how_many_steps_its_epoch_is_extrapolated(bench: Bench) -> None:
    (figure,) = finetuning.measure(bench, TINY, steps=2, padded_steps=1)
    assert_measured([figure])
    assert "extrapolated from 2 of ours and 1 padded" in figure.note


def test_diet_is_trained_only_if_that_is_asked_for(bench: Bench) -> None:
    figures = list(classifier.measure(bench))
    assert [figure.ours for figure in figures] == [None, None]
    assert all("--slow" in figure.skipped for figure in figures)


def test_diet_learns_and_is_tested_on_the_same_utterances(bench: Bench) -> None:
    slow = Bench(bench.project, bench.model, bench.dataset, bench.utterances, slow=True)
    top1, time = classifier.measure(slow, epochs=20)
    assert_measured([time])
    for share in (top1.ours, top1.reference):
        assert share is not None
        assert 0 <= share <= 1
    assert "19 utterances learnt, 5 tested" in top1.note


def test_every_category_is_split_alike(bench: Bench) -> None:
    train, test = classifier.split(bench.dataset)
    assert {category for _, category in train} == {category for _, category in test}
    assert not {text for text, _ in train} & {text for text, _ in test}


def test_rest_turns_are_measured_for_every_number_of_users_with_the_memory_of_both_servers(bench: Bench) -> None:
    figures = {figure.name: figure for figure in rest.measure(bench, users=(1, 2), turns=20)}
    memory = figures.pop("action server: memory after that")
    assert memory.ours is not None
    assert memory.ours > 10
    assert memory.reference is None
    assert list(figures) == [
        "REST turn, 1 user at once: p50", "REST turn, 1 user at once: p99", "REST turn, 1 user at once: throughput",
        "REST turn, 2 users at once: p50", "REST turn, 2 users at once: p99", "REST turn, 2 users at once: throughput",
        "Rasa server: memory after that", "time until the bot answers",
    ]  # fmt: skip
    assert_measured(list(figures.values()))


def test_without_a_model_rest_turns_are_skipped(bench: Bench, tmp_path: Path) -> None:
    (figure,) = rest.measure(Bench(ROOT, tmp_path / "none.tar.gz", bench.dataset, bench.utterances))
    assert "make train" in figure.skipped


def test_a_section_that_fails_keeps_what_it_measured_and_the_others_go_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = Figure("first", 1, 2, "ms")

    def broken(bench: Bench) -> Iterator[Figure]:
        yield measured
        raise RuntimeError("out of luck")

    monkeypatch.setitem(run.SECTIONS, "encoder", broken)
    figures, complete = run.run(bench, ["encoder", "gpu"])
    assert not complete
    assert figures["encoder"][0] == measured
    assert "out of luck" in figures["encoder"][1].skipped
    assert figures["gpu"]


def test_what_needs_a_gpu_is_listed_as_skipped_in_the_table_and_in_the_json(tmp_path: Path) -> None:
    result = benchmark("--only", "gpu", "--json", tmp_path / "new" / "bench.json")
    assert result.exit_code == 0
    assert "skipped: needs a GPU" in result.stdout
    content = json.loads((tmp_path / "new" / "bench.json").read_text(encoding="utf-8"))
    assert content.keys() == {"machine", "others", "seconds", "sections"}
    assert {"cpu", "cores", "versions"} <= content["machine"].keys()
    assert list(content["sections"]) == ["gpu"]
    for row in content["sections"]["gpu"]:
        assert row.keys() == ROW
        assert (row["ratio"], row["ours"], row["reference"]) == (None, None, None)


@pytest.mark.parametrize(
    ("arguments", "reason"), [(["--only", "speed"], "no such section"), (["--json", ROOT], "give another path")]
)
def test_a_wrong_option_ends_in_one_sentence(arguments: list[object], reason: str) -> None:
    result = benchmark(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1
    assert reason in result.stderr
