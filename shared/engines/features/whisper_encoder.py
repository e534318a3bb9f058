"""The first layers of Whisper's encoder in NumPy, on the weights of a model in CTranslate2's format.

CTranslate2 returns only the last layer, of windows padded to 30 s. The first layers contain more of how a voice
sounds, and an utterance of three seconds without padding costs a tenth of a window.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Self

import numpy as np

from shared.engines.features.ctranslate2_tensors import read_tensors
from shared.engines.features.mel import mel_power
from shared.engines.features.voice_mel import trimmed
from shared.ports.media import SAMPLE_RATE, Floats

BANDS = 80
WINDOW = 4 * SAMPLE_RATE  # longest window, as long as the training clips


class WhisperEncoder:
    """Maps log-mels to the output of the convolutions and of each of the first layers."""

    def __init__(self, tensors: Mapping[str, Floats], layers: int) -> None:
        self._tensors = tensors
        self._layers = layers
        self._heads = int(tensors["encoder/num_heads"])
        self._kernels = {name: _flat_kernel(tensors[f"encoder/{name}/weight"]) for name in ("conv1", "conv2")}

    @classmethod
    def load(cls, model: Path, layers: int) -> Self:
        wanted = ("conv", "num_heads", "position", *(f"layer_{number}/" for number in range(layers)))
        return cls(read_tensors(model, tuple(f"encoder/{start}" for start in wanted)), layers)

    @property
    def mark(self) -> Floats:
        """Values that distinguish Whisper models; quantisation does not change them."""
        return self._tensors["encoder/conv1/bias"]

    def encode(self, mel: Floats) -> Floats:  # (frame, band) to (layer, moment, width); a moment is two frames
        x = _gelu(self._convolve("conv1", mel, step=1))
        x = _gelu(self._convolve("conv2", x, step=2))
        x = x + self._tensors["encoder/position_encodings/encodings"][: len(x)]
        found = [x]
        for number in range(self._layers):
            x = x + self._attend(x, f"encoder/layer_{number}/self_attention")
            x = x + self._feed_forward(x, f"encoder/layer_{number}/ffn")
            found.append(x)
        return np.stack(found)

    def statistics(self, samples: Floats) -> Floats:  # (layer, 2, width)
        """Mean and deviation over time of every layer; those of a long utterance are averaged over its windows."""
        voice = trimmed(np.asarray(samples, dtype=np.float32))
        voice = voice * np.float32(0.9 / max(float(np.abs(voice).max(initial=0.0)), 1e-5))
        layers = [self.encode(whisper_mel(part)) for part in np.array_split(voice, -(-len(voice) // WINDOW))]
        found = [np.stack([layer.mean(axis=1), layer.std(axis=1)], axis=1) for layer in layers]
        return np.asarray(np.mean(found, axis=0))

    def _convolve(self, name: str, x: Floats, step: int) -> Floats:
        padded = np.pad(x, ((1, 1), (0, 0)))
        taps = np.concatenate([padded[:-2], padded[1:-1], padded[2:]], axis=1)[::step]
        return np.asarray(taps @ self._kernels[name] + self._tensors[f"encoder/{name}/bias"])

    def _attend(self, x: Floats, name: str) -> Floats:
        joint = self._linear(self._norm(x, name), f"{name}/linear_0")
        query, key, value = joint.reshape(len(x), 3, self._heads, -1).transpose(1, 2, 0, 3)  # (head, moment, part)
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(np.float32(query.shape[-1]))
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        return self._linear((weights @ value).transpose(1, 0, 2).reshape(len(x), -1), f"{name}/linear_1")

    def _feed_forward(self, x: Floats, name: str) -> Floats:
        return self._linear(_gelu(self._linear(self._norm(x, name), f"{name}/linear_0")), f"{name}/linear_1")

    def _norm(self, x: Floats, name: str) -> Floats:
        centred = x - x.mean(axis=-1, keepdims=True)
        deviation = np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + np.float32(1e-5))
        gamma, beta = (self._tensors[f"{name}/layer_norm/{part}"] for part in ("gamma", "beta"))
        return np.asarray(centred / deviation * gamma + beta)

    def _linear(self, x: Floats, name: str) -> Floats:
        return np.asarray(x @ self._tensors[f"{name}/weight"].T + self._tensors[f"{name}/bias"])


def whisper_mel(samples: Floats) -> Floats:  # (frame, band)
    """Whisper's log-mel spectrogram, without the last frame if their number is odd."""
    mel = np.log10(np.maximum(mel_power(samples, bands=BANDS), 1e-10))
    mel = (np.maximum(mel, mel.max() - 8) + 4) / 4
    return np.asarray(mel[: len(mel) // 2 * 2], dtype=np.float32)


def _flat_kernel(weight: Floats) -> Floats:  # (out, in, tap) to (tap x in, out)
    return np.ascontiguousarray(weight.transpose(2, 1, 0).reshape(-1, len(weight)))


def _gelu(x: Floats) -> Floats:
    """The tanh approximation, because NumPy has no error function; it differs by at most 5e-4."""
    inner = x * x  # a power is ten times slower
    inner *= np.float32(0.044715 * 0.7978846)
    inner += np.float32(0.7978846)
    inner *= x
    return np.asarray(0.5 * x * (1 + np.tanh(inner)), dtype=np.float32)
