"""Text to token ids as the checkpoint's own tokenizer would, without importing transformers (which imports torch)."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from shutil import copyfile
from typing import Protocol

from sentencepiece import SentencePieceProcessor
from tokenizers import Tokenizer

_FAST_FILE = "tokenizer.json"
_PIECES_FILE = "pieces.model"
_VOCABULARY_FILE = "vocab.txt"


class EncoderTokenizer(Protocol):
    """What an encoder needs of a tokenizer."""

    def encode(self, text: str) -> list[int]:
        """The token ids of `text`, with those that open and close a sequence."""
        ...

    def save(self, folder: Path) -> None:
        """Writes what `load_tokenizer` needs into `folder`."""
        ...


def load_tokenizer(folder: Path) -> EncoderTokenizer:
    """The tokenizer that was saved into `folder`."""
    if (folder / _FAST_FILE).exists():
        return FastTokenizer(Tokenizer.from_file(str(folder / _FAST_FILE)))
    vocabulary = folder / _VOCABULARY_FILE
    return PieceTokenizer(folder / _PIECES_FILE, vocabulary if vocabulary.exists() else None)


class FastTokenizer:
    """A tokenizer of Hugging Face's `tokenizers` library: KoELECTRA's WordPiece and most others."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer

    def encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text).ids)

    def save(self, folder: Path) -> None:
        self._tokenizer.save(str(folder / _FAST_FILE))


class PieceTokenizer:
    """KoBERT's SentencePiece tokenizer, in both its publications.

    `monologg/kobert` numbers the pieces by a `vocab.txt` of its own, `skt/kobert-base-v1` by the SentencePiece model. Both
    are XLNet's tokenizer with BERT's `[CLS] … [SEP]`; the steps below are those of `kobert_transformers`' `KoBertTokenizer`.
    """

    def __init__(self, pieces: Path, vocabulary: Path | None) -> None:
        self._pieces_file, self._vocabulary_file = pieces, vocabulary
        self._pieces = SentencePieceProcessor(model_file=str(pieces))
        if vocabulary is None:
            tokens = [self._pieces.id_to_piece(index) for index in range(self._pieces.get_piece_size())]
        else:
            tokens = [line.strip() for line in vocabulary.read_text(encoding="utf-8").splitlines()]
        self._ids = {token: index for index, token in enumerate(tokens)}

    def id_of(self, token: str) -> int:
        """The number of a token that is in the vocabulary."""
        return self._ids[token]

    def encode(self, text: str) -> list[int]:
        unknown = self._ids["[UNK]"]
        inner = [self._ids.get(piece, unknown) for piece in self._split(text)]
        return [self._ids["[CLS]"], *inner, self._ids["[SEP]"]]

    def _split(self, text: str) -> list[str]:
        plain = " ".join(text.split()).replace("``", '"').replace("''", '"')
        plain = "".join(character for character in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(character))
        pieces: list[str] = []
        for piece in self._pieces.encode(plain, out_type=str):
            pieces.extend(self._without_comma(piece) if piece[-1] == "," and piece[-2:-1].isdigit() else [piece])
        return pieces

    def _without_comma(self, piece: str) -> list[str]:
        """A piece such as "▁1,000," as the pieces of its number, then the comma."""
        number = self._pieces.encode(piece[:-1].replace("▁", ""), out_type=str)
        if piece[0] != "▁" and number[0][0] == "▁":
            number = number[1:] if len(number[0]) == 1 else [number[0][1:], *number[1:]]
        return [*number, ","]

    def save(self, folder: Path) -> None:
        copyfile(self._pieces_file, folder / _PIECES_FILE)
        if self._vocabulary_file is not None:
            copyfile(self._vocabulary_file, folder / _VOCABULARY_FILE)
