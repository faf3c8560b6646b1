"""A pretrained encoder with a classification head, as torch sees it. Imports torch: only for training."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel


class Trunk(torch.nn.Module):
    """A pretrained encoder's embeddings and lower layers, which no training changes.

    Takes the layers above `frozen` away from `encoder`; they are in `upper`.
    """

    def __init__(self, encoder: PreTrainedModel, frozen: int) -> None:
        super().__init__()
        layers = encoder.encoder.layer
        self.upper = (layers[frozen:],)  # in a tuple, torch doesn't take them for a part of this module
        encoder.encoder.layer = layers[:frozen]
        self.encoder = encoder

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Hidden states (texts, tokens, hidden size) for token ids (texts, tokens) and their mask."""
        return self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state


class Head(torch.nn.Module):
    """What is trained: upper layers, the mean of their hidden states, and a linear layer on it; for every encoder the same.

    Attributes:
        layers: the encoder's upper layers, perhaps none.
        classify: from (texts, hidden size) to (texts, labels).
    """

    def __init__(self, layers: torch.nn.ModuleList, hidden_size: int, label_count: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.layers = layers
        self.dropout = torch.nn.Dropout(dropout)
        self.classify = torch.nn.Linear(hidden_size, label_count)

    def forward(self, hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Logits (texts, labels) for the trunk's hidden states (texts, tokens, hidden size)."""
        return self.classify(self.dropout(self.vectors(hidden, attention_mask)))

    def vectors(self, hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Each text's mean last hidden state, (texts, hidden size), over the tokens that are not padding."""
        unseen = (1 - attention_mask[:, None, None, :].to(hidden.dtype)) * torch.finfo(hidden.dtype).min
        for layer in self.layers:
            hidden = layer(hidden, unseen)[0]
        return mean(hidden, attention_mask)


def mean(hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """Each text's mean hidden state, (texts, hidden size), over the tokens that are not padding."""
    weights = attention_mask.to(hidden.dtype)[..., None]
    return (hidden * weights).sum(1) / weights.sum(1)


class TrainedHead(torch.nn.Module):
    """A head in the form Hugging Face's `Trainer` wants, which is given the loss along with the logits."""

    def __init__(self, head: Head, label_smoothing: float) -> None:
        super().__init__()
        self.head = head
        self._loss = torch.nn.CrossEntropyLoss(label_smoothing=label_smoothing)

    def forward(self, hidden: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        logits = self.head(hidden, attention_mask)
        return {"loss": self._loss(logits, labels), "logits": logits}
