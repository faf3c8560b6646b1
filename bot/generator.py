"""A fine-tuned KoGPT2 as a generator of replies, served by CTranslate2: no torch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import ctranslate2
import yaml
from pydantic import BaseModel, Extra, Field, ValidationError
from tokenizers import Tokenizer

# The original's form of a turn, in which the generator was fine-tuned: <s>question</s><s>answer</s>.
BEGIN, END = "<s>", "</s>"
TOKENIZER_FILE = "tokenizer.json"

_SENTENCE_END = re.compile(r"[.!?…~]+[\"'”’)]*(?=\s|$)")


class Decoding(BaseModel, extra=Extra.forbid):
    """How a reply is decoded; `bot/generation.yml` says what each setting does."""

    method: Literal["greedy", "beam", "sample"] = "sample"
    beam_size: int = Field(default=4, ge=1)
    temperature: float = Field(default=0.7, gt=0)
    top_k: int = Field(default=40, ge=0)
    top_p: float = Field(default=0.9, gt=0, le=1)
    repetition_penalty: float = Field(default=1.2, gt=0)
    no_repeat_ngram_size: int = Field(default=3, ge=0)
    candidates: int = Field(default=3, ge=1)
    min_length: int = Field(default=3, ge=0)
    max_length: int = Field(default=60, ge=1)


class Ranking(BaseModel, extra=Extra.forbid):
    """Which replies are good enough; `bot/generation.yml` says what each setting does."""

    threshold: float = Field(default=0.85, ge=0, le=1)


class GenerationSettings(BaseModel, extra=Extra.forbid):
    """The content of `bot/generation.yml`."""

    model: Path
    timeout_seconds: float = Field(default=4.0, gt=0)
    decoding: Decoding = Decoding()
    ranking: Ranking = Ranking()

    @classmethod
    def load(cls, file: Path) -> GenerationSettings:
        """Reads the settings; a relative `model` is meant from the project's top.

        Raises:
            ValueError: a setting is unknown or out of its range; the message names it.
        """
        try:
            return cls(**yaml.safe_load(file.read_text(encoding="utf-8")))
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in error.errors())
            raise ValueError(f"{file}: {wrong}") from error


class ReplyGenerator:
    """Replies to messages, from a folder that `python -m training finetune-generator` wrote."""

    def __init__(self, folder: Path, decoding: Decoding) -> None:
        self._model = ctranslate2.Generator(str(folder), device="cpu", intra_threads=1)
        self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
        self._decoding = decoding

    def candidates(self, message: str) -> list[str]:
        """Replies to `message`, the likeliest first, each of whole sentences; empty if the model found none."""
        question = message.replace(BEGIN, " ").replace(END, " ")
        inner = self._tokenizer.encode(question, add_special_tokens=False).tokens
        (result,) = self._model.generate_batch(
            [[BEGIN, *inner, END, BEGIN]],
            end_token=END,
            include_prompt_in_result=False,
            return_scores=True,
            min_length=self._decoding.min_length,
            max_length=self._decoding.max_length,
            repetition_penalty=self._decoding.repetition_penalty,
            no_repeat_ngram_size=self._decoding.no_repeat_ngram_size,
            **self._search(),
        )
        found: dict[str, None] = {}
        for ids, _ in sorted(zip(result.sequences_ids, result.scores), key=lambda pair: -pair[1]):
            finished = len(ids) < self._decoding.max_length
            text = whole_sentences(self._tokenizer.decode(ids, skip_special_tokens=True), finished)
            if text:
                found[text] = None
        return list(found)

    def _search(self) -> dict[str, int | float]:
        """CTranslate2's words for the decoding method."""
        decoding = self._decoding
        if decoding.method == "greedy":
            return {"beam_size": 1, "sampling_topk": 1, "num_hypotheses": 1}
        if decoding.method == "beam":
            return {"beam_size": decoding.beam_size, "num_hypotheses": min(decoding.candidates, decoding.beam_size)}
        return {
            "beam_size": 1,
            "sampling_topk": decoding.top_k,
            "sampling_topp": decoding.top_p,
            "sampling_temperature": decoding.temperature,
            "num_hypotheses": decoding.candidates,
        }


def whole_sentences(text: str, finished: bool) -> str:
    """The sentences of `text` that are complete; of one cut off (not `finished`), those before the cut, perhaps none."""
    text = " ".join(text.split())
    if finished:
        return text
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    return text[: ends[-1]] if ends else ""
