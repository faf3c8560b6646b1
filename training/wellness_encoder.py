"""The bot's own encoder: the embedded one, its upper layers fine-tuned on the open dataset's categories and crisis lines.

Fine-tuning takes hours, so what it changed is in the repository, in eight bits, and is added to the base encoder's weights when
the encoder is built. Whoever trains on data of their own, in the same categories or others, starts from layers that know how
people speak of what troubles them; and one run of the encoder serves the classifier and the crisis detector.
"""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rasa.shared.nlu.constants import TEXT
from rasa.shared.nlu.training_data.loading import load_data
from safetensors.numpy import load_file, save_file

from components.crisis_encoder import CrisisHead
from components.crisis_examples import LABELS
from components.crisis_lexicon import CrisisLexicon
from components.encoder.settings import EncoderSettings
from training.base_encoder import PREFIX_TOKEN, build_base_encoder
from training.chat_spelling import chat_spelling
from training.dataset import WELLNESS_COLUMNS, wellness_data
from training.rasa_data import full_intent
from training.tables import read_table

CHANGES = Path(__file__).with_name("wellness_encoder.npz")
_ROOT = Path(__file__).parent.parent
_DATASET = Path("data/wellness.csv")
_INTENTS = Path("data/intents.yml")
_WEIGHTS = "model.safetensors"
# First the categories alone, in two layers; then categories and crises together, in six; then the same, with more examples.
_STAGES = (
    {"trained_layers": 2, "epochs": 6, "learning_rate": 7e-4},
    {"trained_layers": 6, "epochs": 3, "learning_rate": 3e-4},
    {"trained_layers": 6, "epochs": 1, "learning_rate": 2e-4},
)
# Last without these layers of the base encoder, the two whose loss changes the vectors least, and without its "query: " before
# every text: read in three quarters of the time, once the layers that are left have learned to do without.
_DROPPED = (5, 7)
_LAST_STAGE = {"trained_layers": 5, "epochs": 2, "learning_rate": 3e-4}
# The shares of the categories' and of the crises' texts that the last stage sees in chat's spelling, too.
_CHATTED = (0.5, 0.25)
# A little more than `rasa train` and `training evaluate` hold out, so that what they hold out was not learned here.
_HELD_OUT = 0.12
# Harmless texts of the other training data beside the crisis lines; all of them are learned as categories.
_EVERYDAY = 5000

_CARD = """
# Fine-tuned on the open wellness dataset

The encoder above without its layers {dropped} (from 0) and without "query: " before a text, the upper {layers} of those left
fine-tuned by `python -m training wellness-encoder --retrain` to tell apart the 359 categories of `data/wellness.csv` and the
kinds of risk in `data/crisis_utterances.csv` (CC BY 4.0), half of the first and a quarter of the second in chat's spelling too.
Texts whose digest is among the lowest {held_out:.0%} were not learned from. What fine-tuning changed is kept in eight bits.
`{head}` is the linear layer that tells the kinds of risk from the mean of a text's last hidden states.
"""


@dataclass(frozen=True)
class Task:
    """What the encoder learns to tell apart.

    Attributes:
        texts: those of the training data; by them it is chosen what is held out.
        read: what the encoder reads of each.
        labels: (texts,) integers below `label_count`.
        read_as: what the encoder reads of a text.
    """

    texts: list[str]
    read: list[str]
    labels: np.ndarray
    label_count: int
    read_as: Callable[[str], str]

    @classmethod
    def of(cls, texts: list[str], labels: np.ndarray, label_count: int, read_as: Callable[[str], str] = str) -> Task:
        return cls(texts, [read_as(text) for text in texts], labels, label_count, read_as)

    def chatted(self, share: float) -> Task:
        """The task with a share of its texts a second time, in chat's spelling."""
        chance = random.Random(0)
        again = [index for index in range(len(self.texts)) if chance.random() < share]
        return replace(
            self,
            texts=self.texts + [self.texts[index] for index in again],
            read=self.read + [self.read_as(chat_spelling(self.texts[index], chance)) for index in again],
            labels=np.concatenate([self.labels, self.labels[again]]),
        )


