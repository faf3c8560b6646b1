"""Fine-tuning an encoder into a text classifier with Hugging Face's `Trainer`, and exporting it to ONNX."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import torch

from components.encoder.checkpoint import load_checkpoint  # isort: skip (keeps TensorFlow out, so it comes first)
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from transformers import EvalPrediction

from components.encoder.network import SentenceClassifier, UpperLayers
from components.encoder.onnx_encoder import MODEL_FILE, SETTINGS_FILE, by_length, pad, token_ids
from components.encoder.settings import EncoderSettings
from components.trainer import Example, fine_tune, run_name

_LABEL_SMOOTHING = 0.1
_SHRINKAGE = 0.3  # of the covariance of sentence vectors


def finetune(
    settings: EncoderSettings, texts: list[str], labels: np.ndarray, label_count: int, held_out: np.ndarray, folder: Path
) -> None:
    """Fine-tunes the encoder on all texts but the held-out ones and exports the best epoch into `folder`.

    Only the upper `settings.trained_layers` learn. What the layers below them say of a text never changes, so it is computed
    once. An interrupted run goes on from its last epoch when it is started again with the same texts and settings. Where no
    layer learns the head is a linear discriminant analysis of the sentence vectors.

    Args:
        labels: (texts,) integers below `label_count`.
        held_out: indices of the texts that are kept from learning, and by which the best epoch is chosen.

    Raises:
        EncoderError: the encoder could not be loaded.
    """
    encoder, tokenizer, pad_id = load_checkpoint(settings.source)
    torch.manual_seed(settings.seed)
    classifier = SentenceClassifier(encoder, label_count)
    layers = len(encoder.encoder.layer)
    trained = min(settings.trained_layers, layers)
    max_length = min(settings.max_length, encoder.config.max_position_embeddings)

    sequences = [token_ids(tokenizer, text, max_length) for text in texts]
    hidden = _frozen_states(classifier, layers - trained, sequences, pad_id)
    examples = [
        {"input_ids": ids, "hidden": states, "labels": int(label)} for ids, states, label in zip(sequences, hidden, labels)
    ]
    learned = [examples[index] for index in np.setdiff1d(np.arange(len(texts)), held_out)]
    network = UpperLayers(classifier, trained, _LABEL_SMOOTHING)
    if trained == 0:
        _discriminate(network, classifier, learned)
    else:
        checkpoints = settings.checkpoints / run_name(settings, texts, labels.tolist(), held_out.tolist())
        steps = -(-len(learned) // settings.batch_size)
        fine_tune(
            network,
            examples,
            _collate,
            settings,
            checkpoints,
            held_out,
            epochs=min(settings.epochs, settings.max_steps / steps),
            optimizer=torch.optim.AdamW(
                [
                    {"params": network.layers.parameters(), "lr": settings.learning_rate},
                    {"params": classifier.classify.parameters(), "lr": settings.head_learning_rate},
                ],
                weight_decay=0.01,
            ),
            metrics=_accuracy,
        )
        shutil.rmtree(checkpoints, ignore_errors=True)
    export(classifier, folder / MODEL_FILE)
    tokenizer.save(folder)
    (folder / SETTINGS_FILE).write_text(json.dumps({"pad_id": pad_id, "max_length": max_length}), encoding="utf-8")


@torch.no_grad()
def _frozen_states(
    classifier: SentenceClassifier, frozen: int, sequences: list[list[int]], pad_id: int, batch_size: int = 64
) -> list[torch.Tensor]:
    """For each sequence what the lowest `frozen` layers make of it, (tokens, hidden size) float32."""
    encoder = classifier.encoder.eval()
    layers, encoder.encoder.layer = encoder.encoder.layer, encoder.encoder.layer[:frozen]
    states: dict[int, torch.Tensor] = {}
    for batch in by_length(sequences, batch_size):
        ids, mask = pad([sequences[index] for index in batch], pad_id)
        hidden = encoder(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)).last_hidden_state
        states.update((index, row[: len(sequences[index])].clone()) for index, row in zip(batch, hidden))
    encoder.encoder.layer = layers
    return [states[index] for index in range(len(sequences))]


@torch.no_grad()
def _discriminate(network: UpperLayers, classifier: SentenceClassifier, examples: list[Example], batch_size: int = 64) -> None:
    """Makes the head a linear discriminant analysis of the sentence vectors, as the encoder gives them."""
    network.eval()
    vectors = np.zeros((len(examples), classifier.classify.in_features))
    for batch in by_length([example["input_ids"] for example in examples], batch_size):
        inputs = _collate([examples[index] for index in batch])
        vectors[batch] = network.vectors(inputs["hidden"], inputs["attention_mask"]).double().numpy()
    labels = np.array([example["labels"] for example in examples])
    analysis = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=_SHRINKAGE).fit(vectors, labels)
    weights, biases = analysis.coef_, analysis.intercept_
    if len(analysis.classes_) == 2:  # then it has one row, for the second
        weights, biases = np.concatenate([-weights, weights]) / 2, np.concatenate([-biases, biases]) / 2
    # A label of which nothing was learned is never likely.
    classifier.classify.weight.zero_()
    classifier.classify.bias.fill_(float(biases.min()) - 100)
    classifier.classify.weight[analysis.classes_] = torch.from_numpy(weights).float()
    classifier.classify.bias[analysis.classes_] = torch.from_numpy(biases).float()


def _collate(batch: list[Example]) -> dict[str, torch.Tensor]:
    hidden = torch.nn.utils.rnn.pad_sequence([example["hidden"] for example in batch], batch_first=True)
    lengths = torch.tensor([len(example["hidden"]) for example in batch])
    return {
        "hidden": hidden,
        "attention_mask": (torch.arange(hidden.shape[1]) < lengths[:, None]).long(),
        "labels": torch.tensor([example["labels"] for example in batch]),
    }


def _accuracy(evaluation: EvalPrediction) -> dict[str, float]:
    return {"accuracy": float((evaluation.predictions.argmax(axis=1) == evaluation.label_ids).mean())}


def export(classifier: SentenceClassifier, file: Path) -> None:
    """Writes the classifier as ONNX, fp32, with batch and sequence length left open."""
    example = torch.ones((2, 8), dtype=torch.int64)
    axes = {0: "batch", 1: "tokens"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing warns of constants that don't depend on the input
        torch.onnx.export(
            classifier.cpu().float().eval(),
            (example, example),
            str(file),
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "logits": {0: "batch"}},
            opset_version=17,
            dynamo=False,
        )
