"""The micro-Whisper training task: the tokens of a window, with supervised cross-attention."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from faster_whisper.feature_extractor import FeatureExtractor
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # its name everywhere

from services.trainer.whisper.synthesis import Spoken
from services.trainer.whisper.vocabulary import (
    END,
    FIRST_TIME,
    KNOWN,
    MELS,
    NUMBER,
    POSITIONS,
    SPELLINGS,
    STEP,
    TOKENS,
    word_token,
)
from services.trainer.whisper.windows import IGNORED, Window, draw_window, marks_of, sounds_in, spans_of
from shared.ports.media import SAMPLE_RATE

# Seconds of a window, windows of a batch, share of the batches: attention cost is quadratic in the window length.
LENGTHS = ((4.0, 8, 0.4), (10.0, 4, 0.35), (30.0, 2, 0.25))
SHORT = 0.5  # share of the epochs with short windows only, unless the initial weights are already trained
STEPS = 200  # per epoch
WHOLE = POSITIONS * STEP
ATTENTION_WEIGHT, SOUND_WEIGHT = 0.3, 1.0  # weights of the auxiliary losses
NAMES = 2.0  # weight of a name relative to another word
SPARE = 10  # padding positions of a short window
EVALUATION_WINDOWS = 24  # windows per evaluation


@dataclass
class WhisperTask:
    train: Sequence[Spoken]
    held_out: Sequence[Spoken]
    seed: int
    epochs: int
    from_scratch: bool = True

    def __post_init__(self) -> None:
        self.features = FeatureExtractor()
        self.weights = torch.ones(len(TOKENS))
        for name in (*SPELLINGS, *SPELLINGS.values()):  # rare, and needed to learn the effect of hints
            self.weights[word_token(name)] = NAMES

    def batches(self, epoch: int) -> Sequence[tuple[float, list[int]]]:
        """The window length of every batch, and the seed of each window."""
        draw = random.Random(f"{self.seed} {epoch}")
        known = LENGTHS[:1] if self.from_scratch and (epoch + 1) / self.epochs <= SHORT else LENGTHS
        chosen = draw.choices(known, [share for _, _, share in known], k=STEPS)
        return [
            (seconds, [step * 20 + row for row in range(windows)]) for step, (seconds, windows, _) in enumerate(chosen)
        ]

    def load(self, batch: tuple[float, list[int]], epoch: int) -> dict[str, Tensor]:
        seconds, rows = batch
        windows = [draw_window(self.train, seconds, random.Random(f"{self.seed} {epoch} {row}")) for row in rows]
        # A short window may start at any position, so that every position is trained; seeded by the loop.
        offset = random.choice((0, random.randint(0, POSITIONS // 2 - 1) * 2)) if seconds < WHOLE else 0
        return self.stacked(windows, seconds, offset)

    def stacked(self, windows: Sequence[Window], seconds: float, offset: int = 0) -> dict[str, Tensor]:
        longest = max(len(window.sound) for window in windows) / SAMPLE_RATE
        positions = POSITIONS if seconds == WHOLE else min(POSITIONS, round(longest / STEP) + SPARE)
        offset = min(offset, POSITIONS - positions)
        length = max(len(window.script.tokens) for window in windows)
        mels = np.zeros((len(windows), MELS, 2 * positions), dtype=np.float32)
        tokens = np.full((len(windows), length), NUMBER[END], dtype=np.int64)
        targets = np.full((len(windows), length), IGNORED, dtype=np.int64)
        spans = np.zeros((len(windows), length, positions), dtype=bool)
        for row, window in enumerate(windows):
            script = window.script
            # Padding is zero, as in faster-whisper.
            mel = self.features(window.sound)[:, : 2 * positions]
            mels[row, :, : mel.shape[1]] = mel
            tokens[row, : len(script.tokens)] = _later(script.tokens, offset)
            targets[row, : len(script.tokens)] = _later(script.targets, offset)
            spans[row, : len(script.tokens)] = spans_of(script.times, positions)
        marks = np.stack([marks_of(window.words, positions) for window in windows])
        sounds = np.stack([sounds_in(window.parts, positions) for window in windows])
        made = {
            "mels": mels, "tokens": tokens, "targets": targets, "spans": spans, "words": marks, "sounds": sounds,
        }  # fmt: skip
        return {name: torch.from_numpy(value) for name, value in made.items()} | {"offset": torch.tensor(offset)}

    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        found = network(batch["mels"], batch["tokens"], int(batch["offset"]))
        auxiliary = sum(
            F.cross_entropy(found[what].flatten(0, 1), batch[what].flatten()) for what in ("words", "sounds")
        )
        logits = found["logits"].flatten(0, 1)
        weights = self.weights.to(logits.device)
        token_loss = F.cross_entropy(logits, batch["targets"].flatten(), weights, ignore_index=IGNORED)
        # The last layer attends to the next token, the first layer to the previous one.
        spans = batch["spans"]
        previous = F.pad(spans, (0, 0, 1, 0))[:, :-1]
        attention = found["attention"]
        alignment = _attention_error(attention[:, -1], spans) + _attention_error(attention[:, 0], previous)
        return token_loss + ATTENTION_WEIGHT * alignment + SOUND_WEIGHT * auxiliary

    def evaluate(self, network: nn.Module) -> tuple[float, dict[str, float]]:
        """Accuracy of the next token, attention mass on the right span, and word accuracy, on held-out sentences."""
        draw = random.Random(0)
        device = next(network.parameters()).device
        right = total = near = words = recognised = spoken = 0.0
        for _ in range(EVALUATION_WINDOWS // 6):
            batch = self.stacked([draw_window(self.held_out, 10.0, draw) for _ in range(6)], 10.0)
            found = network(batch["mels"].to(device), batch["tokens"].to(device))
            known = batch["targets"] != IGNORED
            right += float((found["logits"].cpu().argmax(-1) == batch["targets"])[known].sum())
            total += float(known.sum())
            placed = batch["spans"].any(-1)
            near += float((found["attention"][:, -1].cpu() * batch["spans"]).sum(-1)[placed].sum())
            words += float(placed.sum())
            said = batch["words"] < KNOWN
            recognised += float((found["words"].cpu().argmax(-1) == batch["words"])[said].sum())
            spoken += float(said.sum())
        metrics = {
            "right": round(right / total, 4),
            "looks": round(near / words, 4),
            "heard": round(recognised / spoken, 4),
        }
        return metrics["right"], metrics


def _later(tokens: Sequence[int], offset: int) -> np.ndarray:
    """Shifts timestamp tokens by an offset in positions."""
    return np.array([token + offset if token >= FIRST_TIME else token for token in tokens])


def _attention_error(attention: Tensor, spans: Tensor) -> Tensor:
    """The negative log of the attention mass on the right span, over tokens that have a span."""
    placed = spans.any(-1)
    near = (attention * spans).sum(-1)[placed]
    return -(near + 1e-4).log().sum() / max(1, len(near))  # in silent windows no token has a span