def build_wellness_encoder(folder: Path, base: Path | None = None) -> Path:
    """Writes the checkpoint into `folder`, unless it is there already, and returns `folder`.

    Args:
        base: where the base encoder is, or shall be; None if it is not to be kept.

    Raises:
        FileNotFoundError: the package that carries the base encoder's weights is not installed.
    """
    if (folder / "config.json").is_file():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        changes, head = read_changes()
        short = _shortened(build_base_encoder(base or Path(work) / "base"), Path(work) / "short")
        weights = load_file(short / _WEIGHTS)
        made = _checkpoint(short, {name: weights[name] + change for name, change in changes.items()}, Path(work) / "encoder")
        head.save(made)
        with (made / "README.md").open("a", encoding="utf-8") as card:
            card.write(
                _CARD.format(
                    dropped=" and ".join(map(str, _DROPPED)),
                    layers=_LAST_STAGE["trained_layers"],
                    held_out=_HELD_OUT,
                    head=CrisisHead.FILE,
                )
            )
        made.rename(folder)
    return folder


def retrain(base: Path) -> list[float]:
    """Fine-tunes the base encoder's upper layers on the open dataset and writes what that changed over `CHANGES`.

    Takes some three hours on two cores.

    Returns:
        The shares of the held-out texts whose category, and whose kind of risk or none, the encoder then finds.
    """
    tasks = [categories(), crises()]
    with tempfile.TemporaryDirectory() as work:
        source = base
        for number, stage in enumerate(_STAGES):
            layers, _, _ = fine_tune(source, stage, tasks[: number + 1])
            source = _checkpoint(source, layers, Path(work) / str(number))
        short = _shortened(source, Path(work) / "short")
        layers, head, found = fine_tune(short, _LAST_STAGE, [task.chatted(share) for task, share in zip(tasks, _CHATTED)])
        before = load_file(_shortened(base, Path(work) / "base") / _WEIGHTS)
        after = {**load_file(short / _WEIGHTS), **layers}
    _write_changes({name: after[name] - before[name] for name in before if not np.array_equal(before[name], after[name])}, head)
    return found


def fine_tune(
    source: Path, stage: Mapping[str, Any], tasks: Sequence[Task]
) -> tuple[dict[str, np.ndarray], CrisisHead, list[float]]:
    """Fine-tunes the checkpoint in `source` on all tasks at once.

    Returns:
        The new weights by name, the last task's head, and the share of each task's held-out texts whose label is found.
    """
    from components.encoder.checkpoint import load_checkpoint
    from components.encoder.finetune import finetune
    from components.encoder.onnx_encoder import OnnxEncoder

    settings = _settings(source, stage)
    sizes = [task.label_count for task in tasks]
    starts = np.cumsum([0, *sizes])
    texts = [text for task in tasks for text in task.read]
    labels = np.concatenate([task.labels + start for task, start in zip(tasks, starts)])
    held_out = [settings.hold_out(task.texts) for task in tasks]
    offsets = np.cumsum([0, *(len(task.read) for task in tasks)])
    kept_out = np.concatenate([each + offset for each, offset in zip(held_out, offsets)])
    with tempfile.TemporaryDirectory() as folder:
        head, _ = finetune(settings, texts, labels, sum(sizes), kept_out, Path(folder), sizes)
        encoder = OnnxEncoder.load(Path(folder))
        found = []
        for task, start, unseen in zip(tasks, starts, held_out):
            logits = encoder.logits([task.read[index] for index in unseen])[:, start : start + task.label_count]
            found.append(float((logits.argmax(axis=1) == task.labels[unseen]).mean()))
    first = len(load_checkpoint(str(source))[0].encoder.layer) - settings.trained_layers
    weights = {
        f"encoder.layer.{first + index}.{name}": value.numpy()
        for index, layer in enumerate(head.layers)
        for name, value in layer.state_dict().items()
    }
    of_last = slice(int(starts[-2]), None)
    linear = head.classify
    return weights, CrisisHead(linear.weight[of_last].detach().numpy(), linear.bias[of_last].detach().numpy()), found


def categories() -> Task:
    """The open dataset's utterances, and each one's category."""
    pairs = _dataset()
    names, labels = np.unique([category for _, category in pairs], return_inverse=True)
    return Task.of([text for text, _ in pairs], labels, len(names))


