"""Segmentation engine: pyannote's network 3.0 finds up to three speakers, two at a time, in windows of ten seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from shared.domain.span import Span
from shared.engines.catalog import Setup
from shared.engines.features.powerset import CLASSES, VOICES, probabilities_of_voices
from shared.engines.features.segmentation_windows import Windows
from shared.engines.published_network import PublishedNetwork
from shared.ports.engines import Segmentation
from shared.ports.media import SAMPLE_RATE, Audio, Floats, Progress

STEP = 270  # samples from one frame to the next
WINDOWS = Windows(length=10 * SAMPLE_RATE, hop=120 * STEP, step=STEP, field=991)  # every frame is in five windows
METADATA = {
    "sample_rate": SAMPLE_RATE,
    "window_size": WINDOWS.length,
    "receptive_field_size": WINDOWS.field,
    "receptive_field_shift": WINDOWS.step,
    "num_speakers": VOICES,
    "powerset_max_classes": 2,
    "num_classes": len(CLASSES),
}


@dataclass(frozen=True, slots=True)
class Pyannote3Segmenter:
    network: PublishedNetwork
    fingerprint: str

    name: ClassVar[str] = "pyannote-3"

    @classmethod
    def load(cls, option: str | None, setup: Setup) -> Self:
        network = PublishedNetwork.open(cls.name, option, setup)
        network.check_metadata(METADATA)
        network.check_shapes((None, 1, None), (None, None, len(CLASSES)))
        return cls(network, f"{cls.name}/1/{network.fingerprint}")

    def segment(self, audio: Audio, speech: Sequence[Span], progress: Progress) -> Segmentation:
        return WINDOWS.segment(self._activity, audio, speech, progress)

    def _activity(self, sounds: Floats) -> Floats:
        return probabilities_of_voices(self.network.run(sounds[:, None]))
