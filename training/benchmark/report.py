"""The figures as a table for people and as JSON for programs."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from rich import box
from rich.table import Table

from training.benchmark.figures import Figure

# The share of the processor that other programs may take; a system that is left alone takes less.
_BUSY = 0.05
_VERSIONED = ("rasa", "torch", "transformers", "onnxruntime", "ctranslate2", "tensorflow", "tokenizers", "kiwipiepy", "numpy")


def machine() -> dict[str, Any]:
    """What the figures depend on, but for what else ran meanwhile."""
    return {
        "cpu": _cpu(),
        "cores": psutil.cpu_count(logical=False),
        "hardware_threads": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _VERSIONED}},
    }


def _cpu() -> str:
    if Path("/proc/cpuinfo").is_file():
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def table(figures: dict[str, list[Figure]], machine: dict[str, Any], others: float) -> Table:
    """Ratios first: how many times better ours is than the reference. `others` is what other programs took of the processor."""
    caption = f"Ratio: how many times better ours is; below 1 it is worse. {machine['cpu']}, {machine['cores']} cores"
    caption += f"; other programs took {others:.0%} of them{': do not trust these figures' * (others > _BUSY)}."
    rows = Table(box=box.SIMPLE, caption=caption)
    for heading in ("ratio", "", "ours", "reference", "", "how"):
        rows.add_column(heading, justify="right" if heading in ("ratio", "ours", "reference") else "left")
    for section in figures.values():
        for figure in section:
            ratio = "–" if figure.ratio is None else f"{figure.ratio:.2f}×"
            sides = [_number(side) for side in (figure.ours, figure.reference)]
            how = f"skipped: {figure.skipped}" if figure.skipped else figure.note
            rows.add_row(ratio, figure.name, *sides, figure.unit, how)
        rows.add_section()
    return rows


def _number(figure: float | None) -> str:
    """Three significant digits, and never a whole number shortened."""
    return "–" if figure is None else f"{figure:,.0f}" if figure >= 100 else f"{figure:.3g}"


def as_json(figures: dict[str, list[Figure]], machine: dict[str, Any], others: float, seconds: float) -> dict[str, Any]:
    """`sections` holds each section's rows; a row's `ratio` is how many times better ours is, null if it was not measured."""
    sections = {name: [{"ratio": row.ratio, **asdict(row)} for row in rows] for name, rows in figures.items()}
    return {"machine": machine, "others": round(others, 3), "seconds": round(seconds), "sections": sections}
