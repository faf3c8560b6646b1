"""The intent classifier of the bot: ordinary intents and the response keys of a retrieval intent, told apart by one model."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.shared.exceptions import RasaException
from rasa.shared.nlu.constants import INTENT, TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData
from rasa.shared.nlu.training_data.util import intent_response_key_to_template_key

from components.back_off import BackOff
from components.categories import category_path, read_supporting
from components.category_model import CategoryModel
from components.encoder.settings import EncoderError, EncoderSettings

_RESPONSES_FILE = "responses.json"
_THRESHOLDS_FILE = "thresholds.json"
# The message's attribute that says how sure each level of the category path is, the broadest first: a list of dicts with
# `intent`, `category`, `confidence` and `answers`, whether that is enough to answer there.
LEVELS = "category_levels"


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class WellnessClassifier(GraphComponent, IntentClassifier):
    """Chooses among all intents and response keys at once, with a calibrated confidence.

    Every `intent` and `intent/response_key` of the training data is a label. A turn's `intent` is the intent of the likeliest
    label, its confidence that label's probability; for a retrieval intent `response_selector` is filled as Rasa's own
    ResponseSelector fills it, so that `utter_<intent>` and `rasa test nlu` work unchanged.

    Response keys are category paths, "감정.걱정.미래". How sure each level of the path is stands in the message's
    `category_levels`; `WellnessFallbackClassifier` acts on it.
    """

    @staticmethod
    def required_packages() -> list[str]:
        return ["kiwipiepy", "sklearn", "onnxruntime", "tokenizers"]

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        defaults = EncoderSettings(source="")
        return {
            # The encoder that is fine-tuned and fused with the lexical model: a Hugging Face hub id such as
            # "monologg/koelectra-base-v3-discriminator" or "monologg/kobert", or a local folder, such as that of the embedded
            # encoder, which `make train` builds. None: the lexical model alone.
            "encoder": None,
            # The most epochs and the most steps of fine-tuning; it stops `patience` epochs after the held-out accuracy last
            # rose.
            "epochs": defaults.epochs,
            "max_steps": defaults.max_steps,
            "patience": defaults.patience,
            # Peak learning rates of the encoder's layers and of the head on top of them, and texts a step.
            "learning_rate": defaults.learning_rate,
            "head_learning_rate": defaults.head_learning_rate,
            "batch_size": defaults.batch_size,
            # How many of the encoder's upper layers learn. More take longer, and need more data to be worth it. 0: its head
            # alone, by linear discriminant analysis of the sentence vectors.
            "trained_layers": defaults.trained_layers,
            # "int8" or "fp32". In int8 the encoder is served faster; where that would change more than 1 % of the answers it
            # is served in fp32 all the same.
            "precision": defaults.precision,
            # Tokens a text may have; of a longer one the beginning and the end are read.
            "max_length": defaults.max_length,
            # The share of the examples held out to stop early and to calibrate on.
            "held_out": defaults.held_out,
            "seed": defaults.seed,
            # Where fine-tuning keeps checkpoints while it runs, to go on from after an interruption.
            "checkpoints": str(defaults.checkpoints),
            # The share of answers that are to be right; what confidence that takes is learned for each depth of the path.
            "target_precision": 0.75,
            # A CSV file with AI Hub's columns 구분 and 유저, whose utterances are learned, too, where the training data has
            # their category. None of them is held out. None: the training data alone.
            "supporting_examples": None,
            # How many labels `intent_ranking` and the selector's `ranking` list.
            "ranking_length": 10,
            # Intents that components before this one find: their examples aren't learned, and a message that has one keeps it.
            "outranked_by": ["crisis"],
        }

    def __init__(self, config: dict[str, Any], model_storage: ModelStorage, resource: Resource) -> None:
        self._config = config
        self._model_storage = model_storage
        self._resource = resource
        self._model: CategoryModel | None = None
        self._back_off: BackOff | None = None
        self._responses: dict[str, list[dict[str, Any]]] = {}

    @classmethod
    def create(
        cls, config: dict[str, Any], model_storage: ModelStorage, resource: Resource, execution_context: ExecutionContext
    ) -> WellnessClassifier:
        return cls(config, model_storage, resource)

    @classmethod
    def load(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> WellnessClassifier:
        component = cls(config, model_storage, resource)
        with model_storage.read_from(resource) as folder:
            model = CategoryModel.load(folder)
            thresholds = json.loads((folder / _THRESHOLDS_FILE).read_text(encoding="utf-8"))
            back_off = BackOff([category_path(label) for label in model.labels], thresholds)
            component._know(model, back_off, json.loads((folder / _RESPONSES_FILE).read_text(encoding="utf-8")))
        return component

    @classmethod
    def fingerprint_addon(cls, config: dict[str, Any]) -> str | None:
        """What else a trained model depends on: the modules this one is made of, supporting examples, an encoder's files."""
        here = Path(__file__).parent
        sources = [*here.glob("*.py"), *here.glob("encoder/*.py")]
        supporting = Path(config.get("supporting_examples") or "")
        sources += [supporting] if supporting.is_file() else []
        encoder = Path(config.get("encoder") or "")
        weights = encoder.rglob("*") if config.get("encoder") and encoder.is_dir() else []
        stamps = [f"{file.name} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in sorted(weights)]
        parts = [*(file.read_bytes() for file in sorted(sources)), *(stamp.encode() for stamp in stamps)]
        return hashlib.sha256(b"\0".join(parts)).hexdigest()

    def train(self, training_data: TrainingData) -> Resource:
        outranking = self._config["outranked_by"]
        examples = [
            example for example in training_data.intent_examples if example.get(TEXT) and example.get(INTENT) not in outranking
        ]
        try:
            with self._model_storage.write_to(self._resource) as folder:
                model = CategoryModel.train(
                    [example.get(TEXT) for example in examples],
                    [example.get_full_intent() for example in examples],
                    folder,
                    EncoderSettings.of(self._config) if self._config["encoder"] else None,
                    self._supporting([example.get_full_intent() for example in examples]),
                )
                evidence = model.held_out
                assert evidence is not None
                back_off = BackOff.learn(
                    [category_path(label) for label in model.labels],
                    evidence.probabilities,
                    evidence.labels,
                    self._config["target_precision"],
                )
                (folder / _THRESHOLDS_FILE).write_text(json.dumps(back_off.thresholds), encoding="utf-8")
                responses = json.dumps(training_data.responses, ensure_ascii=False)
                (folder / _RESPONSES_FILE).write_text(responses, encoding="utf-8")
                self._know(model, back_off, training_data.responses)
        except (EncoderError, ValueError) as error:
            raise RasaException(str(error)) from error
        return self._resource

    def process(self, messages: list[Message]) -> list[Message]:
        spoken = [message for message in messages if message.get(TEXT) is not None]
        if self._model is None or not spoken:
            return messages
        for message, row in zip(spoken, self._model.predict([message.get(TEXT) for message in spoken])):
            self._annotate(message, row)
        return messages

    def _know(self, model: CategoryModel, back_off: BackOff, responses: dict[str, list[dict[str, Any]]]) -> None:
        self._model, self._back_off, self._responses = model, back_off, responses

    def _supporting(self, labels: list[str]) -> list[tuple[str, str]]:
        file = self._config["supporting_examples"]
        return read_supporting(Path(file), labels) if file else []

    def _levels(self, row: np.ndarray) -> list[dict[str, Any]]:
        assert self._back_off is not None
        return [
            {
                "intent": level.category[0].partition("/")[0],
                "category": ".".join(level.category).partition("/")[2] or level.category[0],
                "confidence": level.confidence,
                "answers": level.answers,
            }
            for level in self._back_off.levels(row)
        ]

    def _annotate(self, message: Message, row: np.ndarray) -> None:
        """Writes a text's label probabilities, (labels,), into the message as Rasa's intents and selector results."""
        assert self._model is not None
        length = self._config["ranking_length"]
        confidences = row.tolist()
        intents: dict[str, float] = {}
        selectors: dict[str, list[dict[str, Any]]] = {}
        for index in np.argsort(-row, kind="stable").tolist():
            label, confidence = self._model.labels[index], confidences[index]
            intent, _, key = label.partition("/")
            intents.setdefault(intent, confidence)
            if key and len(keys := selectors.setdefault(intent, [])) < length:
                keys.append({"intent_response_key": label, "confidence": confidence})

        ranking = [{"name": name, "confidence": confidence} for name, confidence in intents.items()]
        found = message.get(INTENT) or {}
        properties: dict[str, Any] = {"all_retrieval_intents": sorted(selectors)}
        if found.get("name") in self._config["outranked_by"]:
            ranking.insert(0, found)
            earlier = message.get("response_selector") or {}
            properties = {**earlier, "all_retrieval_intents": sorted({*selectors, *earlier.get("all_retrieval_intents", [])})}
        message.set(INTENT, ranking[0], add_to_output=True)
        message.set("intent_ranking", ranking[:length], add_to_output=True)
        for intent, keys in selectors.items():
            properties[intent] = {"response": self._response(keys[0]), "ranking": keys}
        message.set("response_selector", properties, add_to_output=True)
        message.set(LEVELS, self._levels(row), add_to_output=True)

    def _response(self, best: dict[str, Any]) -> dict[str, Any]:
        utter_action = intent_response_key_to_template_key(best["intent_response_key"])
        return {**best, "responses": self._responses.get(utter_action, []), "utter_action": utter_action}
