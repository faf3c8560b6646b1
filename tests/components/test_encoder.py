from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.discriminant import discriminant
from components.encoder.settings import EncoderError, EncoderSettings
from components.encoder.tokenizer import PieceTokenizer, load_tokenizer

Examples = tuple[list[str], list[str]]
HELD_OUT = np.array([1, 9, 17, 20])
chat = st.text(st.sampled_from("요즘 너무 우울해요잠이 안 와새벽ㅠㅠㅋㅋ…!?,.1234567890 \t`'é😀abc한글"), max_size=40)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> EncoderSettings:
    checkpoints = tmp_path_factory.mktemp("checkpoints")
    return EncoderSettings(
        source="", epochs=2, batch_size=8, learning_rate=5e-3, head_learning_rate=5e-3, held_out=0.2, checkpoints=checkpoints
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(text=chat)
def test_kobert_is_tokenized_as_kobert_transformers_does(kobert: Path, text: str) -> None:
    from kobert_transformers.tokenization_kobert import KoBertTokenizer

    original = KoBertTokenizer.from_pretrained(kobert)
    ours = PieceTokenizer(kobert / "tokenizer_78b3253a26.model", kobert / "vocab.txt")
    assert ours.encode(text) == original.encode(text)


def test_a_number_with_a_comma_is_split_as_kobert_transformers_does(kobert: Path) -> None:
    from kobert_transformers.tokenization_kobert import KoBertTokenizer

    text = "1,234번 잠이 안 와요, 12, 새벽 3,"
    ours = PieceTokenizer(kobert / "tokenizer_78b3253a26.model", kobert / "vocab.txt")
    assert ours.encode(text) == KoBertTokenizer.from_pretrained(kobert).encode(text)


def test_kobert_pads_with_pad_and_not_with_an_unknown_word(kobert: Path) -> None:
    from components.encoder.checkpoint import load_checkpoint

    _, tokenizer, pad_id = load_checkpoint(str(kobert))
    assert pad_id == 1
    assert tokenizer.encode("")[0] == 2


def test_koelectra_is_tokenized_as_transformers_does(koelectra: Path) -> None:
    from transformers import AutoTokenizer

    from components.encoder.checkpoint import load_checkpoint

    _, tokenizer, _ = load_checkpoint(str(koelectra))
    for text in ("잠이 안 와요", "우울해서 아무것도 못 하겠어 ㅠㅠ", ""):
        assert tokenizer.encode(text) == AutoTokenizer.from_pretrained(koelectra).encode(text)


def test_a_saved_tokenizer_loads_to_the_same_ids(encoder: Path, tmp_path: Path) -> None:
    from components.encoder.checkpoint import load_checkpoint

    _, tokenizer, _ = load_checkpoint(str(encoder))
    tokenizer.save(tmp_path)
    text = "회사에서 스트레스를 많이 받아요"
    assert load_tokenizer(tmp_path).encode(text) == tokenizer.encode(text)


def test_an_exported_encoder_says_what_torch_said(encoder: Path, examples: Examples, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModel

    from components.encoder.checkpoint import load_checkpoint
    from components.encoder.finetune import export_head, export_trunk
    from components.encoder.network import Head, Trunk
    from components.encoder.onnx_encoder import HEAD_FILE, TRUNK_FILE, OnnxEncoder, OnnxTrunk

    loaded, tokenizer, pad_id = load_checkpoint(str(encoder))
    trunk = Trunk(loaded, frozen=1)
    head = Head(*trunk.upper, loaded.config.hidden_size, 3).eval()
    export_trunk(trunk, tmp_path / TRUNK_FILE)
    export_head(head, tmp_path / HEAD_FILE)
    served = OnnxTrunk(tmp_path / TRUNK_FILE, tokenizer, pad_id, max_length=64)
    exported = OnnxEncoder(served, tmp_path / HEAD_FILE)
    whole = AutoModel.from_pretrained(encoder, attn_implementation="eager").eval()
    with torch.no_grad():
        sequences = [torch.tensor([tokenizer.encode(text)]) for text in examples[0]]
        said = [head.classify(whole(ids).last_hidden_state.mean(1))[0].numpy() for ids in sequences]
    np.testing.assert_allclose(exported.logits(examples[0]), said, atol=1e-5)


def test_components_with_the_same_trunk_share_it(koelectra: Path, examples: Examples, tmp_path: Path) -> None:
    from components.encoder.finetune import finetune
    from components.encoder.onnx_encoder import OnnxTrunk

    labels = np.unique(examples[1], return_inverse=True)[1]
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        settings_ = EncoderSettings(source=str(koelectra), trained_layers=0)
        finetune(settings_, examples[0], labels, 3, HELD_OUT, tmp_path / name)
    one = OnnxTrunk.load(tmp_path / "one")
    assert one is OnnxTrunk.load(tmp_path / "other")
    written = json.loads((tmp_path / "other" / "encoder.json").read_text(encoding="utf-8"))
    (tmp_path / "other" / "encoder.json").write_text(json.dumps(written | {"max_length": 8}), encoding="utf-8")
    assert one is not OnnxTrunk.load(tmp_path / "other")  # it reads less of a text


@pytest.mark.parametrize("kinds", [2, 3])
def test_a_head_alone_is_a_discriminant_analysis_of_the_vectors(
    koelectra: Path, examples: Examples, tmp_path: Path, kinds: int
) -> None:
    from components.encoder.finetune import finetune
    from components.encoder.onnx_encoder import OnnxEncoder, OnnxTrunk

    labels = np.unique(examples[1], return_inverse=True)[1]
    texts = [text for text, label in zip(examples[0], labels) if label < kinds]
    labels = labels[labels < kinds]
    finetune(EncoderSettings(source=str(koelectra), trained_layers=0), texts, labels, kinds, np.array([1]), tmp_path)
    vectors = OnnxTrunk.load(tmp_path).vectors(texts)
    weights, biases = discriminant(np.delete(vectors, 1, axis=0), np.delete(labels, 1), kinds)
    np.testing.assert_allclose(OnnxEncoder.load(tmp_path).logits(texts), vectors @ weights.T + biases, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kinds", [2, 3])
def test_discriminant_analysis_tells_labels_apart(kinds: int) -> None:
    random = np.random.default_rng(0)
    labels = np.arange(60) % kinds
    vectors = random.normal(size=(60, 8)) + 4 * np.eye(8)[labels]
    weights, biases = discriminant(vectors, labels, kinds + 1)
    logits = vectors @ weights.T + biases
    assert (logits[:, :kinds].argmax(axis=1) == labels).mean() > 0.95
    assert (logits[:, kinds] < logits[:, :kinds].min(axis=1)).all(), "a label that no vector has is never likely"


def test_fine_tuning_learns_and_leaves_only_what_is_served(
    encoder: Path, examples: Examples, quick: EncoderSettings, tmp_path: Path
) -> None:
    from components.encoder.finetune import finetune
    from components.encoder.onnx_encoder import OnnxEncoder

    # Each text three times, so that those held out are known, and stopping early is no matter of luck.
    texts, labels = examples[0] * 3, np.unique(examples[1] * 3, return_inverse=True)[1]
    finetune(replace(quick, source=str(encoder), epochs=30, patience=30), texts, labels, 3, HELD_OUT, tmp_path)
    predicted = OnnxEncoder.load(tmp_path).logits(texts).argmax(axis=1)
    assert (predicted == labels).mean() > 0.6
    assert not any(quick.checkpoints.iterdir()), "a finished run leaves no checkpoints"


def test_padding_and_order_do_not_change_what_is_said_of_a_text(
    koelectra: Path, examples: Examples, quick: EncoderSettings, tmp_path: Path
) -> None:
    from components.encoder.finetune import finetune
    from components.encoder.onnx_encoder import OnnxEncoder

    labels = np.unique(examples[1], return_inverse=True)[1]
    finetune(replace(quick, source=str(koelectra), epochs=1), examples[0], labels, 3, HELD_OUT, tmp_path)
    exported = OnnxEncoder.load(tmp_path)
    texts = ["잠", "회사에서 스트레스를 많이 받아요 그리고 잠도 안 오고 우울해요", "", "아주 긴 이야기 " * 100]
    together = exported.logits(texts)
    np.testing.assert_allclose(together, np.concatenate([exported.logits([text]) for text in texts]), atol=1e-4)


def test_an_interrupted_fine_tuning_goes_on_where_it_stopped(
    koelectra: Path, examples: Examples, quick: EncoderSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import Trainer

    from components.encoder.finetune import finetune

    labels = np.unique(examples[1], return_inverse=True)[1]
    settings_ = replace(quick, source=str(koelectra), epochs=3, checkpoints=tmp_path / "checkpoints")
    begun: list[int] = []
    evaluate = Trainer.evaluate

    def interrupt_in_the_second_epoch(self: Trainer, *args: object, **kwargs: object) -> object:
        if self.state.epoch == 2 and not begun:
            begun.append(1)
            raise KeyboardInterrupt
        return evaluate(self, *args, **kwargs)

    monkeypatch.setattr(Trainer, "evaluate", interrupt_in_the_second_epoch)
    with pytest.raises(KeyboardInterrupt):
        finetune(settings_, examples[0], labels, 3, HELD_OUT, tmp_path)

    resumed: list[str | None] = []
    train = Trainer.train

    def note_resumption(self: Trainer, resume_from_checkpoint: str | None = None) -> object:
        resumed.append(resume_from_checkpoint)
        return train(self, resume_from_checkpoint=resume_from_checkpoint)

    monkeypatch.setattr(Trainer, "train", note_resumption)
    finetune(settings_, examples[0], labels, 3, HELD_OUT, tmp_path)
    assert resumed[0] is not None
    assert "checkpoint-" in resumed[0]


def test_an_id_that_cannot_be_fetched_is_said_in_one_sentence() -> None:
    from components.encoder.checkpoint import load_checkpoint

    with pytest.raises(
        EncoderError, match=r"^The encoder 'nobody/no-such-model' could not be fetched .* local|folder"
    ) as error:
        load_checkpoint("nobody/no-such-model")
    assert "\n" not in str(error.value)


def test_a_folder_without_a_checkpoint_is_said_in_one_sentence(tmp_path: Path) -> None:
    from components.encoder.checkpoint import load_checkpoint

    with pytest.raises(EncoderError, match=rf"^The folder '{tmp_path}' holds no encoder") as error:
        load_checkpoint(str(tmp_path))
    assert "\n" not in str(error.value)


def test_a_folder_that_is_not_there_is_not_taken_for_an_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from components.encoder.checkpoint import load_checkpoint

    monkeypatch.chdir(tmp_path)
    for source, remedy in (
        (str(tmp_path / "no"), "config.yml"),
        ("./no", "config.yml"),
        (".cache/wellness-encoder", "make data"),
    ):
        with pytest.raises(EncoderError, match=rf"^There is no folder '{source}' to load the encoder from: .*{remedy}"):
            load_checkpoint(source)


@pytest.mark.parametrize(
    ("whole", "missing"),
    [("koelectra", ("tokenizer.json", "tokenizer_config.json")), ("kobert", ("tokenizer_78b3253a26.model",))],
)
def test_an_encoder_whose_tokenizer_lacks_files_and_reads_no_korean_is_refused(
    whole: str, missing: tuple[str, ...], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    from components.encoder.checkpoint import load_checkpoint

    folder = shutil.copytree(request.getfixturevalue(whole), tmp_path / "encoder")
    load_checkpoint(str(folder))
    for name in missing:
        (folder / name).unlink()
    with pytest.raises(EncoderError, match=rf"^The encoder '{folder}' reads .*tokenizer_config\.json") as error:
        load_checkpoint(str(folder))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["deberta-v2", "big_bird", "mpnet"])
def test_an_encoder_that_cannot_work_is_refused_by_its_type(kind: str, koelectra: Path, tmp_path: Path) -> None:
    from components.encoder.checkpoint import load_checkpoint

    _swap_model(koelectra, kind, tmp_path)
    with pytest.raises(EncoderError, match=rf"^The encoder '{tmp_path}' is of the type {kind}; supported are bert, electra,"):
        load_checkpoint(str(tmp_path))


@pytest.mark.parametrize("kind", ["bert", "electra", "roberta", "xlm-roberta", "camembert"])
def test_the_layers_of_every_supported_type_say_alone_what_they_say_in_the_whole(
    kind: str, koelectra: Path, tmp_path: Path
) -> None:
    import torch

    from components.encoder.checkpoint import load_checkpoint
    from components.encoder.network import Head, Trunk, mean

    _swap_model(koelectra, kind, tmp_path)
    model, tokenizer, _ = load_checkpoint(str(tmp_path))
    ids = torch.tensor([tokenizer.encode("잠이 안 와요")])
    with torch.no_grad():
        whole = mean(model.eval()(ids).last_hidden_state, torch.ones_like(ids))
        trunk = Trunk(model, frozen=1)
        head = Head(*trunk.upper, model.config.hidden_size, 3).eval()
        parts = head.vectors(trunk(ids, torch.ones_like(ids)), torch.ones_like(ids))
    torch.testing.assert_close(parts, whole)


def test_why_an_encoder_of_the_hub_cannot_be_used_is_said(koelectra: Path, tmp_path: Path) -> None:
    cached = tmp_path / "hub" / "models--someone--slow"
    shutil.copytree(koelectra, cached / "snapshots" / "1")
    (cached / "snapshots" / "1" / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "CanineTokenizer"}', encoding="utf-8"
    )
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("1", encoding="utf-8")
    code = "from components.encoder.checkpoint import load_checkpoint; load_checkpoint('someone/slow')"
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert "EncoderError: The encoder 'someone/slow' can't be used: its tokenizer has no fast version.\n" in done.stderr


def _swap_model(source: Path, kind: str, folder: Path) -> None:
    """Writes a tiny model of the kind into the folder, with the tokenizer of the checkpoint in `source`."""
    from transformers import AutoConfig, AutoModel

    shutil.copytree(source, folder, dirs_exist_ok=True)
    config = AutoConfig.for_model(
        kind, vocab_size=300, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, pad_token_id=0
    )
    AutoModel.from_config(config).save_pretrained(folder)


def test_serving_an_encoder_imports_neither_torch_nor_transformers() -> None:
    code = (
        "import sys, components.category_model, components.wellness_classifier, components.wellness_fallback;"
        "components.category_model.OnnxEncoder;"
        "sys.exit(bool({'torch', 'transformers', 'kobert_transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_of_two_tasks_learned_at_once_a_text_is_told_apart_from_its_own_tasks_labels_alone() -> None:
    import torch

    from components.encoder.network import Head, TrainedHead

    head = Head(torch.nn.ModuleList(), 8, 5, dropout=0.0)
    hidden, mask = torch.randn(2, 3, 8), torch.ones(2, 3, dtype=torch.int64)
    labels = torch.tensor([1, 4])
    said = TrainedHead(head, 0.1, (3, 2))(hidden, mask, labels)
    logits = head(hidden, mask)
    first = torch.nn.functional.cross_entropy(logits[:1, :3], labels[:1], label_smoothing=0.1)
    second = torch.nn.functional.cross_entropy(logits[1:, 3:], labels[1:] - 3, label_smoothing=0.1)
    torch.testing.assert_close(said["loss"], (first + second) / 2)
    assert torch.isinf(said["logits"]).tolist() == [[False] * 3 + [True] * 2, [True] * 3 + [False] * 2]
    of_one = TrainedHead(head, 0.1, (5,))(hidden, mask, labels)
    torch.testing.assert_close(of_one["loss"], torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.1))
    torch.testing.assert_close(of_one["logits"], logits)
