"""Loading a pretrained encoder, from the Hugging Face hub or a folder, with the tokenizer it was trained with."""

from __future__ import annotations

from pathlib import Path

from kobert_transformers.tokenization_kobert import VOCAB_FILES_NAMES, KoBertTokenizer
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel
from transformers.utils import cached_file

from components.encoder.settings import EncoderError
from components.encoder.tokenizer import EncoderTokenizer, FastTokenizer, PieceTokenizer


def load_checkpoint(source: str, label_count: int) -> tuple[PreTrainedModel, EncoderTokenizer, int]:
    """The model with a fresh classification head, its tokenizer and the id it pads with.

    Raises:
        EncoderError: `source` is neither a folder with a checkpoint nor an id that can be fetched.
    """
    try:
        # Eager attention is what exports to ONNX with dynamic shapes, whatever the architecture.
        model = AutoModelForSequenceClassification.from_pretrained(source, num_labels=label_count, attn_implementation="eager")
        tokenizer, pad_id = _tokenizer(source)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        if Path(source).is_dir():
            raise EncoderError(
                f"The folder '{source}' given as `encoder:` holds no checkpoint that can be loaded (config.json, weights and"
                f" tokenizer files are needed): {reason}"
            ) from error
        raise EncoderError(
            f"The encoder '{source}' could not be fetched from the Hugging Face hub; download it where there is a network and"
            f" set `encoder:` in config.yml to the folder it is in ({reason})"
        ) from error
    return model, tokenizer, pad_id


def _tokenizer(source: str) -> tuple[EncoderTokenizer, int]:
    if _file(source, VOCAB_FILES_NAMES["vocab_file"]) is not None:
        kobert = KoBertTokenizer.from_pretrained(source)
        return PieceTokenizer(Path(kobert.vocab_file), Path(kobert.vocab_txt)), kobert.pad_token_id
    # skt/kobert-base-v1: a BERT with a SentencePiece model, whose own tokenizer class is in no package. AutoTokenizer takes it
    # for XLNet's, which closes a sequence with <sep><cls> instead of opening it with [CLS].
    pieces = _file(source, "spiece.model")
    if pieces is not None and AutoConfig.from_pretrained(source).model_type == "bert":
        tokenizer = PieceTokenizer(Path(pieces), None)
        return tokenizer, tokenizer.id_of("[PAD]")
    fast = AutoTokenizer.from_pretrained(source, use_fast=True)
    if not fast.is_fast:
        raise ValueError("its tokenizer has no fast version")
    return FastTokenizer(fast.backend_tokenizer), fast.pad_token_id


def _file(source: str, name: str) -> str | None:
    """The path of the checkpoint's file of that name, fetched if need be; None if it has none."""
    return cached_file(source, name, _raise_exceptions_for_missing_entries=False, _raise_exceptions_for_connection_errors=False)
