"""Encoders to measure: published ones in their true size with random weights, which cost the same, and the embedded one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from training.wellness_encoder import build_wellness_encoder

LABELS = 359
# So few pieces that an utterance becomes about as many tokens (18 on average) as the embedded encoder's tokenizer, which was
# made for a hundred languages, makes of it (17). More would make the inputs shorter, and our path faster, than with a real one.
_PIECES = 2000


@dataclass(frozen=True)
class Shape:
    """An encoder's architecture, as `transformers.AutoConfig` names it, with its sizes."""

    name: str
    architecture: str
    sizes: Mapping[str, int] = field(hash=False)


KOELECTRA_BASE = Shape(
    "KoELECTRA-base",
    "electra",
    {
        "vocab_size": 35000, "embedding_size": 768, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
        "intermediate_size": 3072,
    },
)  # fmt: skip
KOELECTRA_SMALL = Shape(
    "KoELECTRA-small-v3",
    "electra",
    {
        "vocab_size": 35000, "embedding_size": 128, "hidden_size": 256, "num_hidden_layers": 12, "num_attention_heads": 4,
        "intermediate_size": 1024,
    },
)  # fmt: skip
KOBERT = Shape(
    "KoBERT",
    "bert",
    {
        "vocab_size": 8002, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072,
    },
)  # fmt: skip
# The one that is served, built from its package, which knows its sizes.
EMBEDDED = Shape("embedded encoder", "bert", {})
SHAPES = (KOELECTRA_BASE, KOELECTRA_SMALL, KOBERT, EMBEDDED)


def write_checkpoint(shape: Shape, utterances: list[str], folder: Path) -> str:
    """Writes the encoder as a Hugging Face checkpoint into `folder` and says whose weights it has. Imports torch."""
    from transformers import AutoConfig, AutoModel

    if shape == EMBEDDED:
        build_wellness_encoder(folder)
        return "its own weights"
    AutoModel.from_config(AutoConfig.for_model(shape.architecture, **shape.sizes)).save_pretrained(folder)
    _write_tokenizer(utterances, min(_PIECES, shape.sizes["vocab_size"]), folder)
    return "random weights"


def _write_tokenizer(utterances: list[str], pieces: int, folder: Path) -> None:
    from tokenizers import BertWordPieceTokenizer
    from tokenizers.processors import BertProcessing
    from transformers import BertTokenizerFast

    wordpiece = BertWordPieceTokenizer(lowercase=False, strip_accents=False)
    wordpiece.train_from_iterator(utterances, vocab_size=pieces, min_frequency=1, show_progress=False)
    tokenizer = BertTokenizerFast(tokenizer_object=wordpiece._tokenizer, do_lower_case=False)
    tokenizer.backend_tokenizer.post_processor = BertProcessing(
        ("[SEP]", tokenizer.sep_token_id), ("[CLS]", tokenizer.cls_token_id)
    )
    tokenizer.save_pretrained(folder)
