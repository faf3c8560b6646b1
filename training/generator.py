"""Fine-tuning a causal language model of KoGPT2's kind on question–answer pairs, and exporting it to CTranslate2.

Beside it goes what its replies are ranked by: a sentence encoder, and the vectors of the pairs it learned from.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import torch

from components.encoder.checkpoint import load_checkpoint, require_fetchable, why_not_loaded  # isort: skip (keeps TensorFlow out)
from kogpt2_transformers import get_kogpt2_model, get_kogpt2_tokenizer
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from bot.generator import BEGIN, END, TOKENIZER_FILE
from bot.reply_ranking import ENCODER_FOLDER, KNOWN_FILE, sentence_vectors
from components.encoder.finetune import export_frozen
from components.encoder.onnx_encoder import TRUNK_FILE, OnnxTrunk, quantise
from components.trainer import Example, fine_tune, run_name
from components.training_settings import TrainingSettings
from training.tables import TableError, read_table

_PAIR_COLUMNS = ("question", "answer")
_UNKNOWN = "<unk>"
_RANKED_LENGTH = 128  # tokens of a question or reply that ranking reads; they have a few dozen
_IGNORED = -100  # the label torch's cross entropy passes over


class GeneratorError(Exception):
    """A generator can't be had or can't be trained; the message is a sentence for whoever asked for it."""


@dataclass(frozen=True)
class GeneratorSettings(TrainingSettings):
    """How a generator is fine-tuned; pairs longer than `max_length` are left out."""

    # By whose sentence vectors replies are ranked: a Hugging Face hub id or a local folder.
    encoder: str = ".cache/base-encoder"
    epochs: int = 5
    patience: int = 2
    batch_size: int = 16
    held_out: float = 0.05


def read_pairs(file: Path) -> list[tuple[str, str]]:
    """The whole pairs of a table with the columns `question,answer`, such as `data/generated/question_answer.csv`.

    Raises:
        GeneratorError: there is no such file, or it has no such pairs.
    """
    if not file.exists():
        raise GeneratorError(f"{file}: there is no such file; `make data` makes the pairs.")
    try:
        rows = read_table(file, [_PAIR_COLUMNS])[1]
    except TableError as error:
        raise GeneratorError(str(error)) from None
    pairs = [(row["question"], row["answer"]) for row in rows if row["question"] and row["answer"]]
    if len(pairs) < 2:
        raise GeneratorError(f"{file}: at least two question-answer pairs are needed, and it has {len(pairs)}.")
    return pairs


def finetune_generator(settings: GeneratorSettings, pairs: list[tuple[str, str]], out: Path) -> float:
    """Fine-tunes the base on the pairs and writes what the action server loads into `out`, replacing what was there.

    A pair is one sequence, `<s>question</s><s>answer</s>`, and every token of it but the first is learned. An interrupted run
    goes on from its last epoch when it is started again with the same pairs and settings.

    Returns:
        The held-out loss of the best epoch, in nats a token.

    Raises:
        GeneratorError: the base can't be loaded, or lacks the tokens `<s>` and `</s>`.
        components.encoder.settings.EncoderError: the encoder that ranks replies can't be loaded.
    """
    load_checkpoint(settings.encoder)  # now, because training may take hours
    model, tokenizer = _load(settings.source)
    examples: list[dict[str, Any]] = [
        {"input_ids": ids, "question": question}
        for question, answer in pairs
        if len(ids := _token_ids(tokenizer, question, answer)) <= settings.max_length
    ]
    if len(examples) < 2:
        raise GeneratorError(
            f"fewer than two pairs are at most {settings.max_length} tokens long; nothing is left to learn from."
        )
    checkpoints = Path(".cache/finetune-generator") / run_name(settings, pairs)
    # By the question: it stands with every answer of its category, and with none of them may it be learned.
    held_out = settings.hold_out([example.pop("question") for example in examples])
    trainer = fine_tune(model, examples, _collate, settings, checkpoints, held_out)
    loss = float(trainer.evaluate()["eval_loss"])
    export(trainer.model, tokenizer, out)
    export_known(settings.encoder, pairs, out)
    shutil.rmtree(checkpoints)
    return loss


def export(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, out: Path) -> None:
    """Writes the model for CTranslate2 (int8) with its tokenizer into `out`, replacing what was there."""
    # CTranslate2 wants as many embeddings as the tokenizer has tokens; KoGPT2's own agree, others may be padded.
    model.resize_token_embeddings(len(tokenizer))
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as work:
        checkpoint, converted = Path(work) / "checkpoint", Path(work) / "converted"
        model.cpu().float().save_pretrained(checkpoint)
        tokenizer.save_pretrained(checkpoint)
        ctranslate2.converters.TransformersConverter(str(checkpoint)).convert(str(converted), quantization="int8")
        tokenizer.backend_tokenizer.save(str(converted / TOKENIZER_FILE))
        shutil.rmtree(out, ignore_errors=True)
        converted.rename(out)


def export_known(encoder: str, pairs: list[tuple[str, str]], folder: Path) -> None:
    """Writes into `folder` what `ReplyRanker` loads: the encoder, and the vectors of the pairs' texts."""
    ranking = folder / ENCODER_FOLDER
    ranking.mkdir()
    export_frozen(encoder, _RANKED_LENGTH, ranking)
    # In int8 it takes a quarter of the memory, and the order of replies hardly changes.
    quantise(ranking / TRUNK_FILE).replace(ranking / TRUNK_FILE)
    known = OnnxTrunk.load(ranking)
    questions, answers = ({text: place for place, text in enumerate(dict.fromkeys(texts))} for texts in zip(*pairs))
    np.savez(
        folder / KNOWN_FILE,
        questions=sentence_vectors(known, list(questions)).astype(np.float16),
        answers=sentence_vectors(known, list(answers)).astype(np.float16),
        pairs=np.array([(questions[question], answers[answer]) for question, answer in pairs]),
    )


def _load(base: str) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    try:
        require_fetchable(base)
        model, tokenizer = get_kogpt2_model(base), get_kogpt2_tokenizer(base)
    except (OSError, ValueError) as error:
        raise GeneratorError(why_not_loaded(base, error, "generator", "give")) from error
    vocabulary = tokenizer.get_vocab()
    missing = [token for token in (BEGIN, END, _UNKNOWN) if token not in vocabulary]
    if missing:
        raise GeneratorError(f"The generator '{base}' has no token {' and '.join(missing)}; KoGPT2 and its kind have them.")
    # KoGPT2's own files don't say which of its tokens are which; CTranslate2 asks.
    tokenizer.add_special_tokens({"bos_token": BEGIN, "eos_token": END, "unk_token": _UNKNOWN})
    return model, tokenizer


def _token_ids(tokenizer: PreTrainedTokenizerFast, question: str, answer: str) -> list[int]:
    begin, end = tokenizer.convert_tokens_to_ids([BEGIN, END])
    ids = [tokenizer.encode(text, add_special_tokens=False) for text in (question, answer)]
    return [begin, *ids[0], end, begin, *ids[1], end]


def _collate(batch: list[Example]) -> dict[str, torch.Tensor]:
    """Pads to the longest sequence of the batch; what is padding is neither attended to nor learned."""
    sequences = [torch.tensor(example["input_ids"]) for example in batch]
    ids = torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True, padding_value=0)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(sequence) for sequence in sequences], batch_first=True)
    return {"input_ids": ids, "attention_mask": mask, "labels": ids.masked_fill(mask == 0, _IGNORED)}
