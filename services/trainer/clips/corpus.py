"""The clips of a run with those who perceive them, and what one network reads of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from services.trainer.clips.inputs import Encoders, Manner, manners_of, prepare
from services.trainer.clips.perceive import Perceiver
from services.trainer.clips.task import Lessons
from services.trainer.datasets.clip import Clip
from services.trainer.datasets.clips import read_clip_corpus
from services.trainer.labels import UNKNOWN
from services.trainer.networks.contract import Axis, NetworkSpec
from shared.domain.emotion import Modality
from shared.engines.catalog import Setup, choose
from shared.engines.network_inputs import READERS, Plan
from shared.engines.settings import EngineSettings, MediaSettings


@dataclass(frozen=True, slots=True)
class Corpus:
    clips: Sequence[Clip]
    encoders: Encoders
    perceive: Perceiver
    cache: Path

    @classmethod
    def read(cls, name: str, data: Path, cache: Path, layout: str, engines: Mapping[str, str]) -> Self:
        """The engines are those that would serve here, unless others are wished for."""
        setup = Setup(engines=EngineSettings(), media=MediaSettings())
        encoders = {modality: choose(modality, engines.get(modality), setup).engine for modality in READERS[name]}
        detector = choose("faces", engines.get("faces"), setup).engine
        perceive = Perceiver(detector, setup.media, cache / "perceived")
        return cls(read_clip_corpus(data, layout), encoders, perceive, cache)

    @property
    def labels(self) -> np.ndarray:
        """Of what is learnt from."""
        return np.array([clip.label for clip in self.clips if clip.split == "train" and clip.label != UNKNOWN])

    def manners(self) -> dict[Modality, Manner]:
        return manners_of(self.encoders, self.perceive, self.clips[0])

    def lessons(self, spec: NetworkSpec, config: Any) -> Lessons:
        plan = plan_of(spec, config)
        inputs = prepare(self.clips, plan, self.encoders, self.perceive, self.cache / "inputs")
        return Lessons(replace(spec, config=config), plan, inputs)


def plan_of(spec: NetworkSpec, config: Any) -> Plan:
    """The same that serving reads off the exported graph."""
    axes = {
        tensor.name: [axis.name if isinstance(axis, Axis) else axis for axis in tensor.axes]
        for tensor in spec.inputs(config)
    }
    return Plan.of(spec.name, axes)
