"""How many messages with risk the crisis detector finds, and how many others it takes for one."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rasa.shared.nlu.constants import TEXT
from rasa.shared.nlu.training_data.loading import load_data

from components.crisis_detector import CrisisDetector, examples_of, train_model
from components.crisis_examples import EVERYDAY, KINDS, LABELS, NONE, CrisisExample, CrisisExamplesError
from training.evaluation import expected_calibration_error
from training.pipeline import component_of

_COMPONENT = "components.crisis_detector.CrisisDetector"
_THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def detector_config(config_file: Path) -> dict[str, Any]:
    """The detector's settings in a Rasa config file.

    Raises:
        CrisisExamplesError: the file can't be read, or its pipeline has no CrisisDetector.
    """
    try:
        return {**CrisisDetector.get_default_config(), **component_of(config_file, _COMPONENT)}
    except ValueError as error:
        raise CrisisExamplesError(str(error)) from None


def evaluate_crisis(config: dict[str, Any], nlu_files: Sequence[Path], tests: Sequence[CrisisExample]) -> dict[str, Any]:
    """Trains a detector as `rasa train` would and says how good it is, ready for JSON.

    `held_out` is of the training examples that words' and encoder's part had not learned from, and by which calibration and
    threshold were chosen. `test` is of `tests`, less those that are training examples.

    Args:
        nlu_files: the bot's training data.

    Raises:
        CrisisExamplesError: a file can't be used.
        components.encoder.settings.EncoderError: the encoder can't be loaded.
    """
    data = [example for file in nlu_files for example in load_data(str(file)).intent_examples]
    intents = [(example.get(TEXT), example.get_full_intent()) for example in data]
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        model = train_model(config, intents, Path(folder))
        seconds = time.perf_counter() - started
        evidence = model.evidence
        assert evidence is not None
        known = {example.text for example in examples_of(config, intents)}
        tests = [example for example in tests if example.text not in known]
        predicted = model.predict([example.text for example in tests])
    return {
        "encoder": config["encoder"],
        "threshold": model.threshold,
        "train_seconds": round(seconds, 1),
        "held_out": figures(evidence.examples, evidence.probabilities, model.threshold),
        "test": figures(tests, predicted, model.threshold),
    }


def figures(examples: Sequence[CrisisExample], probabilities: np.ndarray, threshold: float) -> dict[str, Any]:
    """Recall by kind, false alarms by note, and both at other thresholds; a share of nothing is None.

    Args:
        probabilities: (examples, labels), the columns as in `LABELS`.
    """
    scores = 1 - probabilities[:, LABELS.index(NONE)]
    risky = np.array([example.kind != NONE for example in examples])
    everyday = np.array([example.note == EVERYDAY for example in examples]) & ~risky
    look_alike = ~risky & ~everyday
    found = scores >= threshold
    taken_for = np.array(KINDS)[probabilities[:, : len(KINDS)].argmax(axis=1)]

    kinds = {}
    for kind in KINDS:
        members = np.array([example.kind == kind for example in examples])
        kinds[kind] = {
            "count": int(members.sum()),
            "recall": share(found[members]),
            "of_this_kind": share((taken_for == kind)[members & found]),
        }
    by_note = defaultdict(list)
    for example, alarm, harmless in zip(examples, found, ~risky):
        if harmless:
            by_note[example.note].append(bool(alarm))
    return {
        "count": len(examples),
        "recall": share(found[risky]),
        "kinds": kinds,
        "false_alarms_look_alikes": share(found[look_alike]),
        "false_alarms_everyday": share(found[everyday]),
        "false_alarms_by_note": {
            note: {"count": len(alarms), "share": share(alarms)} for note, alarms in sorted(by_note.items())
        },
        "calibration_error": expected_calibration_error(scores, risky),
        "curve": [
            {
                "threshold": each,
                "recall": share(scores[risky] >= each),
                "false_alarms_look_alikes": share(scores[look_alike] >= each),
                "false_alarms_everyday": share(scores[everyday] >= each),
            }
            for each in _THRESHOLDS
        ],
    }


def share(flags: Iterable[bool]) -> float | None:
    """How many of the flags are set, of all; None if there are none."""
    values = list(flags)
    return float(np.mean(values)) if values else None
