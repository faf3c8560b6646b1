"""Classifying an utterance with an encoder: as it is served, against torch with every input padded to 512 tokens."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from components.encoder.settings import EncoderSettings
from training.benchmark.figures import Bench, Figure
from training.benchmark.measuring import cores, run_alone, seconds
from training.benchmark.shapes import LABELS, SHAPES, Shape, write_checkpoint

BATCH = 32
PADDED = 512
_MAX_LENGTH = 128
_CHECKPOINT = "checkpoint"
_HEAD = "head.pt"


@dataclass(frozen=True)
class Speed:
    """Seconds an utterance takes by itself, and utterances a second in batches: medians; and how many threads worked."""

    alone: float
    throughput: float
    threads: int


@dataclass(frozen=True)
class Exported:
    """What is served: ONNX files by precision, and the folder with the tokenizer they share."""

    folder: Path
    # Of the trunk and the head.
    files: dict[str, tuple[Path, Path]]
    weights: str
    # The median of the utterances' lengths.
    tokens: float


def measure(
    bench: Bench, shapes: Sequence[Shape] = SHAPES, utterances: int = 16, batches: int = 2, rounds: int = 5
) -> Iterator[Figure]:
    """Both ways read the same utterances, one by one and in batches; ours, being quick, does so `rounds` times."""
    alone = bench.sample(utterances)
    together = [bench.sample(BATCH * batches)[start : start + BATCH] for start in range(0, BATCH * batches, BATCH)]
    for shape in shapes:
        with tempfile.TemporaryDirectory() as work:
            bench.say(f"{shape.name}: exporting it")
            exported = run_alone(export, shape, bench.utterances, Path(work))
            bench.say(f"{shape.name}: torch, every input padded to {PADDED} tokens")
            reference = run_alone(time_torch, exported, alone, together)
            for precision in exported.files:
                bench.say(f"{shape.name}: ONNX Runtime, {precision}")
                ours = run_alone(time_onnx, exported, precision, alone * rounds, together * rounds)
                name = f"{shape.name}, {precision}"
                note = f"{exported.weights}, {exported.tokens:.0f} tokens, {ours.threads} against {reference.threads} threads"
                yield Figure(
                    f"{name}: one utterance", ours.alone * 1000, reference.alone * 1000, "ms",
                    note=f"median of {utterances}; {note}",
                )  # fmt: skip
                yield Figure(
                    f"{name}: batches of {BATCH}", ours.throughput, reference.throughput, "utterances/s", True,
                    note=f"median of {batches}; {note}",
                )  # fmt: skip


def export(shape: Shape, utterances: list[str], folder: Path) -> Exported:
    """Makes the checkpoint and exports it as fine-tuning does, in every precision that can be served."""
    import torch

    from components.encoder import finetune
    from components.encoder.checkpoint import load_checkpoint
    from components.encoder.network import Head, Trunk
    from components.encoder.onnx_encoder import HEAD_FILE, TRUNK_FILE, quantise, token_ids

    weights = write_checkpoint(shape, utterances, folder / _CHECKPOINT)
    encoder, tokenizer, pad_id = load_checkpoint(str(folder / _CHECKPOINT))
    finetune.write_settings(folder, tokenizer, pad_id, _MAX_LENGTH)
    trunk = Trunk(encoder, len(encoder.encoder.layer) - EncoderSettings("").trained_layers)
    head = Head(*trunk.upper, encoder.config.hidden_size, LABELS)
    torch.save(head.classify.state_dict(), folder / _HEAD)
    finetune.export_trunk(trunk, folder / TRUNK_FILE)
    finetune.export_head(head, folder / HEAD_FILE)
    files = (folder / TRUNK_FILE, folder / HEAD_FILE)
    tokens = statistics.median(len(token_ids(tokenizer, text, _MAX_LENGTH)) for text in utterances)
    return Exported(folder, {"fp32": files, "int8": (quantise(files[0]), quantise(files[1]))}, weights, tokens)


def time_onnx(exported: Exported, precision: str, alone: list[str], together: list[list[str]]) -> Speed:
    """Times the encoder as it is served."""
    others = psutil.Process().num_threads()
    logits = onnx_logits(exported, precision)
    threads = psutil.Process().num_threads() - others + 1  # those of ONNX Runtime, and the one that calls it
    return _speed(seconds(lambda text: logits([text]), alone), seconds(logits, together), threads)


def time_torch(exported: Exported, alone: list[str], together: list[list[str]]) -> Speed:
    """Times torch in fp32."""
    logits = torch_logits(exported)
    # A padded batch takes tens of seconds; the utterances before it have warmed everything up.
    return _speed(seconds(lambda text: logits([text]), alone), seconds(logits, together, warm_up=0), cores())


def _speed(alone: list[float], together: list[float], threads: int) -> Speed:
    return Speed(statistics.median(alone), BATCH / statistics.median(together), threads)


def onnx_logits(exported: Exported, precision: str) -> Callable[[list[str]], np.ndarray]:
    """Our way from texts to logits, (texts, labels)."""
    from components.encoder.onnx_encoder import OnnxEncoder

    return OnnxEncoder.load(exported.folder, *exported.files[precision]).logits


def torch_logits(exported: Exported) -> Callable[[list[str]], np.ndarray]:
    """The original's way, with the attention that transformers chooses: every input is padded to 512 tokens."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    torch.set_num_threads(cores())
    encoder = AutoModel.from_pretrained(exported.folder / _CHECKPOINT).eval()
    classify = torch.nn.Linear(encoder.config.hidden_size, LABELS)
    classify.load_state_dict(torch.load(exported.folder / _HEAD, weights_only=True))
    tokenizer = AutoTokenizer.from_pretrained(exported.folder / _CHECKPOINT)

    @torch.inference_mode()
    def logits(texts: list[str]) -> np.ndarray:
        inputs = tokenizer(texts, padding="max_length", truncation=True, max_length=PADDED, return_tensors="pt")
        hidden = encoder(**inputs).last_hidden_state
        weights = inputs["attention_mask"][..., None]
        return classify((hidden * weights).sum(1) / weights.sum(1)).numpy()

    return logits
