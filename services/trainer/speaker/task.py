"""The speaker training task: one voice in all emotions is pulled together, and readers keep the teacher's embeddings.

Both losses apply to far-field segments too, each condition separately: pulling near and far segments together would
reduce the separation between speakers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # its name everywhere

from services.trainer.evaluate_speakers import equal_error_rate
from services.trainer.speaker.speaker_segments import READ_SPEECH, SpeakerSegments

STEPS = 100  # of an epoch
ACTED_SPEAKERS, READ_SPEAKERS, SEGMENTS_PER_SPEAKER = 48, 48, (6, 2)  # speakers of a batch, and segments of each
TEMPERATURE, TEACHER_WEIGHT = 0.03, 5.0  # of the contrastive loss; weight of the distance to the teacher
NEAR, FAR = 1.0, 0.3  # weights of the contrastive loss
JITTER = 0.1  # noise added to the LSTM states, relative to their standard deviation
LONG = 4  # segments that overlap by half: four seconds


@dataclass
class SpeakerTask:
    train: SpeakerSegments
    held_out: SpeakerSegments
    teacher: nn.Module  # the network before training
    seed: int
    near: dict[str, np.ndarray] = field(init=False)  # segments of each speaker
    far: dict[str, np.ndarray] = field(init=False)

    def __post_init__(self) -> None:
        self.near, self.far = (_by_speaker(self.train.speakers, self.train.far == far) for far in (False, True))
        self.spread = self.train.states.std(axis=0)

    def batches(self, epoch: int) -> Sequence[list[int]]:
        draw = np.random.default_rng((self.seed, epoch))
        return [[*self._draw_segments(draw, self.near), *self._draw_segments(draw, self.far)] for _ in range(STEPS)]

    def _draw_segments(self, draw: np.random.Generator, own: dict[str, np.ndarray]) -> list[int]:
        """A few segments of many readers, and more of the actors, each in as many emotions as possible."""
        readers = [name for name in own if name.startswith("librispeech")]
        actors = [name for name in own if not name.startswith("librispeech")]
        chosen: list[int] = []
        for name in draw.choice(readers, min(READ_SPEAKERS, len(readers)), replace=False):
            chosen += draw.choice(own[name], SEGMENTS_PER_SPEAKER[1]).tolist()
        for name in draw.choice(actors, min(ACTED_SPEAKERS, len(actors)), replace=False):
            emotions = self.train.emotions[own[name]]
            for emotion in draw.permutation(np.resize(np.unique(emotions), SEGMENTS_PER_SPEAKER[0])):
                chosen.append(int(draw.choice(own[name][emotions == emotion])))
        return chosen

    def load(self, batch: list[int], _epoch: int) -> dict[str, Tensor]:
        states = self.train.states[batch]
        noise = np.random.normal(size=states.shape) * self.spread * JITTER  # seeded by the loop
        _, speakers = np.unique(self.train.speakers[batch], return_inverse=True)
        return {
            "states": torch.from_numpy((states + noise).astype(np.float32)),
            "clean": torch.from_numpy(states),
            "speakers": torch.from_numpy(speakers),
            "reads": torch.from_numpy(self.train.emotions[batch] == READ_SPEECH),
            "far": torch.from_numpy(self.train.far[batch]),
        }

    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        ours = network.embed(batch["states"])
        with torch.no_grad():
            theirs = self.teacher.embed(batch["clean"])
        distance = 1 - (ours * theirs).sum(1)
        loss = torch.zeros(())
        for here, weight in ((~batch["far"], NEAR), (batch["far"], FAR)):
            contrast = contrastive_loss(ours[here], batch["speakers"][here])
            loss = loss + weight * contrast + TEACHER_WEIGHT * distance[here & batch["reads"]].mean()
        return loss

    def evaluate(self, network: nn.Module) -> tuple[float, dict[str, float]]:
        metrics = error_rates(network, self.held_out)
        return -sum(metrics.values()), metrics


def _by_speaker(speakers: np.ndarray, chosen: np.ndarray) -> dict[str, np.ndarray]:
    return {name: np.flatnonzero(chosen & (speakers == name)) for name in np.unique(speakers[chosen])}


def contrastive_loss(voices: Tensor, speakers: Tensor) -> Tensor:
    """The supervised contrastive loss: each segment is pulled towards its own speaker's other segments."""
    similarity = voices @ voices.T / TEMPERATURE
    similarity = similarity.masked_fill(torch.eye(len(voices), dtype=torch.bool, device=voices.device), -1e4)
    same = (speakers[:, None] == speakers[None]).float()
    same.fill_diagonal_(0)
    losses = -F.log_softmax(similarity, dim=1)
    return ((losses * same).sum(1) / same.sum(1).clamp(min=1)).mean()


def error_rates(network: nn.Module, segments: SpeakerSegments) -> dict[str, float]:
    """Equal error rates: four seconds of read speech, and clips of one actor in two emotions against other speakers."""
    network.eval()
    with torch.no_grad():
        voices = network.embed(torch.from_numpy(segments.states)).numpy()
    corpora = np.array([name.split()[0] for name in segments.speakers])
    metrics = {}
    for what, here in (("read, 4 s", ~segments.far), ("read across a room, 4 s", segments.far)):
        read = np.unique(segments.clips[here & (corpora == "librispeech")])
        metrics[what] = _rate(voices, segments, [four for clip in read for four in _fours(segments.clips == clip)])
    for corpus in ("ravdess", "emodb"):
        own = np.unique(segments.clips[~segments.far & (corpora == corpus)])
        clips = [np.flatnonzero(segments.clips == clip) for clip in own]
        metrics[f"{corpus}, across emotions"] = _rate(voices, segments, clips)
    return metrics


def _fours(chosen: np.ndarray) -> list[np.ndarray]:
    indices = np.flatnonzero(chosen)
    return [indices[start : start + LONG] for start in range(0, len(indices) - LONG + 1, LONG + 1)]


def _rate(voices: np.ndarray, segments: SpeakerSegments, groups: Sequence[np.ndarray]) -> float:
    means = np.stack([voices[group].mean(axis=0) for group in groups])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    speakers = np.array([segments.speakers[group[0]] for group in groups])
    emotions = np.array([segments.emotions[group[0]] for group in groups])
    one, other = np.triu_indices(len(groups), k=1)
    similarity = np.einsum("ij,ij->i", means[one], means[other])
    same = speakers[one] == speakers[other]
    counted = same & ((emotions[one] != emotions[other]) | (emotions[one] == READ_SPEECH))
    return round(equal_error_rate(similarity[counted], similarity[~same])[0], 4)
