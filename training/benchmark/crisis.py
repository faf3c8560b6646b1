"""What the crisis detector adds to a turn, beside the encoder that it reads the message with."""

from __future__ import annotations

import statistics
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from training.benchmark.figures import Bench, Figure, skipped
from training.benchmark.measuring import run_alone, seconds


def measure(bench: Bench, utterances: int = 200) -> Iterator[Figure]:
    """The detector of the trained model, on utterances of the dataset one by one."""
    with tempfile.TemporaryDirectory() as work:
        with tarfile.open(bench.model) as archive:
            archive.extractall(work, filter="data")
        found = next(Path(work).rglob("crisis_model.json"), None)
        if found is None:
            yield skipped("crisis detector", f"{bench.model.name} has none; `make train` trains one")
            return
        bench.say("reading utterances for crises")
        whole, encoder = run_alone(time_detector, found.parent, bench.sample(utterances))
    note = f"median of {utterances}, warm"
    yield Figure("crisis detector: one utterance, encoder included", whole * 1000, None, "ms", note=note)
    if encoder is not None:
        yield Figure(
            "crisis detector: on top of its encoder, against the encoder", (whole - encoder) * 1000, encoder * 1000, "ms",
            note=note,
        )  # fmt: skip


def time_detector(folder: Path, texts: list[str]) -> tuple[float, float | None]:
    """Median seconds of the whole detector for one utterance, and of its encoder alone if it has one."""
    from components.crisis_encoder import CrisisHead
    from components.crisis_model import CrisisModel
    from components.encoder.onnx_encoder import OnnxTrunk

    model = CrisisModel.load(folder)
    whole = statistics.median(seconds(lambda text: model.predict([text]), texts, 20))
    if CrisisHead.load(folder) is None:
        return whole, None
    encoder = OnnxTrunk.load(folder)
    return whole, statistics.median(seconds(lambda text: encoder.vectors([text]), texts, 20))
