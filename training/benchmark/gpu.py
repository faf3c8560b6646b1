"""What only a GPU can show: rows that say so."""

from __future__ import annotations

from collections.abc import Iterator

from training.benchmark.figures import Bench, Figure, skipped

_NEED_ONE = (
    "KoELECTRA-base: an epoch of fine-tuning in bf16",
    "KoBERT: an epoch of fine-tuning in bf16",
    "KoGPT2: an epoch of fine-tuning in bf16",
)


def measure(bench: Bench) -> Iterator[Figure]:
    """One skipped row for each."""
    yield from (skipped(name, "needs a GPU; this command measures the CPU alone") for name in _NEED_ONE)
