from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.generator import BEGIN, END, Decoding, GenerationSettings, ReplyGenerator, whole_sentences

Pairs = list[tuple[str, str]]


@pytest.fixture(scope="module")
def folder(kogpt2: Path, koelectra: Path, pairs: Pairs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generator that has learned `pairs` by heart."""
    from training.generator import GeneratorSettings, finetune_generator

    out = tmp_path_factory.mktemp("generator") / "model"
    work = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(work)
        settings = GeneratorSettings(
            source=str(kogpt2), encoder=str(koelectra), epochs=40, patience=40, learning_rate=5e-3, batch_size=8
        )
        finetune_generator(settings, pairs * 20, out)
    return out


@pytest.mark.parametrize("method", ["greedy", "beam", "sample"])
def test_every_decoding_gives_whole_sentences_without_tokens_left_over(
    folder: Path, pairs: Pairs, method: Literal["greedy", "beam", "sample"]
) -> None:
    decoding = Decoding(method=method, temperature=0.2, candidates=3)
    for question, answer in pairs:
        replies = ReplyGenerator(folder, decoding).candidates(question)
        assert replies[0] == answer
        assert not any(token in reply for reply in replies for token in (BEGIN, END, "<pad>", "▁"))


def test_greedy_says_the_same_every_time(folder: Path) -> None:
    generator = ReplyGenerator(folder, Decoding(method="greedy"))
    assert generator.candidates("요즘 잠을 설쳐요") == generator.candidates("요즘 잠을 설쳐요")


def test_sampling_gives_as_many_candidates_as_asked_for_at_most(folder: Path) -> None:
    replies = ReplyGenerator(folder, Decoding(temperature=2.0, top_k=0, top_p=1.0, candidates=5)).candidates("아무 말")
    assert 1 <= len(replies) <= 5


def test_a_reply_cut_at_the_limit_ends_with_its_last_whole_sentence(folder: Path, pairs: Pairs) -> None:
    question, answer = pairs[1]
    generator = ReplyGenerator(folder, Decoding(method="greedy"))
    length = len(generator._tokenizer.encode(answer, add_special_tokens=False).ids)
    shorter = ReplyGenerator(folder, Decoding(method="greedy", max_length=length - 2))
    assert shorter.candidates(question) == ["마음이 많이 가라앉았군요."]


def test_a_reply_without_a_whole_sentence_is_none_at_all(folder: Path, pairs: Pairs) -> None:
    assert ReplyGenerator(folder, Decoding(method="greedy", min_length=0, max_length=2)).candidates(pairs[0][0]) == []


@given(st.text())
def test_whole_sentences_are_the_beginning_of_the_text(text: str) -> None:
    folded = " ".join(text.split())
    cut = whole_sentences(text, finished=False)
    assert folded.startswith(cut)
    assert cut == "" or cut[-1] in ".!?…~\"'”’)"
    assert whole_sentences(text, finished=True) == folded


def test_the_shipped_settings_are_valid() -> None:
    settings = GenerationSettings.load(Path(__file__).parents[2] / "bot" / "generation.yml")
    assert settings.timeout_seconds == 4


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("model: x\ndecoding: {method: guess}", "decoding.method"),
        ("model: x\ndecoding: {topp: 1}", "topp"),
        ("model: x\nranking: {threshold: 2}", "ranking.threshold"),
        ("{}", "model"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, name: str) -> None:
    file = tmp_path / "generation.yml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=name):
        GenerationSettings.load(file)
