"""How each network learns, and how wide it is for what the engines say here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from services.trainer.clips.inputs import Manner
from services.trainer.labels import prior
from services.trainer.loop import Recipe
from services.trainer.networks.contract import NetworkSpec
from shared.domain.emotion import EMOTIONS, Modality
from shared.engines.network_inputs import READERS, words
from shared.engines.voice_mel import BANDS
from shared.pipeline.face_crop import CROP


@dataclass(frozen=True, slots=True)
class Lesson:
    rate: float
    decay: float
    batch: int  # clips, or dialogues
    epochs: int
    drop: float = 0.2  # chance that a sense is dropped from an utterance


# Rates and sizes as published or as the networks' authors released them, where they did; none is tuned here.
LESSONS: Mapping[str, Lesson] = {
    "late-fusion": Lesson(5e-4, 1e-5, 32, 25),
    "m2fnet": Lesson(5e-5, 1e-2, 32, 40),
    "mme2e": Lesson(5e-5, 0.0, 8, 40),
    "mme2e-sparse": Lesson(5e-5, 0.0, 8, 40),
    "av-transformer": Lesson(1e-3, 1e-2, 16, 40),
    "ensemble": Lesson(1e-3, 0.0, 32, 40),
    "sdt": Lesson(1e-4, 1e-5, 16, 60),
}


def recipe_of(name: str, seed: int) -> Recipe:
    return Recipe(seed=seed, epochs=LESSONS[name].epochs, average=0.99, patience=6)


def base_of(spec: NetworkSpec) -> Any:
    """The default configuration, moved from backbones that only the hub has to what the pipeline keeps."""
    if spec.name == "av-transformer":
        # Log-mel frames for the thirteen layers of wav2vec 2.0, and faces as large as they are kept.
        return replace(spec.config, side=CROP, states=1, state_width=BANDS)
    return spec.config


def fitted(name: str, base: Any, manners: Mapping[Modality, Manner], labels: np.ndarray) -> Any:
    """As wide as what the engines say; the ensemble is told what each of them expects before it has perceived."""
    if name == "ensemble":
        own = tuple(map(float, prior(labels, len(EMOTIONS))))
        text, face = manners[Modality.TEXT].prior, manners[Modality.FACE].prior
        return replace(base, text_prior=text, face_prior=face, voice_prior=own, samples=len(labels))
    wide = {f"{modality}_width": manners[modality].width for modality, said in READERS[name].items() if said is words}
    return replace(base, **wide)
