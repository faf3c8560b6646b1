"""Fine-tuning a causal language model of KoGPT2's kind on question–answer pairs, and exporting it to CTranslate2."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import torch

from components.encoder.checkpoint import require_fetchable, why_not_loaded  # isort: skip (keeps TensorFlow out)
from kogpt2_transformers import get_kogpt2_model, get_kogpt2_tokenizer
from transformers import EarlyStoppingCallback, PreTrainedModel, PreTrainedTokenizerFast, Trainer, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from bot.generator import BEGIN, END, TOKENIZER_FILE

_UNKNOWN = "<unk>"
_IGNORED = -100  # the label torch's cross entropy passes over


class GeneratorError(Exception):
    """A generator can't be had or can't be trained; the message is a sentence for whoever asked for it."""


@dataclass(frozen=True)
class GeneratorSettings:
    """How a generator is fine-tuned."""

    # A hub id ("skt/kogpt2-base-v2", "taeminlee/kogpt2") or a local folder.
    base: str
    epochs: int = 5
    # Training stops when the held-out loss has not fallen for so many epochs.
    patience: int = 2
    learning_rate: float = 5e-5
    batch_size: int = 16
    # Tokens of a pair; longer pairs are left out.
    max_length: int = 128
    held_out: float = 0.05
    seed: int = 0


def read_pairs(file: Path) -> list[tuple[str, str]]:
    """The pairs of a CSV with the columns `question,answer`, such as `data/generated/question_answer.csv`.

    Raises:
        GeneratorError: there is no such file, or it has no such pairs.
    """
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            pairs = [(row["question"], row["answer"]) for row in csv.DictReader(stream)]
    except FileNotFoundError:
        raise GeneratorError(f"{file}: there is no such file; `make data` makes the pairs.") from None
    except (KeyError, UnicodeDecodeError, csv.Error):
        raise GeneratorError(f"{file}: a UTF-8 CSV with the columns question,answer is wanted.") from None
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
    """
    model, tokenizer = _load(settings.base)
    sequences = [_token_ids(tokenizer, question, answer) for question, answer in pairs]
    sequences = [ids for ids in sequences if len(ids) <= settings.max_length]
    if len(sequences) < 2:
        raise GeneratorError(
            f"fewer than two pairs are at most {settings.max_length} tokens long; nothing is left to learn from."
        )
    shuffled = np.random.default_rng(settings.seed).permutation(len(sequences))
    held_out, kept = np.split(shuffled, [max(1, round(settings.held_out * len(sequences)))])

    run = hashlib.sha256(json.dumps([asdict(settings), pairs], ensure_ascii=False).encode()).hexdigest()[:16]
    checkpoints = Path(".cache/finetune-generator") / run
    on_gpu = torch.cuda.is_available()
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(checkpoints),
            num_train_epochs=settings.epochs,
            learning_rate=settings.learning_rate,
            per_device_train_batch_size=settings.batch_size,
            per_device_eval_batch_size=32,
            warmup_ratio=0.05,
            group_by_length=True,
            bf16=on_gpu and torch.cuda.is_bf16_supported(),
            dataloader_pin_memory=on_gpu,
            eval_strategy="epoch",
            save_strategy="epoch",
            logging_strategy="epoch",
            save_total_limit=2,
            load_best_model_at_end=True,
            metric_for_best_model="loss",
            prediction_loss_only=True,
            seed=settings.seed,
            report_to=[],
        ),
        train_dataset=[{"input_ids": sequences[index]} for index in kept],
        eval_dataset=[{"input_ids": sequences[index]} for index in held_out],
        data_collator=_collate,
        callbacks=[EarlyStoppingCallback(early_stopping_patience=settings.patience)],
    )
    trainer.train(resume_from_checkpoint=get_last_checkpoint(str(checkpoints)) if checkpoints.is_dir() else None)
    loss = float(trainer.evaluate()["eval_loss"])
    export(trainer.model, tokenizer, out)
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


def _collate(batch: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Pads to the longest sequence of the batch; what is padding is neither attended to nor learned."""
    sequences = [torch.tensor(example["input_ids"]) for example in batch]
    ids = torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True, padding_value=0)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(sequence) for sequence in sequences], batch_first=True)
    return {"input_ids": ids, "attention_mask": mask, "labels": ids.masked_fill(mask == 0, _IGNORED)}
