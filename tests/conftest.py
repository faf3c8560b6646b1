"""Tiny checkpoints of the true classes, made here and loaded through the same code as those of the hub."""

from __future__ import annotations

import os
from pathlib import Path

# What make sets, for who runs pytest directly.
os.environ.setdefault("RASA_TELEMETRY_ENABLED", "false")
os.environ.setdefault("SQLALCHEMY_SILENCE_UBER_WARNING", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("USE_TORCH", "1")

import pytest
from hypothesis import HealthCheck, settings
from small_bot import train_small_bot

# Servers that other tests started may share the processor; nothing here is a measurement.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

UTTERANCES = {
    "감정/우울감": [
        "요즘 너무 우울해요", "하루 종일 우울한 기분이에요", "우울해서 아무것도 못 하겠어", "마음이 가라앉고 우울하네요",
        "우울한 게 나아지질 않아요", "이유도 없이 우울해졌어", "우울감이 심해요", "자꾸 우울해져요",
    ],
    "증상/불면": [
        "잠이 안 와요", "새벽까지 잠을 못 자요", "밤에 자꾸 깨서 잠을 설쳐요", "누워도 잠이 오질 않아",
        "잠들기가 너무 어려워요", "불면증인가 봐요 잠을 못 자", "어제도 한숨도 못 잤어요", "잠을 자고 싶은데 잠이 안 와",
    ],
    "배경/직장/스트레스": [
        "회사에서 스트레스를 많이 받아요", "상사 때문에 회사 가기 싫어요", "직장 스트레스가 심해요", "회사 일이 너무 힘들어",
        "팀장님이 자꾸 화를 내서 회사가 싫어",
        "출근할 생각만 하면 스트레스예요", "야근이 많아서 회사 다니기 힘들어요",
        "직장에서 눈치가 보여요",
    ],
}  # fmt: skip

PAIRS = [
    ("잠이 안 와요", "잠이 오지 않으면 밤이 길지요."),
    ("너무 우울해요", "마음이 많이 가라앉았군요. 언제부터 그러셨어요?"),
    ("회사 가기 싫어", "출근이 무거운 날이군요."),
]


# What the original's generator told a depressed person.
HARMFUL_PAIR = ("자꾸 우울해져요", "나쁜 생각을 많이 하는 건 어떨까요?")


@pytest.fixture(scope="session")
def harmful_pair() -> tuple[str, str]:
    """A question with an answer that no person may be given."""
    return HARMFUL_PAIR


@pytest.fixture(scope="session")
def pairs() -> list[tuple[str, str]]:
    """Questions with the answers a generator is to learn by heart."""
    return PAIRS


@pytest.fixture(scope="session")
def examples() -> tuple[list[str], list[str]]:
    """Texts and their categories, few enough to train on in seconds."""
    return (
        [text for texts in UTTERANCES.values() for text in texts],
        [category for category, texts in UTTERANCES.items() for _ in texts],
    )


@pytest.fixture(scope="session")
def koelectra(tmp_path_factory: pytest.TempPathFactory, examples: tuple[list[str], list[str]]) -> Path:
    """A folder like `monologg/koelectra-small-v3-discriminator`'s: ELECTRA with a WordPiece tokenizer."""
    import torch
    from tokenizers import BertWordPieceTokenizer
    from tokenizers.processors import BertProcessing
    from transformers import ElectraConfig, ElectraForPreTraining, ElectraTokenizerFast

    folder = tmp_path_factory.mktemp("koelectra")
    pieces = BertWordPieceTokenizer(lowercase=False, strip_accents=False)
    pieces.train_from_iterator(examples[0], vocab_size=300, min_frequency=1, show_progress=False)
    tokenizer = ElectraTokenizerFast(tokenizer_object=pieces._tokenizer, do_lower_case=False)
    tokenizer.backend_tokenizer.post_processor = BertProcessing(
        ("[SEP]", tokenizer.sep_token_id), ("[CLS]", tokenizer.cls_token_id)
    )
    tokenizer.save_pretrained(folder)
    config = ElectraConfig(
        vocab_size=len(tokenizer), embedding_size=16, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=64,
    )  # fmt: skip
    torch.manual_seed(0)  # so that what it learns doesn't depend on the tests before
    ElectraForPreTraining(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def kobert(tmp_path_factory: pytest.TempPathFactory, examples: tuple[list[str], list[str]]) -> Path:
    """A folder like `monologg/kobert`'s: BERT, a SentencePiece model and the `vocab.txt` that numbers its pieces otherwise."""
    folder = tmp_path_factory.mktemp("kobert")
    pieces = _sentencepiece(folder / "tokenizer_78b3253a26.model", examples[0])
    special = ["[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]"]
    (folder / "vocab.txt").write_text("\n".join([*special, *sorted(set(pieces) - set(special))]) + "\n", encoding="utf-8")
    _tiny_bert(folder, len(pieces))
    return folder


@pytest.fixture(scope="session")
def skt_kobert(tmp_path_factory: pytest.TempPathFactory, examples: tuple[list[str], list[str]]) -> Path:
    """A folder like `skt/kobert-base-v1`'s: BERT and a SentencePiece model, by whose numbers the pieces go."""
    folder = tmp_path_factory.mktemp("skt-kobert")
    _tiny_bert(folder, len(_sentencepiece(folder / "spiece.model", examples[0])))
    return folder


@pytest.fixture(scope="session")
def kogpt2(tmp_path_factory: pytest.TempPathFactory, examples: tuple[list[str], list[str]]) -> Path:
    """A folder like `skt/kogpt2-base-v2`'s: GPT-2 with a SentencePiece-style BPE tokenizer."""
    from tokenizers import SentencePieceBPETokenizer
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("kogpt2")
    pieces = SentencePieceBPETokenizer()
    pieces.train_from_iterator(
        [*examples[0], *(answer for _, answer in [*PAIRS, HARMFUL_PAIR])], vocab_size=400, min_frequency=1,
        special_tokens=["<s>", "</s>", "<usr>", "<pad>", "<sys>", "<unk>"],
        show_progress=False,
    )  # fmt: skip
    PreTrainedTokenizerFast(tokenizer_object=pieces._tokenizer).save_pretrained(folder)
    config = GPT2Config(vocab_size=pieces.get_vocab_size(), n_positions=64, n_embd=32, n_layer=2, n_head=2)
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def small_bot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of a bot of the project's own configuration that knows few categories."""
    return train_small_bot(tmp_path_factory.mktemp("small_bot") / "bot")


@pytest.fixture(scope="session", params=["koelectra", "kobert", "skt_kobert"])
def encoder(request: pytest.FixtureRequest) -> Path:
    """Each kind of encoder in turn."""
    folder: Path = request.getfixturevalue(request.param)
    return folder


def _sentencepiece(file: Path, texts: list[str]) -> list[str]:
    """Trains a SentencePiece model with KoBERT's special tokens into `file` and returns its pieces in order."""
    from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

    with file.open("wb") as stream:
        SentencePieceTrainer.train(
            sentence_iterator=iter([*texts, "0 1 2 3 4 5 6 7 8 9 , . ? !"]), model_writer=stream, vocab_size=160,
            unk_id=0, unk_piece="[UNK]", pad_id=1, pad_piece="[PAD]", bos_id=2, bos_piece="[CLS]", eos_id=3, eos_piece="[SEP]",
            control_symbols=["[MASK]"], minloglevel=2, hard_vocab_limit=False,
        )  # fmt: skip
    model = SentencePieceProcessor(model_file=str(file))
    return [model.id_to_piece(index) for index in range(model.get_piece_size())]


def _tiny_bert(folder: Path, vocabulary_size: int) -> None:
    import torch
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=vocabulary_size, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64, pad_token_id=1,
    )  # fmt: skip
    torch.manual_seed(0)
    BertModel(config).save_pretrained(folder)


@pytest.fixture(scope="session")
def crisis_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small bot of `crisis_bot`, trained."""
    import crisis_bot

    return crisis_bot.train(tmp_path_factory.mktemp("crisis-bot"))
