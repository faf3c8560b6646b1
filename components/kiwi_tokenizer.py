"""Korean tokens for Rasa: Kiwi's morphemes, with offsets that Rasa's featurizers and extractors can rely on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.nlu.tokenizers.tokenizer import Token, Tokenizer
from rasa.shared.nlu.training_data.message import Message

from components.morphemes import Morpheme, morphemes


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.MESSAGE_TOKENIZER, is_trainable=False)
class KiwiTokenizer(Tokenizer):
    """Splits Korean into tokens that never overlap and whose `text` is exactly `message_text[start:end]`.

    Morphemes that share characters ("했" is 하 + 었) make one token. Its `lemma` joins their dictionary forms with "+",
    its `data["pos"]` their Sejong tags: `Token("했", 1, 2, lemma="하+었", data={"pos": "VV+EP"})`.
    """

    @staticmethod
    def required_packages() -> list[str]:
        return ["kiwipiepy"]

    @staticmethod
    def supported_languages() -> list[str]:
        return ["ko"]

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        return {
            # Whether to split intent names, and on which symbol; Rasa's featurizers of labels use it.
            "intent_tokenization_flag": False,
            "intent_split_symbol": "_",
            # A regular expression that splits tokens further.
            "token_pattern": None,
            # The symbol that parts an intent's prefix from the rest of its name.
            "prefix_separator_symbol": None,
        }

    def tokenize(self, message: Message, attribute: str) -> list[Token]:
        text = message.get(attribute)
        return self._apply_token_pattern([_token(text, group) for group in _groups(morphemes(text))])


def _groups(found: Sequence[Morpheme]) -> list[list[Morpheme]]:
    """The morphemes, those that share characters together."""
    groups: list[list[Morpheme]] = []
    end = 0
    for morpheme in found:
        if groups and (morpheme.start < end or morpheme.start == morpheme.end):
            groups[-1].append(morpheme)
        elif morpheme.start < morpheme.end:
            groups.append([morpheme])
        end = max(end, morpheme.end)
    return groups


def _token(text: str, group: list[Morpheme]) -> Token:
    start, end = group[0].start, max(morpheme.end for morpheme in group)
    return Token(
        text[start:end],
        start,
        end,
        data={"pos": "+".join(morpheme.tag for morpheme in group)},
        lemma="+".join(morpheme.form for morpheme in group),
    )
