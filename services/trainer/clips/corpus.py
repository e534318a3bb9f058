"""The clips of a run with their engines, and the inputs of one network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from services.trainer.clips.clip_inputs import Encoders, EngineOutputSpec, engine_output_specs, prepare
from services.trainer.clips.perceive import Perceiver
from services.trainer.clips.task import TrainingData
from services.trainer.datasets.clip import Clip
from services.trainer.datasets.clips import read_clip_corpus
from services.trainer.labels import UNKNOWN
from services.trainer.networks.contract import Axis, NetworkSpec
from shared.domain.emotion import Modality
from shared.engines.catalog import ENCODERS, FACES, Setup, choose
from shared.engines.features.network_inputs import READERS, InputSpec
from shared.engines.settings import EngineSettings, MediaSettings


@dataclass(frozen=True, slots=True)
class Corpus:
    clips: Sequence[Clip]
    encoders: Encoders
    perceive: Perceiver
    cache: Path

    @classmethod
    def read(cls, name: str, data: Path, cache: Path, layout: str, engines: Mapping[str, str]) -> Self:
        """Uses the engines configured for serving, unless `engines` names others."""
        setup = Setup(engines=EngineSettings(), media=MediaSettings())
        encoders = {modality: choose(ENCODERS[modality], engines.get(modality), setup) for modality in READERS[name]}
        detector = choose(FACES, engines.get(FACES.name), setup)
        perceive = Perceiver(detector, setup.media, cache / "perceived")
        return cls(read_clip_corpus(data, layout), encoders, perceive, cache)

    @property
    def labels(self) -> np.ndarray:
        """The labels of the training split."""
        return np.array([clip.label for clip in self.clips if clip.split == "train" and clip.label != UNKNOWN])

    def engine_output_specs(self) -> dict[Modality, EngineOutputSpec]:
        return engine_output_specs(self.encoders, self.perceive, self.clips[0])

    def training_data(self, spec: NetworkSpec, config: Any) -> TrainingData:
        plan = plan_stages(spec, config)
        inputs = prepare(self.clips, plan, self.encoders, self.perceive, self.cache / "inputs")
        return TrainingData(replace(spec, config=config), plan, inputs)


def plan_stages(spec: NetworkSpec, config: Any) -> InputSpec:
    """The same input specification that serving reads from the exported graph."""
    axes = {
        tensor.name: [axis.name if isinstance(axis, Axis) else axis for axis in tensor.axes]
        for tensor in spec.inputs(config)
    }
    return InputSpec.of(spec.name, axes)
