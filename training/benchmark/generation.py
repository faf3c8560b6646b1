"""Generating replies: CTranslate2 in eight bits, as the action server does it, against transformers' `generate`."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bot.generator import BEGIN, END, Decoding, GenerationSettings, ReplyGenerator
from training.benchmark.figures import Bench, Figure
from training.benchmark.measuring import cores, run_alone, seconds

# KoGPT2's.
SIZES = {"vocab_size": 51200, "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024}
CANDIDATES = 3
NEW_TOKENS = 40


def measure(bench: Bench, sizes: Mapping[str, int] = SIZES, messages: int = 4, rounds: int = 4) -> Iterator[Figure]:
    """Replies to the same messages, decoded as `bot/generation.yml` says but for their number and length."""
    settings = GenerationSettings.load(bench.project / "bot" / "generation.yml")
    lengths = {"candidates": CANDIDATES, "min_length": NEW_TOKENS, "max_length": NEW_TOKENS}
    decoding = settings.decoding.copy(update={"method": "sample", **lengths})
    texts = bench.sample(messages)
    with tempfile.TemporaryDirectory() as work:
        checkpoint, generator = Path(work) / "checkpoint", Path(work) / "generator"
        bench.say("KoGPT2: converting it to CTranslate2")
        run_alone(export, dict(sizes), bench.utterances, checkpoint, generator)
        bench.say("KoGPT2: CTranslate2, int8")
        ours = run_alone(time_ctranslate2, generator, decoding, texts * rounds)
        for threads in sorted({cores(), 1}, reverse=True):
            bench.say(f"KoGPT2: transformers on {threads} of {cores()} cores")
            reference = run_alone(time_transformers, checkpoint, decoding, texts, threads)
            yield Figure(
                f"KoGPT2, int8: {CANDIDATES} × {NEW_TOKENS} tokens, against {threads} thread{'s' * (threads > 1)}",
                statistics.median(ours),
                statistics.median(reference),
                "s",
                note=f"median of {messages} messages; random weights; ours on 1 thread, as in the action server",
            )


def export(sizes: dict[str, int], utterances: list[str], checkpoint: Path, out: Path) -> None:
    """Makes a model of these sizes and converts it as fine-tuning does."""
    from tokenizers import AddedToken, SentencePieceBPETokenizer
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    from training.generator import export as export_generator

    special = [BEGIN, END, "<usr>", "<pad>", "<sys>", "<unk>"]
    # CTranslate2 wants a token for every row of the embeddings: those that the utterances don't give are unused ones.
    pieces = SentencePieceBPETokenizer()
    pieces.train_from_iterator(
        utterances, vocab_size=sizes["vocab_size"], min_frequency=1, special_tokens=special, show_progress=False
    )
    unused = range(sizes["vocab_size"] - pieces.get_vocab_size())
    pieces.add_tokens([AddedToken(f"<unused{number}>", normalized=False) for number in unused])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=pieces._tokenizer, bos_token=BEGIN, eos_token=END, unk_token="<unk>", pad_token="<pad>"
    )
    begin, end = tokenizer.convert_tokens_to_ids([BEGIN, END])
    model = GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=begin, eos_token_id=end))
    model.save_pretrained(checkpoint)
    tokenizer.save_pretrained(checkpoint)
    export_generator(model, tokenizer, out)


def time_ctranslate2(folder: Path, decoding: Decoding, texts: list[str]) -> list[float]:
    """Seconds for the candidates of each text, as the action server makes them."""
    return seconds(ReplyGenerator(folder, decoding).candidates, texts)


def time_transformers(checkpoint: Path, decoding: Decoding, texts: list[str], threads: int) -> list[float]:
    """Seconds for the candidates of each text with transformers in fp32."""
    import torch
    from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast

    torch.set_num_threads(threads)
    model = GPT2LMHeadModel.from_pretrained(checkpoint).eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(checkpoint)
    settings: dict[str, Any] = {
        "do_sample": True, "temperature": decoding.temperature, "top_k": decoding.top_k, "top_p": decoding.top_p,
        "repetition_penalty": decoding.repetition_penalty, "no_repeat_ngram_size": decoding.no_repeat_ngram_size,
        "min_new_tokens": decoding.min_length, "max_new_tokens": decoding.max_length,
        "num_return_sequences": decoding.candidates, "pad_token_id": tokenizer.pad_token_id,
    }  # fmt: skip

    def candidates(message: str) -> list[str]:
        prompt = tokenizer(f"{BEGIN}{message}{END}{BEGIN}", return_tensors="pt", return_token_type_ids=False)
        replies = model.generate(**prompt, **settings)[:, prompt["input_ids"].shape[1] :]
        return tokenizer.batch_decode(replies, skip_special_tokens=True)

    return seconds(candidates, texts)
