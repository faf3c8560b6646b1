"""The sections of the benchmark, and running them."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import replace

from training.benchmark import classifier, crisis, encoder, finetuning, generation, gpu, rest
from training.benchmark.figures import Bench, Figure, Section, skipped

SECTIONS: dict[str, Section] = {
    "encoder": encoder.measure,
    "classifier": classifier.measure,
    "crisis": crisis.measure,
    "generation": generation.measure,
    "finetuning": finetuning.measure,
    "rest": rest.measure,
    "gpu": gpu.measure,
}


def run(bench: Bench, names: Sequence[str] = tuple(SECTIONS)) -> tuple[dict[str, list[Figure]], bool]:
    """The figures by section, and whether all sections got through; of one that fails, what it had measured is kept."""
    figures: dict[str, list[Figure]] = {}
    complete = True
    for name in names:
        rows = figures[name] = []
        try:
            rows.extend(SECTIONS[name](_saying_where(bench, name)))
        except Exception as error:
            traceback.print_exc()
            rows.append(skipped(f"the rest of {name}", f"failed: {type(error).__name__}: {error}"))
            complete = False
    return figures, complete


def _saying_where(bench: Bench, name: str) -> Bench:
    """The bench, with every message preceded by the section's name."""
    return replace(bench, say=lambda text: bench.say(f"{name}: {text}"))
