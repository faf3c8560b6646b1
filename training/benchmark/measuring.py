"""Measuring fairly: in a process of its own, with known threads, without the first call."""

from __future__ import annotations

import logging
import multiprocessing
import os
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

import psutil

T = TypeVar("T")
P = TypeVar("P")

# Everything is measured on the CPU. TensorFlow is left as it comes: the Makefile's setting would slow Rasa's DIET down.
_ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "", "RASA_TELEMETRY_ENABLED": "false", "SQLALCHEMY_SILENCE_UBER_WARNING": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1", "TOKENIZERS_PARALLELISM": "false", "USE_TORCH": "1",
}  # fmt: skip


def run_alone(function: Callable[..., T], *arguments: Any) -> T:
    """Calls a module's function in a fresh process: no threads, memory or settings of an earlier measurement are in it."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, initializer=_prepare) as process:
        return process.submit(function, *arguments).result()


def _prepare() -> None:
    os.environ.update(_ENVIRONMENT)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)


def cores() -> int:
    """How many threads everything gets that isn't served with fewer: one a physical core, as ONNX Runtime does by itself."""
    return psutil.cpu_count(logical=False) or os.cpu_count() or 1


def others_seconds() -> float:
    """Processor seconds that this machine has spent on anything but this process and the finished ones it started."""
    spent = psutil.cpu_times()
    return sum(spent) - spent.idle - getattr(spent, "iowait", 0) - sum(os.times()[:4])


def seconds(function: Callable[[P], object], inputs: Sequence[P], warm_up: int = 1) -> list[float]:
    """How long each call takes; the first `warm_up` inputs are gone through once before, uncounted."""
    for item in inputs[:warm_up]:
        function(item)
    taken = []
    for item in inputs:
        started = time.perf_counter()
        function(item)
        taken.append(time.perf_counter() - started)
    return taken
