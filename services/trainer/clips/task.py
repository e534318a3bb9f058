"""The training task of a multimodal network on clips, and the predictions for its evaluation."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from services.trainer.clips.clip_inputs import Inputs
from services.trainer.labels import UNKNOWN
from services.trainer.metrics import classification_metrics
from services.trainer.networks.contract import NetworkSpec, Targets
from services.trainer.networks.examples import restrict
from services.trainer.networks.losses import UNLABELLED
from services.trainer.networks.masking import modality_dropout, present
from shared.domain.emotion import EMOTIONS, SENTIMENTS, Modality
from shared.domain.error import InvalidRequest
from shared.engines.features.network_inputs import InputSpec, dialogue_windows

BATCH = 8


@dataclass(frozen=True, slots=True)
class TrainingData:
    """A network's inputs as tensors; a row is a window of a dialogue, or one clip."""

    spec: NetworkSpec
    plan: InputSpec
    inputs: Inputs

    def parts(self, split: str) -> list[tuple[range, range]]:
        """The clips that are input together, and those of them whose predictions are kept."""
        rows = self.inputs.rows(split, dialogue=self.plan.dialogue)
        return [
            (
                range(row.start + shown.start, row.start + shown.stop),
                range(row.start + kept.start, row.start + kept.stop),
            )
            for row in rows
            for shown, kept in dialogue_windows(len(row))
        ]

    def tensors(self, rows: Sequence[range]) -> dict[str, Tensor]:
        clips = self.inputs.clips
        made = self.plan.batch(
            [[self.inputs.inputs_of(number) for number in row] for row in rows],
            [[clips[number].speaker for number in row] for row in rows],
        )
        return {name: torch.from_numpy(values) for name, values in made.items()}

    def targets(self, rows: Sequence[range]) -> Targets:
        clips, longest = self.inputs.clips, max(map(len, rows))
        labels = torch.full((2, len(rows), longest), UNLABELLED)
        for at, row in enumerate(rows):
            values = torch.tensor([[clips[number].label, clips[number].sentiment] for number in row]).T
            labels[:, at, : len(row)] = values.masked_fill(values == UNKNOWN, UNLABELLED)
        emotion, sentiment = labels if self.plan.dialogue else labels[:, :, 0]
        return Targets(emotion, sentiment)


@dataclass(frozen=True, slots=True)
class Predictions:
    """The predictions for every clip that has a label and a modality that the network reads."""

    emotion: np.ndarray  # (clip, 7) logits
    sentiment: np.ndarray  # (clip, 3) logits
    truth: np.ndarray  # (clip,)
    sentiment_truth: np.ndarray  # (clip,), UNKNOWN if there is no sentiment label

    @classmethod
    def of(
        cls, network: nn.Module, data: TrainingData, split: str, pattern: Collection[Modality] | None = None
    ) -> Self:
        """With a pattern, only clips that have all its modalities count, and the other modalities are masked."""
        parts, clips = data.parts(split), data.inputs.clips
        network.eval()
        device = next(network.parameters()).device
        emotion, sentiment, numbers = [], [], []
        for start in range(0, len(parts), BATCH):
            chosen = parts[start : start + BATCH]
            inputs = data.tensors([shown for shown, _ in chosen])
            available = _available(inputs, data.spec)
            chosen_mask = (
                available.any(0)
                if pattern is None
                else torch.stack([available[_index_of(data, m)] for m in pattern]).all(0)
            )
            if pattern is not None:
                inputs = restrict(inputs, [pattern])
            with torch.no_grad():
                output = network(**{name: values.to(device) for name, values in inputs.items()})
            for at, (shown, kept) in enumerate(chosen):
                for number in kept:
                    index = (at, number - shown.start) if data.plan.dialogue else (at,)
                    if chosen_mask[index] and clips[number].label != UNKNOWN:
                        emotion.append(output[0][index].float().cpu().numpy())
                        sentiment.append(output[1][index].float().cpu().numpy())
                        numbers.append(number)
        return cls(
            np.array(emotion).reshape(-1, len(EMOTIONS)),
            np.array(sentiment).reshape(-1, len(SENTIMENTS)),
            np.array([clips[number].label for number in numbers], dtype=int),
            np.array([clips[number].sentiment for number in numbers], dtype=int),
        )


def _available(inputs: dict[str, Tensor], spec: NetworkSpec) -> Tensor:  # (modality, row[, utterance])
    return torch.stack([present(inputs[f"{modality}_mask"], spec.row_axes) for modality in spec.modalities])


def _index_of(data: TrainingData, modality: Modality) -> int:
    return data.spec.modalities.index(modality)


class ClipTask:
    """Drops modalities at random, so that the network meets every combination of missing modalities."""

    def __init__(self, data: TrainingData, seed: int, batch: int, drop: float) -> None:
        self.data, self.seed, self.batch, self.drop = data, seed, batch, drop
        self.rows = [shown for shown, _ in data.parts("train")]

    def batches(self, epoch: int) -> Sequence[list[range]]:
        order = np.random.default_rng((self.seed, epoch)).permutation(len(self.rows))
        return [
            [self.rows[number] for number in order[start : start + self.batch]]
            for start in range(0, len(order), self.batch)
        ]

    def load(self, batch: list[range], _epoch: int) -> dict[str, Tensor]:
        inputs, targets = self.data.tensors(batch), self.data.targets(batch)
        masks = {name: values for name, values in inputs.items() if name.endswith("_mask")}
        dropped = modality_dropout(masks, self.drop, row_axes=self.data.spec.row_axes)
        return inputs | dropped | {"emotion": targets.emotion, "sentiment": targets.sentiment}

    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        inputs = {name: batch[name] for name in self.data.plan.tensors}
        outputs = network(**inputs)
        bare: Any = getattr(network, "module", network)  # without the wrapper for several devices
        loss: Tensor = bare.loss(outputs, Targets(batch["emotion"], batch["sentiment"]), inputs)
        return loss

    def evaluate(self, network: nn.Module) -> tuple[float, dict[str, float]]:
        answers = Predictions.of(network, self.data, "dev")
        if len(answers.truth) == 0:
            raise InvalidRequest(f"No clip of the split 'dev' has a modality that {self.data.spec.name} reads.")
        found = classification_metrics(answers.emotion, answers.truth)
        metrics = {name: found[name] for name in ("weighted_f1", "macro_f1", "accuracy", "ece", "nll")}
        return (found["weighted_f1"] + found["macro_f1"]) / 2, metrics
