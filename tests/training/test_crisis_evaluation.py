from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from components.crisis_examples import EVERYDAY, KINDS, LABELS, NONE, CrisisExample, CrisisExamplesError
from training.__main__ import app
from training.crisis_evaluation import detector_config, figures

ROOT = Path(__file__).parents[2]


def probabilities(*risks: tuple[str, float]) -> np.ndarray:
    """A row for each pair of the kind that a message is taken for and its probability of a risk."""
    rows = np.zeros((len(risks), len(LABELS)))
    for row, (kind, risk) in zip(rows, risks):
        row[KINDS.index(kind)], row[-1] = risk, 1 - risk
    return rows


def test_recall_is_by_kind_and_false_alarms_are_by_note() -> None:
    examples = [
        CrisisExample("a", "plan"),
        CrisisExample("b", "plan"),
        CrisisExample("c", "acted"),
        CrisisExample("d", NONE, "hyperbole"),
        CrisisExample("e", NONE, "hyperbole"),
        CrisisExample("f", NONE, EVERYDAY),
    ]
    predicted = probabilities(
        ("plan", 0.9), ("thinking", 0.8), ("acted", 0.2), ("thinking", 0.7), ("plan", 0.1), ("acted", 0.05)
    )
    found = figures(examples, predicted, 0.5)
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["kinds"]["plan"] == {"count": 2, "recall": 1.0, "of_this_kind": 0.5}
    assert found["kinds"]["acted"]["recall"] == 0.0
    assert found["kinds"]["thinking"] == {"count": 0, "recall": None, "of_this_kind": None}
    assert found["false_alarms_look_alikes"] == 0.5
    assert found["false_alarms_everyday"] == 0.0
    assert found["false_alarms_by_note"]["hyperbole"] == {"count": 2, "share": 0.5}


def test_recall_and_false_alarms_only_fall_as_the_threshold_rises() -> None:
    generator = np.random.default_rng(0)
    examples = [CrisisExample(str(n), "thinking" if n % 2 else NONE, "") for n in range(100)]
    predicted = probabilities(*(("thinking", risk) for risk in generator.random(100)))
    curve = figures(examples, predicted, 0.5)["curve"]
    for name in ("recall", "false_alarms_look_alikes"):
        values = [point[name] for point in curve]
        assert values == sorted(values, reverse=True)


def test_the_bots_own_config_has_a_detector_before_its_classifier() -> None:
    config = detector_config(ROOT / "config.yml")
    assert all((ROOT / file).is_file() for file in [*config["examples"], config["lexicon"]])
    assert "crisis_test" not in " ".join(config["examples"])


def test_a_config_without_a_detector_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text("pipeline: [{name: components.kiwi_tokenizer.KiwiTokenizer}]", encoding="utf-8")
    with pytest.raises(CrisisExamplesError, match="the pipeline has no"):
        detector_config(tmp_path / "config.yml")


def test_a_test_file_that_is_missing_stops_the_command_with_exit_code_2(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["evaluate-crisis", "--test", str(tmp_path / "none.csv")])
    assert result.exit_code == 2
    assert "none.csv" in result.output
