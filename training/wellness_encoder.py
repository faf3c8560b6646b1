"""The bot's own encoder: the embedded one, its upper layers fine-tuned on the open dataset's categories.

Fine-tuning takes half an hour, so what it changed is in the repository, three megabytes, and is added to the base encoder's
weights when the encoder is built. Whoever trains on data of their own, in the same categories or others, starts from layers
that know how people speak of what troubles them.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np

from components.encoder.settings import EncoderSettings
from training.base_encoder import build_base_encoder
from training.dataset import WELLNESS_COLUMNS, wellness_data
from training.tables import read_table

CHANGES = Path(__file__).with_name("wellness_encoder.npz")
_DATASET = Path(__file__).parent.parent / "data" / "wellness.csv"
LAYERS = 2
# A little more than `rasa train` and `training evaluate` hold out, so that what they hold out was not learned here.
_HELD_OUT = 0.12

_CARD = """
# Fine-tuned on the open wellness dataset

The {layers} upper layers of the encoder above, fine-tuned by `python -m training wellness-encoder --retrain` to tell apart the
359 categories of `data/wellness.csv` (CC BY 4.0). Texts whose digest is among the lowest {held_out:.0%} were not learned from.
What fine-tuning changed is kept in eight bits.
"""


def build_wellness_encoder(folder: Path, base: Path | None = None) -> Path:
    """Writes the checkpoint into `folder`, unless it is there already, and returns `folder`.

    Args:
        base: where the base encoder is, or shall be; None if it is not to be kept.

    Raises:
        FileNotFoundError: the package that carries the base encoder's weights is not installed.
    """
    if (folder / "config.json").is_file():
        return folder
    import torch
    from safetensors.torch import load_file, save_file

    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        made = Path(shutil.copytree(build_base_encoder(base or Path(work) / "base"), Path(work) / "encoder"))
        weights = load_file(made / "model.safetensors")
        for name, change in read_changes().items():
            weights[name] = weights[name] + torch.from_numpy(change)
        save_file(weights, made / "model.safetensors", metadata={"format": "pt"})
        with (made / "README.md").open("a", encoding="utf-8") as card:
            card.write(_CARD.format(layers=LAYERS, held_out=_HELD_OUT))
        made.rename(folder)
    return folder


def retrain(base: Path, epochs: int = 6) -> float:
    """Fine-tunes the base encoder's upper layers on the open dataset and writes what that changed over `CHANGES`.

    Takes about half an hour on two cores; an interrupted run goes on where it stopped.

    Returns:
        The share of the held-out texts whose category the encoder then finds.
    """
    from components.encoder.checkpoint import load_checkpoint
    from components.encoder.finetune import finetune
    from components.encoder.onnx_encoder import OnnxEncoder

    settings = _settings(base, epochs)
    texts, categories = _dataset()
    names, labels = np.unique(categories, return_inverse=True)
    held_out = settings.hold_out(texts)
    with tempfile.TemporaryDirectory() as folder:
        head = finetune(settings, texts, labels, len(names), held_out, Path(folder))
        logits = OnnxEncoder.load(Path(folder)).logits([texts[index] for index in held_out])
    before = load_checkpoint(str(base))[0].encoder.layer
    changes = {}
    for index, layer in enumerate(head.layers, len(before) - LAYERS):
        learned, old = layer.state_dict(), before[index].state_dict()
        changes.update({f"encoder.layer.{index}.{name}": (learned[name] - old[name]).numpy() for name in learned})
    _write_changes(changes)
    return float((logits.argmax(axis=1) == labels[held_out]).mean())


def learned_texts() -> set[str]:
    """The utterances of the open dataset that the encoder has learned from."""
    texts, _ = _dataset()
    held_out = set(_settings(Path(), 1).hold_out(texts).tolist())
    return {text for index, text in enumerate(texts) if index not in held_out}


def read_changes() -> dict[str, np.ndarray]:
    """What is added to each of the base encoder's parameters, by name, float32."""
    with np.load(CHANGES) as arrays:
        steps = json.loads(str(arrays["names"]))
        return {name: arrays[f"{at}.q"].astype(np.float32) * arrays[f"{at}.scale"] for at, name in enumerate(steps)}


def _settings(base: Path, epochs: int) -> EncoderSettings:
    return EncoderSettings(
        source=str(base), epochs=epochs, patience=epochs, max_steps=10**6, trained_layers=LAYERS, held_out=_HELD_OUT
    )


def _dataset() -> tuple[list[str], list[str]]:
    """The open dataset's utterances, and each one's category."""
    data = wellness_data(read_table(_DATASET, [WELLNESS_COLUMNS])[1])
    pairs = [(text, category) for category, utterances in data.utterances.items() for text in utterances]
    return [text for text, _ in pairs], [category for _, category in pairs]


def _write_changes(changes: dict[str, np.ndarray]) -> None:
    """In eight bits, each row of a matrix with a scale of its own."""
    arrays: dict[str, np.ndarray] = {"names": np.array(json.dumps(list(changes)))}
    for at, change in enumerate(changes.values()):
        largest = np.abs(change).max(axis=-1, keepdims=True)
        scale = np.where(largest > 0, largest, 1) / 127
        arrays |= {f"{at}.q": np.round(change / scale).astype(np.int8), f"{at}.scale": scale.astype(np.float32)}
    np.savez_compressed(CHANGES, **arrays)
