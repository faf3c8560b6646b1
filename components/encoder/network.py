"""A pretrained encoder with a classification head, as torch sees it. Imports torch: only for training."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

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


class ServedHead(torch.nn.Module):
    """A head in the form that is exported."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.head = head

    def forward(self, hidden: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (texts, labels), and sentence vectors (texts, hidden size)."""
        vectors = self.head.vectors(hidden, attention_mask)
        return self.head.classify(vectors), vectors


def mean(hidden: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
    """Each text's mean hidden state, (texts, hidden size), over the tokens that are not padding."""
    weights = attention_mask.to(hidden.dtype)[..., None]
    return (hidden * weights).sum(1) / weights.sum(1)


class TrainedHead(torch.nn.Module):
    """A head in the form Hugging Face's `Trainer` wants, which is given the loss along with the logits.

    Its labels are those of one task or, one after the other, of several; a text has a label of one of them, and is told apart
    from that task's other labels alone.
    """

    def __init__(self, head: Head, label_smoothing: float, tasks: Sequence[int]) -> None:
        super().__init__()
        self.head = head
        self._label_smoothing = label_smoothing
        self._tasks = [range(end - size, end) for size, end in zip(tasks, accumulate(tasks))]

    def forward(self, hidden: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        """The mean loss, and logits (texts, labels) that are -inf for the labels of other tasks than a text's own."""
        logits = self.head(hidden, attention_mask)
        loss, own = logits.new_zeros(()), torch.full_like(logits, -torch.inf)
        for task in self._tasks:
            rows = (labels >= task.start) & (labels < task.stop)
            of_task = logits[rows, task.start : task.stop]
            own[rows, task.start : task.stop] = of_task
            if len(of_task):
                loss = loss + torch.nn.functional.cross_entropy(
                    of_task, labels[rows] - task.start, label_smoothing=self._label_smoothing, reduction="sum"
                )
        return {"loss": loss / len(labels), "logits": own}
