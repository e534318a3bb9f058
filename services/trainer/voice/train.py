"""Train the bundled voice network: folds by speaker and across corpora for its figures, then on everybody."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from services.trainer.loop import Recipe, fit, seed_everything
from services.trainer.measure import measure
from services.trainer.voice.cache import Pictures, read_pictures
from services.trainer.voice.network import VoiceCnn
from services.trainer.voice.task import VoiceTask, clip_logits, judge_clips

RATE, DECAY = 2e-3, 0.01
FOLDS = (  # actors of RAVDESS, two men and two women; speakers of EmoDB
    (("01", "02", "03", "04"), ("03", "08")),
    (("05", "06", "07", "08"), ("09", "10")),
    (("09", "10", "11", "12"), ("11", "12")),
    (("13", "14", "15", "16"), ("13",)),
    (("17", "18", "19", "20"), ("14",)),
)
TRIED = ("telephone", "pink noise 10 dB", "large room")
CROSS = (("ravdess", "emodb"), ("emodb", "ravdess"))
SURPRISE = 6


def recipe_of(seed: int, epochs: int = 50) -> Recipe:
    return Recipe(seed=seed, epochs=epochs, average=0.995, warm_up=0.1, schedule="cosine", clip=2.0, keep="last",
                  patience=epochs)  # fmt: skip


def train(data: Path, run: Path, recipe: Recipe) -> Path:
    """Everything that the card states, and the network itself; each part is skipped once it is there."""
    pictures = read_pictures(data, run / "pictures.npz")
    everybody = list(range(len(pictures.clips)))
    figures: dict[str, Any] = {}
    logits, truth = [], []
    folds = []
    for number, (actors, germans) in enumerate(FOLDS):
        held = [clip for clip in everybody if _is_of(pictures, clip, actors, germans)]
        network = _trained(pictures, _without(everybody, held), held, recipe, run / f"fold {number + 1}")
        folds.append(_judged(network, pictures, held))
        logits.append(clip_logits(network, pictures, held))
        truth.append([pictures.clips[clip].label for clip in held])
    figures["folds"] = folds
    for manner in folds[0]:
        figures[f"five folds, {manner}"] = {
            corpus: round(float(np.mean([fold[manner][corpus] for fold in folds])), 4) for corpus in folds[0][manner]
        }
    for learnt, asked in CROSS:
        own = [clip for clip in everybody if _corpus(pictures, clip) == learnt]
        others = [
            clip for clip in everybody if _corpus(pictures, clip) == asked and pictures.clips[clip].label != SURPRISE
        ]
        network = _trained(pictures, own, others, recipe, run / f"{learnt} to {asked}")
        found = clip_logits(network, pictures, others)
        found[:, SURPRISE] = -1e4
        figure = measure(found, np.array([pictures.clips[clip].label for clip in others]))
        figures[f"{learnt} to {asked}, six classes"] = {"uar": figure["uar"], "nll": figure["nll"]}
    (run / "figures.json").write_text(json.dumps(figures, indent=2))
    np.savez(run / "held_out.npz", logits=np.concatenate(logits), truth=np.concatenate(truth))
    return fit(*_network(recipe), VoiceTask(pictures, everybody, [], recipe.seed), recipe, run / "everybody")


def _trained(pictures: Pictures, own: list[int], held: list[int], recipe: Recipe, folder: Path) -> VoiceCnn:
    network, parameters = _network(recipe)
    best = fit(network, parameters, VoiceTask(pictures, own, held, recipe.seed), recipe, folder)
    network.load_state_dict(torch.load(best, weights_only=True))
    return network


def _network(recipe: Recipe) -> tuple[VoiceCnn, list[dict[str, Any]]]:
    seed_everything(recipe.seed)
    network = VoiceCnn()
    return network, [{"params": [*network.parameters()], "lr": RATE, "weight_decay": DECAY}]


def _judged(network: VoiceCnn, pictures: Pictures, held: list[int]) -> dict[str, dict[str, float]]:
    """Mean recall by manner and corpus."""
    asked = {"as it is": (0, True), "as it is, unknown voice": (0, False)}
    asked |= {manner: (pictures.names.index(manner), True) for manner in TRIED}
    return {
        name: {
            corpus: figures["uar"]
            for corpus, figures in judge_clips(network, pictures, held, manner, known_voice=known).items()
        }
        for name, (manner, known) in asked.items()
    }


def _is_of(pictures: Pictures, clip: int, actors: Sequence[str], germans: Sequence[str]) -> bool:
    corpus, speaker = pictures.clips[clip].speaker.split()
    return speaker in (actors if corpus == "ravdess" else germans)


def _corpus(pictures: Pictures, clip: int) -> str:
    return pictures.clips[clip].speaker.split()[0]


def _without(everybody: list[int], held: list[int]) -> list[int]:
    gone = set(held)
    return [clip for clip in everybody if clip not in gone]
