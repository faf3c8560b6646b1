"""Classifying an utterance with an encoder: as it is served, against torch with every input padded to 512 tokens."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

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
    files: dict[str, Path]
    pad_id: int
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
    from components.encoder.network import SentenceClassifier
    from components.encoder.onnx_encoder import MODEL_FILE, quantise, token_ids

    weights = write_checkpoint(shape, utterances, folder / _CHECKPOINT)
    encoder, tokenizer, pad_id = load_checkpoint(str(folder / _CHECKPOINT))
    classifier = SentenceClassifier(encoder, LABELS)
    torch.save(classifier.classify.state_dict(), folder / _HEAD)
    tokenizer.save(folder)
    finetune.export(classifier, folder / MODEL_FILE)
    files = {"fp32": folder / MODEL_FILE, "int8": quantise(folder)}
    tokens = statistics.median(len(token_ids(tokenizer, text, _MAX_LENGTH)) for text in utterances)
    return Exported(folder, files, pad_id, weights, tokens)


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
    from components.encoder.tokenizer import load_tokenizer

    encoder = OnnxEncoder(exported.files[precision], load_tokenizer(exported.folder), exported.pad_id, _MAX_LENGTH)
    return encoder.logits


def torch_logits(exported: Exported) -> Callable[[list[str]], np.ndarray]:
    """The original's way, with the attention that transformers chooses: every input is padded to 512 tokens."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    from components.encoder.network import SentenceClassifier

    torch.set_num_threads(cores())
    classifier = SentenceClassifier(AutoModel.from_pretrained(exported.folder / _CHECKPOINT), LABELS).eval()
    classifier.classify.load_state_dict(torch.load(exported.folder / _HEAD, weights_only=True))
    tokenizer = AutoTokenizer.from_pretrained(exported.folder / _CHECKPOINT)

    @torch.inference_mode()
    def logits(texts: list[str]) -> np.ndarray:
        inputs = tokenizer(texts, padding="max_length", truncation=True, max_length=PADDED, return_tensors="pt")
        return classifier(inputs["input_ids"], inputs["attention_mask"]).numpy()

    return logits
