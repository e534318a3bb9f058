"""The head: a weighted mean of Whisper's layers, and a linear classifier; and its training task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # its name everywhere

from services.trainer.voice.task import balanced
from services.trainer.voice_whisper.statistics_cache import Statistics
from shared.domain.emotion import EMOTIONS

BATCH, SMOOTHING, DROP = 128, 0.05, 0.3
CLEAN = 0.4  # chance that a clip is taken without a channel
UNKNOWN_VOICE = 0.25  # chance that nothing of the speaker's mean is subtracted
MOSTLY_NEUTRAL = 0.5  # chance that neutral has more weight in the speaker's mean, as in a meeting


class WhisperHead(nn.Module):
    """Maps (clip, layer, 2, width) to vectors (clip, 2 x width), and centred vectors to logits."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Tensor, deviation: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)
        self.mix = nn.Parameter(torch.zeros(len(mean)))
        self.drop = nn.Dropout(DROP)
        self.emotion = nn.Linear(mean[0].numel(), len(EMOTIONS))

    def describe(self, statistics: Tensor) -> Tensor:
        layers = (statistics - self.mean) / self.deviation
        return torch.einsum("l,nl...->n...", torch.softmax(self.mix, 0), layers).flatten(1)

    def forward(self, vectors: Tensor) -> Tensor:
        logits: Tensor = self.emotion(self.drop(vectors))
        return logits


@dataclass
class HeadTask:
    """The acted emotion of a clip, relative to a mean of its speaker with random shares of the emotions."""

    statistics: Statistics
    train: list[int]  # clips
    seed: int
    means: Tensor = field(init=False)  # (speaker, channel, emotion, layer, 2, width)
    acted: Tensor = field(init=False)  # (speaker, emotion): whether there are such clips

    def __post_init__(self) -> None:
        clips = self.statistics.clips
        self.weights = balanced([clips[clip] for clip in self.train])
        self.labels = np.array([clip.label for clip in clips])
        names = sorted({clip.speaker for clip in clips})
        self.speakers = np.array([names.index(clip.speaker) for clip in clips])
        self.values = torch.from_numpy(self.statistics.values)
        self.means = torch.zeros(len(names), self.values.shape[1], len(EMOTIONS), *self.values.shape[2:])
        self.acted = torch.zeros(len(names), len(EMOTIONS))
        for speaker, label in sorted(set(zip(self.speakers.tolist(), self.labels.tolist(), strict=True))):
            own = (self.speakers == speaker) & (self.labels == label)
            self.means[speaker, :, label] = self.values[own].mean(0)
            self.acted[speaker, label] = 1

    def new_head(self) -> WhisperHead:
        """A head with the mean of the training clips, and their deviation from the means of their speakers."""
        clean = self.values[self.train, 0]
        shares = self.acted / self.acted.sum(1, keepdim=True)
        centres = torch.einsum("se,se...->s...", shares, self.means[:, 0])[self.speakers[self.train]]
        return WhisperHead(clean.mean(0), (clean - centres).std(0) + 1e-4)

    def batches(self, epoch: int) -> Sequence[list[int]]:
        draw = np.random.default_rng((self.seed, epoch))
        count = max(1, len(self.train) // BATCH)
        return [draw.choice(self.train, size=BATCH, p=self.weights).tolist() for _ in range(count)]

    def load(self, batch: list[int], _epoch: int) -> dict[str, Tensor]:
        count, channels = len(batch), self.values.shape[1]  # NumPy and torch are seeded by the loop
        channel = np.where(np.random.random(count) < CLEAN, 0, np.random.randint(channels, size=count))
        speaker = self.speakers[batch]
        shares = np.random.dirichlet(np.ones(len(EMOTIONS)), size=count).astype(np.float32)
        neutral = EMOTIONS.index("neutral")
        shares[:, neutral] += np.random.uniform(0, 2, count) * (np.random.random(count) < MOSTLY_NEUTRAL)
        mixture = torch.from_numpy(shares) * self.acted[speaker]
        mixture /= mixture.sum(1, keepdim=True)
        known = np.where(np.random.random(count) < UNKNOWN_VOICE, 0, np.random.uniform(0.3, 1, count))
        return {
            "values": self.values[batch, channel],
            "centre": torch.einsum("be,be...->b...", mixture, self.means[speaker, channel]),
            "known": torch.from_numpy(known.astype(np.float32)),
            "labels": torch.from_numpy(self.labels[batch]),
        }

    def loss(self, head: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        vectors = head.describe(batch["values"]) - batch["known"][:, None] * head.describe(batch["centre"])
        return F.cross_entropy(head(vectors), batch["labels"], label_smoothing=SMOOTHING)

    def evaluate(self, _head: nn.Module) -> tuple[float, dict[str, float]]:
        return 0.0, {}  # the last epoch is kept: no held-out clip influences a choice
