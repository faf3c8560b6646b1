"""Loading a pretrained encoder, from the Hugging Face hub or a folder, with the tokenizer it was trained with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Rasa brings TensorFlow; unless told otherwise transformers imports it too, slowly and loudly.
os.environ.setdefault("USE_TORCH", "1")

from huggingface_hub import model_info, try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from transformers import AutoConfig, AutoModel, AutoTokenizer, PreTrainedModel
from transformers.utils import cached_file, logging

from components.encoder.settings import EncoderError
from components.encoder.tokenizer import EncoderTokenizer, FastTokenizer, PieceTokenizer

# The types whose layers take what `network.Head` gives them: states and a mask, nothing else.
_TYPES = ("bert", "electra", "roberta", "xlm-roberta", "camembert")
# Made here, and fetched from nowhere.
_WELLNESS_ENCODER = ".cache/wellness-encoder"
# The SentencePiece model of monologg/kobert, which no other checkpoint has.
_KOBERT_FILE = "tokenizer_78b3253a26.model"
# A Korean tokenizer knows nearly all of their words; one that lacks files, as by a default that takes Hangul apart, hardly any.
_PLAIN_KOREAN = ("요즘 너무 우울해요", "잠이 안 와요", "회사 가기 싫어요")


def load_checkpoint(source: str) -> tuple[PreTrainedModel, EncoderTokenizer, int]:
    """The model without any task's head, its tokenizer and the id it pads with.

    Raises:
        EncoderError: `source` is neither a folder with a checkpoint nor an id that can be fetched, its type isn't supported, or
            its tokenizer reads no Korean.
    """
    try:
        require_fetchable(source)
        model_type = AutoConfig.from_pretrained(source).model_type
        if model_type not in _TYPES:
            raise EncoderError(f"The encoder '{source}' is of the type {model_type}; supported are {', '.join(_TYPES)}.")
        # Eager attention is what exports to ONNX with dynamic shapes, whatever the architecture.
        with _without_warnings():  # of a pooler that the checkpoint lacks and nobody uses
            model = AutoModel.from_pretrained(source, attn_implementation="eager")
        tokenizer, pad_id, unknown_id = _tokenizer(source)
    except (OSError, ValueError) as error:
        raise EncoderError(why_not_loaded(source, error, "encoder", "set `encoder:` in config.yml to")) from error
    if not _reads_korean(tokenizer, unknown_id):
        raise EncoderError(
            f"The encoder '{source}' reads plain Korean as unknown words: its tokenizer lacks files, or is of another language;"
            " put all that it was published with beside config.json (tokenizer_config.json, tokenizer.json, *.model, vocab.txt)"
            " or take a Korean encoder."
        )
    return model, tokenizer, pad_id


@contextmanager
def _without_warnings() -> Iterator[None]:
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def require_fetchable(source: str) -> None:
    """Raises OSError at once if `source` is no folder, not in the cache and not on the hub; loading would retry for minutes."""
    if not Path(source).is_dir() and not isinstance(try_to_load_from_cache(source, "config.json"), str):
        model_info(source, timeout=10)


def why_not_loaded(source: str, error: Exception, kind: str, remedy: str) -> str:
    """One sentence about a checkpoint that could not be loaded: what it is, why, and what to do."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    if Path(source).is_dir():
        return (
            f"The folder '{source}' holds no {kind} that can be loaded: {reason}; it must have config.json, the weights and the"
            " tokenizer's files."
        )
    if source.startswith((".", "/")):
        what_to_do = "`make data` builds it" if source == _WELLNESS_ENCODER else f"{remedy} the folder it is in"
        return f"There is no folder '{source}' to load the {kind} from: {what_to_do}."
    if isinstance(error, ValueError) and not isinstance(error, (OSError, HFValidationError)):  # it came after fetching
        return f"The {kind} '{source}' can't be used: {reason}."
    return (
        f"The {kind} '{source}' could not be fetched from the Hugging Face hub ({type(error).__name__}): check the id and the"
        f" network, or download it elsewhere and {remedy} the folder it is in."
    )


def _reads_korean(tokenizer: EncoderTokenizer, unknown_id: int | None) -> bool:
    """Whether most tokens of plain sentences are known ones, those that open and close a sequence apart."""
    around = len(tokenizer.encode(""))
    sentences = [tokenizer.encode(text) for text in _PLAIN_KOREAN]
    unknown = sum(token == unknown_id for ids in sentences for token in ids)
    return 2 * unknown < sum(len(ids) - around for ids in sentences)


def _tokenizer(source: str) -> tuple[EncoderTokenizer, int, int | None]:
    """The tokenizer, and the ids it pads with and reads an unknown word as; None where it knows every word, byte by byte."""
    if _file(source, _KOBERT_FILE) is not None:
        from kobert_transformers.tokenization_kobert import KoBertTokenizer  # takes seconds to import

        kobert = KoBertTokenizer.from_pretrained(source)
        return PieceTokenizer(Path(kobert.vocab_file), Path(kobert.vocab_txt)), kobert.pad_token_id, kobert.unk_token_id
    # skt/kobert-base-v1: a BERT with a SentencePiece model, whose own tokenizer class is in no package. AutoTokenizer takes it
    # for XLNet's, which closes a sequence with <sep><cls> instead of opening it with [CLS].
    pieces = _file(source, "spiece.model")
    if pieces is not None and AutoConfig.from_pretrained(source).model_type == "bert":
        tokenizer = PieceTokenizer(Path(pieces), None)
        return tokenizer, tokenizer.id_of("[PAD]"), tokenizer.id_of("[UNK]")
    fast = AutoTokenizer.from_pretrained(source, use_fast=True)
    if not fast.is_fast:
        raise ValueError("its tokenizer has no fast version")
    return FastTokenizer(fast.backend_tokenizer), fast.pad_token_id, fast.unk_token_id


def _file(source: str, name: str) -> str | None:
    """The path of the checkpoint's file of that name, fetched if need be; None if it has none."""
    return cached_file(source, name, _raise_exceptions_for_missing_entries=False, _raise_exceptions_for_connection_errors=False)
