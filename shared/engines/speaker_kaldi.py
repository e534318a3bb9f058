"""Published speaker encoders on Kaldi's filter banks: WeSpeaker's ResNet34-LM and 3D-Speaker's CAM++."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np

from shared.engines.catalog import Setup
from shared.engines.features.kaldi_fbank import BANDS, fbank
from shared.engines.published_network import PublishedNetwork
from shared.ports.media import SAMPLE_RATE, Floats

SHORTEST = SAMPLE_RATE * 2 // 5  # samples; a shorter clip is repeated up to this length


@dataclass(frozen=True, slots=True)
class KaldiEncoder:
    """A network that turns filter banks, with mean 0 in every band, into one vector."""

    network: PublishedNetwork
    scale: np.float32  # of samples from -1 to 1
    size: int  # of a vector
    fingerprint: str

    name: ClassVar[str]
    framework: ClassVar[str]
    window: ClassVar[Literal["hamming", "povey"]]
    # Not measured here. Usual for a few seconds of speech are 0.6 for one voice and 0.1 for two.
    same_voice: ClassVar[float] = 0.4
    note: ClassVar[str | None] = "Its threshold of one voice is not measured: state the number of speakers."

    @classmethod
    def load(cls, option: str | None, setup: Setup) -> Self:
        network = PublishedNetwork.open(cls.name, option, setup)
        network.check_metadata({"framework": cls.framework, "sample_rate": SAMPLE_RATE})
        size = network.number("output_dim")
        network.check_shapes((1, None, BANDS), (1, size))
        scale = np.float32(1.0 if network.number("normalize_samples") else 32768.0)
        return cls(network, scale, size, f"{cls.name}/1/{network.fingerprint}")

    def embed(self, clips: Sequence[Floats]) -> Floats:  # (clip, dim)
        """Embed each clip on its own, as these networks are published for a batch of one."""
        found = np.array([self._embed(clip) for clip in clips], dtype=np.float32).reshape(-1, self.size)
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        return np.asarray(found / np.maximum(lengths, 1e-9), dtype=np.float32)

    def _embed(self, clip: Floats) -> Floats:
        sound = clip if len(clip) >= SHORTEST else np.resize(clip, SHORTEST)
        bands = fbank(sound * self.scale, self.window)
        return np.asarray(self.network.run((bands - bands.mean(axis=0))[None])[0])


class WeSpeakerEncoder(KaldiEncoder):
    """ResNet34-LM, trained on VoxCeleb."""

    __slots__ = ()

    name = "wespeaker"
    framework = "wespeaker"
    window = "hamming"


class CamPlusEncoder(KaldiEncoder):
    """CAM++, trained on Chinese and English speakers."""

    __slots__ = ()

    name = "campplus"
    framework = "3d-speaker"
    window = "povey"
