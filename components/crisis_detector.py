"""The component that looks at a message before any other: does it tell of a risk to a life, and of what kind?"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.shared.exceptions import RasaException
from rasa.shared.nlu.constants import TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData
from rasa.shared.nlu.training_data.util import intent_response_key_to_template_key

from components.crisis_examples import (
    CRISIS,
    EVERYDAY,
    KINDS,
    LABELS,
    NONE,
    CrisisExample,
    CrisisExamplesError,
    kind_of,
    read_examples,
)
from components.crisis_lexicon import CrisisLexicon
from components.crisis_model import CrisisModel, threshold_for
from components.encoder.settings import EncoderError

logger = logging.getLogger(__name__)

_RESPONSES_FILE = "crisis_responses.json"
_FIRST_MESSAGE = "안녕하세요"
# How far recall may fall short of what is wanted before training says so. On the project's own examples, which are hard, it
# does by 6 points; risk among the examples of everyday talk costs tens.
_SHORTFALL = 0.1


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class CrisisDetector(GraphComponent, IntentClassifier):
    """Finds messages that tell of thinking of death, a plan, an act, another person at risk, or of harm to others.

    Every message gets the attribute `crisis`: `kind`, `score` (the probability of any risk) and `scores` by kind. From the
    threshold up its intent becomes `crisis`, with the score as confidence, and `response_selector` says which kind, as for any
    retrieval intent; the classifiers behind this one leave it so.
    """

    @staticmethod
    def required_packages() -> list[str]:
        return ["kiwipiepy", "sklearn", "onnxruntime", "tokenizers"]

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        return {
            # CSV files with the columns utterance, kind, note: what the detector learns, `none` for lines without risk. What
            # stands in the first file holds where two disagree.
            "examples": ["data/crisis_utterances.csv"],
            # Spellings and patterns that can only raise the score.
            "lexicon": "data/crisis_lexicon.yml",
            # Intents or response keys of the training data that are examples of a kind of risk, with those below them:
            # {"wellness/…": "thinking"}.
            "kinds_of_intents": {},
            # How many examples of all other retrieval intents are learned as harmless at most, a random sample of more; of
            # intents without response keys, such as answers to whether one is safe, all are. How many messages of ordinary
            # days are taken for a crisis is measured on them, so that a few would leave it to chance.
            "everyday": 20_000,
            # A pretrained encoder: a Hugging Face hub id or a local folder. None: words and letters alone.
            "encoder": None,
            # The share of risk that is to be found, which the threshold is chosen for.
            "target_recall": 0.97,
            # Unless more than this share of everyday messages were taken for a crisis: then the threshold is what keeps it.
            "everyday_false_alarms": 0.025,
            "seed": 0,
        }

    def __init__(self, config: dict[str, Any], model_storage: ModelStorage, resource: Resource) -> None:
        self._config = config
        self._model_storage = model_storage
        self._resource = resource
        self._model: CrisisModel | None = None
        self._responses: dict[str, list[dict[str, Any]]] = {}

    @classmethod
    def create(
        cls, config: dict[str, Any], model_storage: ModelStorage, resource: Resource, execution_context: ExecutionContext
    ) -> CrisisDetector:
        return cls(config, model_storage, resource)

    @classmethod
    def load(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> CrisisDetector:
        component = cls(config, model_storage, resource)
        with model_storage.read_from(resource) as folder:
            component._model = CrisisModel.load(folder)
            # What is loaded at its first use is loaded now, before anybody waits for an answer.
            component._model.predict([_FIRST_MESSAGE])
            component._responses = json.loads((folder / _RESPONSES_FILE).read_text(encoding="utf-8"))
        return component

    @classmethod
    def fingerprint_addon(cls, config: dict[str, Any]) -> str | None:
        """What else a trained model depends on: its data files, the modules it is made of, and a local encoder's files."""
        here = Path(__file__).parent
        config = {**cls.get_default_config(), **config}  # Rasa gives here what the pipeline names, and no defaults
        files = [*here.glob("*.py"), *here.glob("encoder/*.py"), *map(Path, config["examples"]), Path(config["lexicon"])]
        encoder = Path(config.get("encoder") or "")
        weights = encoder.rglob("*") if config.get("encoder") and encoder.is_dir() else []
        stamps = [f"{file.name} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in sorted(weights)]
        contents = [file.read_bytes() for file in sorted(files) if file.is_file()]
        return hashlib.sha256(b"\0".join([*contents, *(stamp.encode() for stamp in stamps)])).hexdigest()

    def train(self, training_data: TrainingData) -> Resource:
        intents = [(example.get(TEXT), example.get_full_intent()) for example in training_data.intent_examples]
        self._responses = {
            name: texts
            for name, texts in training_data.responses.items()
            if name.startswith(f"{intent_response_key_to_template_key(CRISIS)}/")
        }
        try:
            with self._model_storage.write_to(self._resource) as folder:
                self._model = train_model(self._config, intents, folder)
                (folder / _RESPONSES_FILE).write_text(json.dumps(self._responses, ensure_ascii=False), encoding="utf-8")
        except (CrisisExamplesError, EncoderError) as error:
            raise RasaException(str(error)) from error
        return self._resource

    def process(self, messages: list[Message]) -> list[Message]:
        spoken = [message for message in messages if message.get(TEXT) is not None]
        if self._model is None or not spoken:
            return messages
        for message, row in zip(spoken, self._model.predict([message.get(TEXT) for message in spoken])):
            self._annotate(message, row, self._model.threshold)
        return messages

    def _annotate(self, message: Message, row: np.ndarray, threshold: float) -> None:
        scores = {kind: float(row[index]) for index, kind in enumerate(KINDS)}
        score = float(1 - row[LABELS.index(NONE)])
        ranked = sorted(scores, key=lambda kind: -scores[kind])
        found = score >= threshold
        finding = {"kind": ranked[0] if found else NONE, "score": score, "scores": scores}
        message.set(CRISIS, finding, add_to_output=True)
        if not found:
            return
        ranking = [{"intent_response_key": f"{CRISIS}/{kind}", "confidence": scores[kind]} for kind in ranked]
        utter_action = intent_response_key_to_template_key(f"{CRISIS}/{ranked[0]}")
        response = {**ranking[0], "responses": self._responses.get(utter_action, []), "utter_action": utter_action}
        selectors = {"all_retrieval_intents": [CRISIS], CRISIS: {"response": response, "ranking": ranking}}
        message.set("intent", {"name": CRISIS, "confidence": score}, add_to_output=True)
        message.set("intent_ranking", [{"name": CRISIS, "confidence": score}], add_to_output=True)
        message.set("response_selector", selectors, add_to_output=True)


def train_model(config: dict[str, Any], intents: list[tuple[str, str]], folder: Path) -> CrisisModel:
    """The model of a component's config, whose files go into `folder`.

    Args:
        intents: the bot's other training data, texts and full intents.

    Raises:
        CrisisExamplesError: the examples or the lexicon can't be used.
        EncoderError: the encoder can't be loaded.
    """
    model = CrisisModel.train(
        examples_of(config, intents),
        CrisisLexicon.read(Path(config["lexicon"])),
        folder,
        config["encoder"],
        config["target_recall"],
        config["everyday_false_alarms"],
    )
    _warn_if_much_is_missed(model, config["target_recall"], dict(intents))
    return model


def _warn_if_much_is_missed(model: CrisisModel, target_recall: float, intents: dict[str, str]) -> None:
    """Says how much risk everyday messages cost, and names the intents, by text in `intents`, whose examples cost most."""
    evidence = model.evidence
    assert evidence is not None
    scores = evidence.scores
    recall = float(np.mean(scores[[example.kind != NONE for example in evidence.examples]] >= model.threshold))
    if recall >= target_recall - _SHORTFALL:
        return
    wanted = threshold_for(evidence, target_recall, false_alarms=1.0)
    alarming = Counter(
        intents.get(example.text, "the files of `examples`")
        for example, score in zip(evidence.examples, scores)
        if (example.kind, example.note) == (NONE, EVERYDAY) and score >= wanted
    )
    logger.warning(
        f"The crisis detector finds only {recall:.0%} of the held-out examples with risk, and {target_recall:.0%} are wanted."
        " To find those it would take more everyday messages for a crisis than `everyday_false_alarms` allows, most of them of"
        f" {', '.join(intent for intent, _ in alarming.most_common(3))}: see whether examples there tell of a risk; if so, name"
        " their category in `kinds_of_intents`, move them to the files of `examples`, or take them out."
    )


def examples_of(config: dict[str, Any], intents: list[tuple[str, str]]) -> list[CrisisExample]:
    """Examples of the config's files, of the named intents, of ordinary ones, then a sample of all others; no text twice.

    Raises:
        CrisisExamplesError: a file can't be used.
    """
    examples: dict[str, CrisisExample] = {}
    for example in (each for file in config["examples"] for each in read_examples(Path(file))):
        examples.setdefault(example.text, example)
    everyday = []
    for text, intent in intents:
        kind = kind_of(intent, config["kinds_of_intents"])
        if kind is None and intent.partition("/")[0] == CRISIS:
            kind = intent.partition("/")[2] if intent.partition("/")[2] in KINDS else None
            if kind is None:
                continue  # of no known kind: those that `training import` wrote, which stand in the files
        if kind is not None:
            examples.setdefault(text, CrisisExample(text, kind, intent))
        elif text and "/" not in intent:
            examples.setdefault(text, CrisisExample(text, NONE, EVERYDAY))
        elif text and text not in examples:
            everyday.append(text)
    chosen = np.random.default_rng(config["seed"]).permutation(len(everyday))[: config["everyday"]]
    return [*examples.values(), *(CrisisExample(everyday[index], NONE, EVERYDAY) for index in sorted(chosen))]
