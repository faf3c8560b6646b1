"""A pretrained encoder with a classification head, as torch sees it. Imports torch: only for training."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel


class SentenceClassifier(torch.nn.Module):
    """Encoder, mean of its last hidden states, linear head: the same for every encoder, with or without a pooler of its own.

    Attributes:
        encoder: the pretrained model, without a task's head.
        classify: the head, from (texts, hidden size) to (texts, labels).
    """

    def __init__(self, encoder: PreTrainedModel, label_count: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = torch.nn.Dropout(dropout)
        self.classify = torch.nn.Linear(encoder.config.hidden_size, label_count)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Logits (texts, labels) for token ids (texts, tokens) and their mask."""
        return self.head(self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state, attention_mask)

    def head(self, hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Logits (texts, labels) for last hidden states (texts, tokens, hidden size)."""
        return self.classify(self.dropout(mean(hidden, attention_mask)))


def mean(hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """Each text's mean hidden state, (texts, hidden size), over the tokens that are not padding."""
    weights = attention_mask.to(hidden.dtype)[..., None]
    return (hidden * weights).sum(1) / weights.sum(1)


class UpperLayers(torch.nn.Module):
    """The part of a classifier that is trained: its upper layers and head, fed with what the frozen layers below them say.

    In the form Hugging Face's `Trainer` wants. It shares its parameters with the classifier, which is trained by training it.
    """

    def __init__(self, classifier: SentenceClassifier, trained: int, label_smoothing: float) -> None:
        super().__init__()
        layers = classifier.encoder.encoder.layer
        self.layers = layers[len(layers) - trained :]
        self.classifier_head = torch.nn.ModuleList([classifier.dropout, classifier.classify])
        self._head = classifier.head
        self._loss = torch.nn.CrossEntropyLoss(label_smoothing=label_smoothing)

    def forward(self, hidden: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        """Loss and logits (texts, labels) for hidden states (texts, tokens, hidden size)."""
        logits = self._head(self._upper(hidden, attention_mask), attention_mask)
        return {"loss": self._loss(logits, labels), "logits": logits}

    def vectors(self, hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """What the head is given, (texts, hidden size)."""
        return mean(self._upper(hidden, attention_mask), attention_mask)

    def _upper(self, hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        unseen = (1 - attention_mask[:, None, None, :].to(hidden.dtype)) * torch.finfo(hidden.dtype).min
        for layer in self.layers:
            hidden = layer(hidden, unseen)[0]
        return hidden
