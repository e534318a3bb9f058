"""The voice training task: the acted emotion of a clip, for unknown speakers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # its name everywhere

from services.trainer.datasets.voices import SpokenClip
from services.trainer.metrics import classification_metrics
from services.trainer.voice.spectrogram_augmentation import mask_spectrogram, perturb_voice
from services.trainer.voice.spectrogram_cache import Spectrograms
from shared.engines.features.voice_augmentation import augmented_windows
from shared.engines.features.voice_mel import WINDOW, scaled, stacked

BATCH, SMOOTHING = 32, 0.1
CLEAN, UNKNOWN_VOICE = 0.35, 0.3  # chances that a clip has no augmentation, and no scale of its speaker
MIN_FRAMES = 100  # frames
MIXED = 0.3  # chance that a batch is mixed with itself


def balanced(clips: Sequence[SpokenClip]) -> np.ndarray:
    """The chance of every clip: equal for the emotions of a corpus, and one third in all for the small corpus."""
    pairs = [(clip.corpus, clip.label) for clip in clips]
    share = {"ravdess": 2.0, "emodb": 1.0}
    emotions = {corpus: len({label for one, label in pairs if one == corpus}) for corpus, _ in pairs}
    weights = np.array([share[corpus] / pairs.count((corpus, label)) / emotions[corpus] for corpus, label in pairs])
    return np.asarray(weights / weights.sum())


@dataclass
class VoiceTask:
    spectrograms: Spectrograms
    train: list[int]  # clips
    held_out: list[int]
    seed: int
    rounds: int = 1
    weights: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.weights = balanced([self.spectrograms.clips[clip] for clip in self.train])

    def batches(self, epoch: int) -> Sequence[list[int]]:
        draw = np.random.default_rng((self.seed, epoch))
        count = len(self.train) * self.rounds // BATCH * BATCH
        chosen = draw.choice(self.train, size=count, p=self.weights)
        return [chosen[start : start + BATCH].tolist() for start in range(0, count, BATCH)]

    def load(self, batch: list[int], _epoch: int) -> dict[str, Tensor]:
        longest = random.randint(MIN_FRAMES, WINDOW)  # one length for the whole batch reduces padding
        mels, mask = stacked([self._augmented(clip, longest) for clip in batch])
        labels = F.one_hot(torch.tensor([self.spectrograms.clips[clip].label for clip in batch]), 7).float()
        sound, valid = torch.from_numpy(mels), torch.from_numpy(mask)
        if random.random() < MIXED:
            part, other = np.random.beta(0.3, 0.3), torch.randperm(len(batch))  # seeded by the loop
            sound, labels = part * sound + (1 - part) * sound[other], part * labels + (1 - part) * labels[other]
            valid = valid | valid[other]
        return {"mels": sound, "mask": valid, "labels": labels}

    def _augmented(self, clip: int, longest: int) -> np.ndarray:
        augmentation = 0 if random.random() < CLEAN else random.randrange(1, len(self.spectrograms.names))
        known = None if random.random() < UNKNOWN_VOICE else self.spectrograms.scale(clip, augmentation)
        spectrogram = perturb_voice(scaled(self.spectrograms.of(clip, augmentation), known))
        length = min(len(spectrogram), longest)
        start = random.randint(0, len(spectrogram) - length)
        return mask_spectrogram(spectrogram[start : start + length])

    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        emotion, _ = network(batch["mels"], batch["mask"])
        return F.cross_entropy(emotion, batch["labels"], label_smoothing=SMOOTHING)

    def evaluate(self, network: nn.Module) -> tuple[float, dict[str, float]]:
        recalls = {
            corpus: found["uar"] for corpus, found in evaluate_clips(network, self.spectrograms, self.held_out).items()
        }
        return float(np.mean(list(recalls.values()) or [0.0])), recalls


def evaluate_clips(
    network: nn.Module,
    spectrograms: Spectrograms,
    clips: Sequence[int],
    augmentation: int = 0,
    *,
    known_voice: bool = True,
) -> dict[str, dict[str, Any]]:
    """Metrics by corpus."""
    found: dict[str, dict[str, Any]] = {}
    for corpus in sorted({spectrograms.clips[clip].corpus for clip in clips}):
        own = [clip for clip in clips if spectrograms.clips[clip].corpus == corpus]
        truth = np.array([spectrograms.clips[clip].label for clip in own])
        found[corpus] = classification_metrics(
            clip_logits(network, spectrograms, own, augmentation, known_voice=known_voice), truth
        )
    return found


def clip_logits(
    network: nn.Module,
    spectrograms: Spectrograms,
    clips: Sequence[int],
    augmentation: int = 0,
    *,
    known_voice: bool = True,
) -> np.ndarray:
    network.eval()
    device = next(network.parameters()).device
    rows = []
    with torch.no_grad():
        for clip in clips:
            voice = spectrograms.scale(clip, augmentation) if known_voice else None
            mels, mask = stacked(augmented_windows(scaled(spectrograms.of(clip, augmentation), voice)))
            logits = network(torch.from_numpy(mels).to(device), torch.from_numpy(mask).to(device))[0]
            rows.append(logits.mean(0).cpu().numpy())
    return np.stack(rows)
