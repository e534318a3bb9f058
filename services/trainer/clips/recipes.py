"""The hyperparameters of each network, and its input widths for the outputs of the engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from services.trainer.clips.clip_inputs import EngineOutputSpec
from services.trainer.labels import prior
from services.trainer.loop import Recipe
from services.trainer.networks.contract import NetworkSpec
from shared.domain.emotion import EMOTIONS, Modality
from shared.engines.features.network_inputs import READERS, words
from shared.engines.features.voice_mel import BANDS
from shared.pipeline.face_crop import CROP


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    learning_rate: float
    decay: float
    batch: int  # clips, or dialogues
    epochs: int
    drop: float = 0.2  # chance that a modality is dropped from an utterance


# Rates and sizes as published or as released by the networks' authors, where available; none is tuned here.
HYPERPARAMETERS: Mapping[str, Hyperparameters] = {
    "late-fusion": Hyperparameters(5e-4, 1e-5, 32, 25),
    "m2fnet": Hyperparameters(5e-5, 1e-2, 32, 40),
    "mme2e": Hyperparameters(5e-5, 0.0, 8, 40),
    "mme2e-sparse": Hyperparameters(5e-5, 0.0, 8, 40),
    "av-transformer": Hyperparameters(1e-3, 1e-2, 16, 40),
    "ensemble": Hyperparameters(1e-3, 0.0, 32, 40),
    "sdt": Hyperparameters(1e-4, 1e-5, 16, 60),
}


def recipe_of(name: str, seed: int) -> Recipe:
    return Recipe(seed=seed, epochs=HYPERPARAMETERS[name].epochs, average=0.99, patience=6)


def base_of(spec: NetworkSpec) -> Any:
    """The default configuration, adapted from backbones that need a download to the pipeline's own features."""
    if spec.name == "av-transformer":
        # Log-mel frames instead of the thirteen layers of wav2vec 2.0, and face crops at their stored size.
        return replace(spec.config, side=CROP, states=1, state_width=BANDS)
    return spec.config


def fitted(name: str, base: Any, specs: Mapping[Modality, EngineOutputSpec], labels: np.ndarray) -> Any:
    """Sets the input widths to the engines' outputs; the ensemble also gets the prior of each engine."""
    if name == "ensemble":
        own = tuple(map(float, prior(labels, len(EMOTIONS))))
        text, face = specs[Modality.TEXT].prior, specs[Modality.FACE].prior
        return replace(base, text_prior=text, face_prior=face, voice_prior=own, samples=len(labels))
    wide = {f"{modality}_width": specs[modality].width for modality, said in READERS[name].items() if said is words}
    return replace(base, **wide)
