"""Trains the head on Whisper's first layers in the folds of the voice network, then on all data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from services.trainer.loop import Recipe, fit, seed_everything
from services.trainer.metrics import classification_metrics
from services.trainer.trainable_networks import FROM_SCRATCH, Initialization
from services.trainer.voice.fold_metrics import write_fold_metrics, write_held_out
from services.trainer.voice.train import ALL_DATA, fold_parts
from services.trainer.voice_whisper.head import HeadTask, WhisperHead
from services.trainer.voice_whisper.statistics_cache import CHANNELS, Statistics, read_statistics
from shared.domain.error import InvalidRequest
from shared.engines.settings import EngineSettings
from shared.engines.voice_whisper import SIZE, Head, centred
from shared.engines.weights.description import find_weights
from shared.engines.weights.installed import require_weights
from shared.ports.media import Floats

RATE, DECAY = 6e-3, 0.01
HEAD = "head.npz"


def recipe_of(seed: int, epochs: int = 20) -> Recipe:
    return Recipe(seed=seed, epochs=epochs, average=0.98, warm_up=0.1, schedule="cosine", clip=2.0, keep="last",
                  patience=epochs)  # fmt: skip


def train(data: Path, run: Path, recipe: Recipe, start: Initialization = FROM_SCRATCH) -> Path:
    """Trains the head and all folds whose metrics the card states; `start` names the folder of a Whisper."""
    if start.freeze:
        raise InvalidRequest("voice-whisper freezes the whole of Whisper; leave out --freeze.")
    whisper = start.weights or require_weights(find_weights(f"faster-whisper:{SIZE}"), EngineSettings())
    statistics = read_statistics(data, run / "statistics.npz", whisper / "model.bin")
    parts = fold_parts(statistics.clips)
    fold_metrics: list[dict[str, dict[str, float]]] = []
    for name, part in parts.items():
        task = HeadTask(statistics, part.train, recipe.seed)
        seed_everything(recipe.seed)
        head = task.new_head()
        best = fit(head, [{"params": [*head.parameters()], "lr": RATE, "weight_decay": DECAY}], task, recipe,
                   run / name)  # fmt: skip
        head.load_state_dict(torch.load(best, weights_only=True))
        serving = serving_head(head, statistics.mark)
        np.savez(run / name / HEAD, **asdict(serving))
        if part.held_out:
            clips = [statistics.clips[clip] for clip in part.held_out]
            write_held_out(run / name, clip_logits(serving, statistics, part.held_out), clips)
        if name.startswith("fold"):
            fold_metrics.append(_evaluate(serving, statistics, part.held_out))
    write_fold_metrics(run, fold_metrics)
    return run / ALL_DATA / HEAD


def serving_head(head: WhisperHead, mark: Floats) -> Head:
    arrays = (head.mean, head.deviation, torch.softmax(head.mix, 0), head.emotion.weight, head.emotion.bias)
    return Head(mark, *(array.detach().numpy() for array in arrays))


def clip_logits(
    head: Head, statistics: Statistics, clips: Sequence[int], channel: int = 0, *, known_voice: bool = True
) -> np.ndarray:
    """The logits as in serving, where all clips of a speaker are one recording."""
    vectors = np.stack([head.describe(statistics.values[clip, channel]) for clip in clips])
    speakers = np.array([statistics.clips[clip].speaker for clip in clips])
    return head.logits(centred(vectors, speakers) if known_voice else vectors)


def _evaluate(head: Head, statistics: Statistics, held: Sequence[int]) -> dict[str, dict[str, float]]:
    """Mean recall by condition and corpus."""
    conditions = {"as it is": (0, True), "as it is, unknown voice": (0, False)}
    conditions |= {name: (number, True) for number, name in enumerate(CHANNELS) if number}
    corpora = sorted({statistics.clips[clip].corpus for clip in held})
    return {
        name: {corpus: _recall(head, statistics, held, corpus, *condition) for corpus in corpora}
        for name, condition in conditions.items()
    }


def _recall(
    head: Head, statistics: Statistics, held: Sequence[int], corpus: str, channel: int, known_voice: bool
) -> float:
    clips = [clip for clip in held if statistics.clips[clip].corpus == corpus]
    logits = clip_logits(head, statistics, clips, channel, known_voice=known_voice)
    truth = np.array([statistics.clips[clip].label for clip in clips])
    return float(classification_metrics(logits, truth)["uar"])
