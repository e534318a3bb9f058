"""Training losses; rows without a label are ignored."""

from __future__ import annotations

import torch
from torch.nn import functional

UNLABELLED = -100


def cross_entropy(
    logits: torch.Tensor, labels: torch.Tensor, *, smoothing: float = 0.0, weights: torch.Tensor | None = None
) -> torch.Tensor:
    """The mean over labelled rows, and zero where there are none."""
    flat, wanted = logits.flatten(0, -2), labels.flatten()
    total = functional.cross_entropy(
        flat, wanted, weight=weights, ignore_index=UNLABELLED, label_smoothing=smoothing, reduction="sum"
    )
    labelled = wanted != UNLABELLED
    share = labelled.to(flat.dtype) if weights is None else weights[wanted.clamp(min=0)] * labelled
    # torch's own mean is 0/0 for a batch without labels, as for every batch of a corpus without sentiment.
    return total / share.sum().clamp(min=1e-6)


def only_where(available: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The labels for a single-modality head, unlabelled where the modality is absent."""
    return labels.masked_fill(~available, UNLABELLED)


def dual_head(
    emotion_logits: torch.Tensor,
    sentiment_logits: torch.Tensor,
    emotion: torch.Tensor,
    sentiment: torch.Tensor,
    *,
    smoothing: float = 0.05,
    emotion_weights: torch.Tensor | None = None,
    sentiment_weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Label-smoothed cross-entropy of both heads; rows without a label of one kind count for the other only."""
    return cross_entropy(emotion_logits, emotion, smoothing=smoothing, weights=emotion_weights) + cross_entropy(
        sentiment_logits, sentiment, smoothing=smoothing, weights=sentiment_weights
    )


def self_distillation(
    fused: torch.Tensor,  # (…, 7)
    heads: torch.Tensor,  # (…, modality, 7)
    available: torch.Tensor,  # (…, modality) bool
    labels: torch.Tensor,  # (…)
    *,
    temperature: float,
) -> torch.Tensor:
    """SDT: the fused logits and every head learn the label, and every head learns from the fused logits.

    A head counts only where its modality is available. The teacher is detached, so that it is not pulled toward its
    students. The divergence is scaled by the square of the temperature to keep its gradient at high temperatures.
    """
    loss = cross_entropy(fused, labels)
    teacher = functional.log_softmax(fused.detach() / temperature, -1)
    for at in range(heads.shape[-2]):
        loss = loss + cross_entropy(heads[..., at, :], only_where(available[..., at], labels))
        student = functional.log_softmax(heads[..., at, :] / temperature, -1)
        divergence = (teacher.exp() * (teacher - student)).sum(-1).masked_fill(~available[..., at], 0.0)
        loss = loss + temperature**2 * divergence.sum() / available[..., at].sum().clamp(min=1)
    return loss
