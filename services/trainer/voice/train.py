"""Train the bundled voice network: folds by speaker and across corpora for its figures, then on everybody."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from services.trainer.labels import NUMBER
from services.trainer.loop import Recipe
from services.trainer.voice.cache import Pictures, read_pictures
from services.trainer.voice.network import VoiceCnn
from services.trainer.voice.parts import Part, train_parts
from services.trainer.voice.task import clip_logits, judge_clips
from shared.domain.emotion import Emotion

FOLDS = (  # actors of RAVDESS, two men and two women; speakers of EmoDB
    (("01", "02", "03", "04"), ("03", "08")),
    (("05", "06", "07", "08"), ("09", "10")),
    (("09", "10", "11", "12"), ("11", "12")),
    (("13", "14", "15", "16"), ("13",)),
    (("17", "18", "19", "20"), ("14",)),
)
TRIED = ("telephone", "pink noise 10 dB", "large room")
CROSS = (("ravdess", "emodb"), ("emodb", "ravdess"))  # learnt, asked
EVERYBODY, HELD_OUT = "everybody", "held_out.npz"
SURPRISE = NUMBER[Emotion.SURPRISE]


def recipe_of(seed: int, epochs: int = 80) -> Recipe:
    return Recipe(seed=seed, epochs=epochs, average=0.995, warm_up=0.1, schedule="cosine", clip=2.0, keep="last",
                  patience=epochs)  # fmt: skip


def train(data: Path, run: Path, recipe: Recipe) -> Path:
    """Everything that the card states, and the network itself."""
    kept = run / "pictures.npz"
    pictures = read_pictures(data, kept)
    parts = _parts(pictures)
    best = train_parts(data, kept, parts, recipe, run)
    judged: list[dict[str, dict[str, float]]] = []
    for name, part in parts.items():
        if name == EVERYBODY:
            continue
        network = VoiceCnn()
        network.load_state_dict(torch.load(best[name], weights_only=True))
        clips = [pictures.clips[clip] for clip in part.held]
        np.savez(
            run / name / HELD_OUT,
            logits=clip_logits(network, pictures, part.held),
            truth=np.array([clip.label for clip in clips]),
            speaker=np.array([clip.speaker for clip in clips]),
        )
        if name.startswith("fold"):
            judged.append(_judged(network, pictures, part.held))
    figures: dict[str, Any] = {"folds": judged}
    for manner in judged[0]:
        figures[f"five folds, {manner}"] = {
            corpus: round(float(np.mean([fold[manner][corpus] for fold in judged])), 4) for corpus in judged[0][manner]
        }
    (run / "figures.json").write_text(json.dumps(figures, indent=2))
    return best[EVERYBODY]


def _parts(pictures: Pictures) -> dict[str, Part]:
    everybody = list(range(len(pictures.clips)))
    german = [clip for clip in everybody if _corpus(pictures, clip) == "emodb"]
    parts = {}
    for number, (actors, germans) in enumerate(FOLDS):
        held = [clip for clip in everybody if _is_of(pictures, clip, actors, germans)]
        parts[f"fold {number + 1}"] = Part(_without(everybody, held), held)
        parts[f"emodb fold {number + 1}"] = Part(
            _without(german, held), [clip for clip in held if _corpus(pictures, clip) == "emodb"]
        )
    for learnt, asked in CROSS:
        own = [clip for clip in everybody if _corpus(pictures, clip) == learnt]
        others = _without(everybody, own)
        # EmoDB knows no surprise, so neither side is asked for it.
        parts[cross_name(learnt, asked)] = Part(
            own, [clip for clip in others if pictures.clips[clip].label != SURPRISE]
        )
    return parts | {EVERYBODY: Part(everybody, [])}


def cross_name(learnt: str, asked: str) -> str:
    return f"{learnt} to {asked}"


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
