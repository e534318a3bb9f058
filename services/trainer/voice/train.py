"""Trains the bundled voice network: speaker folds and cross-corpus networks for its metrics, then on all data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from services.trainer.datasets.voices import SpokenClip
from services.trainer.loop import Recipe
from services.trainer.voice.fold_metrics import SURPRISE, write_fold_metrics, write_held_out
from services.trainer.voice.folds import Fold, train_folds
from services.trainer.voice.network import VoiceCnn
from services.trainer.voice.spectrogram_cache import Spectrograms, read_spectrograms
from services.trainer.voice.task import clip_logits, evaluate_clips

FOLDS = (  # actors of RAVDESS, two men and two women; speakers of EmoDB
    (("01", "02", "03", "04"), ("03", "08")),
    (("05", "06", "07", "08"), ("09", "10")),
    (("09", "10", "11", "12"), ("11", "12")),
    (("13", "14", "15", "16"), ("13",)),
    (("17", "18", "19", "20"), ("14",)),
)
TEST_AUGMENTATIONS = ("telephone", "pink noise 10 dB", "large room")
CROSS = (("ravdess", "emodb"), ("emodb", "ravdess"))  # training corpus, test corpus
ALL_DATA = "everybody"


def recipe_of(seed: int, epochs: int = 80) -> Recipe:
    return Recipe(seed=seed, epochs=epochs, average=0.995, warm_up=0.1, schedule="cosine", clip=2.0, keep="last",
                  patience=epochs)  # fmt: skip


def train(data: Path, run: Path, recipe: Recipe) -> Path:
    """Trains the network and all folds whose metrics the card states."""
    kept = run / "pictures.npz"
    spectrograms = read_spectrograms(data, kept)
    parts = fold_parts(spectrograms.clips)
    best = train_folds(data, kept, parts, recipe, run)
    fold_metrics: list[dict[str, dict[str, float]]] = []
    for name, part in parts.items():
        if name == ALL_DATA:
            continue
        network = VoiceCnn()
        network.load_state_dict(torch.load(best[name], weights_only=True))
        logits = clip_logits(network, spectrograms, part.held_out)
        write_held_out(run / name, logits, [spectrograms.clips[clip] for clip in part.held_out])
        if name.startswith("fold"):
            fold_metrics.append(_evaluate(network, spectrograms, part.held_out))
    write_fold_metrics(run, fold_metrics)
    return best[ALL_DATA]


def fold_parts(clips: Sequence[SpokenClip]) -> dict[str, Fold]:
    all_clips = list(range(len(clips)))
    german = [clip for clip in all_clips if clips[clip].corpus == "emodb"]
    parts = {}
    for number, (actors, germans) in enumerate(FOLDS):
        names = {f"ravdess {name}" for name in actors} | {f"emodb {name}" for name in germans}
        held = [clip for clip in all_clips if clips[clip].speaker in names]
        parts[f"fold {number + 1}"] = Fold(_without(all_clips, held), held)
        parts[f"emodb fold {number + 1}"] = Fold(
            _without(german, held), [clip for clip in held if clips[clip].corpus == "emodb"]
        )
    for learnt, tested in CROSS:
        own = [clip for clip in all_clips if clips[clip].corpus == learnt]
        others = _without(all_clips, own)
        # EmoDB has no surprise, so surprise is excluded from both test sets.
        parts[cross_name(learnt, tested)] = Fold(own, [clip for clip in others if clips[clip].label != SURPRISE])
    return parts | {ALL_DATA: Fold(all_clips, [])}


def cross_name(learnt: str, tested: str) -> str:
    return f"{learnt} to {tested}"


def _evaluate(network: VoiceCnn, spectrograms: Spectrograms, held: list[int]) -> dict[str, dict[str, float]]:
    """Mean recall by augmentation and corpus."""
    conditions = {"as it is": (0, True), "as it is, unknown voice": (0, False)}
    conditions |= {name: (spectrograms.names.index(name), True) for name in TEST_AUGMENTATIONS}
    return {
        name: {
            corpus: metrics["uar"]
            for corpus, metrics in evaluate_clips(network, spectrograms, held, augmentation, known_voice=known).items()
        }
        for name, (augmentation, known) in conditions.items()
    }


def _without(all_clips: list[int], held: list[int]) -> list[int]:
    excluded = set(held)
    return [clip for clip in all_clips if clip not in excluded]