def crises() -> Task:
    """What the bot's crisis detector learns, as it reads it, and each text's kind of risk or none."""
    # They bring all of Rasa in, which nobody needs who only has the encoder built.
    from components.crisis_detector import examples_of
    from training.crisis_evaluation import detector_config

    config = detector_config(_ROOT / "config.yml") | {"everyday": _EVERYDAY}
    config["examples"] = [str(_ROOT / file) for file in config["examples"]]
    lexicon = CrisisLexicon.read(_ROOT / config["lexicon"])
    intents = [(example.get(TEXT), example.get_full_intent()) for example in load_data(str(_ROOT / _INTENTS)).intent_examples]
    examples = examples_of(config, [*((text, full_intent(category)) for text, category in _dataset()), *intents])
    labels = np.array([LABELS.index(example.kind) for example in examples])
    return Task.of([example.text for example in examples], labels, len(LABELS), lexicon.as_read)


def learned_texts() -> set[str]:
    """The utterances of the open dataset that the encoder has learned from."""
    texts = categories().texts
    held_out = set(_settings(Path(), _LAST_STAGE).hold_out(texts).tolist())
    return {text for index, text in enumerate(texts) if index not in held_out}


def read_changes() -> tuple[dict[str, np.ndarray], CrisisHead]:
    """What is added to each of the base encoder's parameters, by name, float32; and the head for crises."""
    with np.load(CHANGES) as arrays:
        names = json.loads(str(arrays["names"]))
        changes = {name: arrays[f"{at}.q"].astype(np.float32) * arrays[f"{at}.scale"] for at, name in enumerate(names)}
        return changes, CrisisHead(arrays["crisis.weights"], arrays["crisis.biases"])


def _write_changes(changes: dict[str, np.ndarray], head: CrisisHead) -> None:
    """In eight bits, each row of a matrix with a scale of its own."""
    arrays = {"names": np.array(json.dumps(list(changes))), "crisis.weights": head.weights, "crisis.biases": head.biases}
    for at, change in enumerate(changes.values()):
        largest = np.abs(change).max(axis=-1, keepdims=True)
        scale = np.where(largest > 0, largest, 1) / 127
        arrays |= {f"{at}.q": np.round(change / scale).astype(np.int8), f"{at}.scale": scale.astype(np.float32)}
    np.savez_compressed(CHANGES, **arrays)


def _checkpoint(source: Path, weights: Mapping[str, np.ndarray], folder: Path) -> Path:
    """A copy of the checkpoint in `source` with other weights under these names."""
    shutil.copytree(source, folder)
    save_file({**load_file(source / _WEIGHTS), **weights}, folder / _WEIGHTS, metadata={"format": "pt"})
    return folder


def _shortened(source: Path, folder: Path) -> Path:
    """A copy of the checkpoint in `source` without the layers and the prefix that the bot's own encoder does without."""
    shutil.copytree(source, folder)
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    kept = [layer for layer in range(config["num_hidden_layers"]) if layer not in _DROPPED]
    config["num_hidden_layers"] = len(kept)
    (folder / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    weights = {}
    for name, value in load_file(source / _WEIGHTS).items():
        before, at, of_layer = name.partition("encoder.layer.")
        layer, _, rest = of_layer.partition(".")
        if not at:
            weights[name] = value
        elif int(layer) in kept:
            weights[f"{before}{at}{kept.index(int(layer))}.{rest}"] = value
    save_file(weights, folder / _WEIGHTS, metadata={"format": "pt"})
    tokenizer = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    template = tokenizer["post_processor"]
    del template["special_tokens"][PREFIX_TOKEN]
    template["single"] = [piece for piece in template["single"] if piece.get("SpecialToken", {}).get("id") != PREFIX_TOKEN]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")
    return folder


def _settings(source: Path, stage: Mapping[str, Any]) -> EncoderSettings:
    return EncoderSettings(source=str(source), patience=stage["epochs"], max_steps=10**6, held_out=_HELD_OUT, **stage)


def _dataset() -> list[tuple[str, str]]:
    """The open dataset's utterances, and each one's category."""
    data = wellness_data(read_table(_ROOT / _DATASET, [WELLNESS_COLUMNS])[1])
    return [(text, category) for category, utterances in data.utterances.items() for text in utterances]
