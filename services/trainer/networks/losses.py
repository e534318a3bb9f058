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


def adaptive_triplet(anchor: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor) -> torch.Tensor:
    """M2FNet's triplet loss over unit vectors, with its adaptive margin treated as a constant.

    A gradient through the margin, as published, has its optimum where a positive is farther than a negative.
    """
    to_positive = functional.pairwise_distance(anchor, positive)
    to_negative = functional.pairwise_distance(anchor, negative)
    between = functional.pairwise_distance(positive, negative)
    margin = 2 + 2 * torch.exp(-4 * to_positive) + 2 * torch.exp(4 * to_negative - 4)
    return functional.relu(to_positive - (to_negative + between) / 2 + margin.detach()).mean()


def variance(embeddings: torch.Tensor) -> torch.Tensor:
    """The deviation of each feature's standard deviation from one."""
    return (1 - (embeddings.var(0) + 1e-6).sqrt()).mean()


def covariance(embeddings: torch.Tensor) -> torch.Tensor:
    """The mean squared off-diagonal covariance of the features."""
    centred = embeddings - embeddings.mean(0)
    shared = centred.T @ centred / max(1, len(embeddings) - 1)
    alone = torch.eye(len(shared), device=shared.device, dtype=torch.bool)
    return shared.masked_fill(alone, 0.0).square().sum() / len(shared)


def m2fnet_extractor(anchor: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor) -> torch.Tensor:
    """The loss of M2FNet's audio and visual extractors over unnormalised embeddings."""
    parts = (anchor, positive, negative)
    triplet = adaptive_triplet(*(functional.normalize(part) for part in parts))
    # The standard deviation of a unit vector's feature is at most 1/sqrt(width): these two use unnormalised embeddings.
    together = torch.cat(parts)
    return 20 * triplet + 5 * covariance(together) + variance(together)


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
