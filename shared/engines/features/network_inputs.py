"""Inputs of the trained fusion networks for an utterance, shared by training and serving.

| network                | text           | voice                             | face                     |
|------------------------|----------------|-----------------------------------|--------------------------|
| `late-fusion`          | engine output  | log-mel frames                    | engine output            |
| `m2fnet`, `sdt`        | engine output  | engine output                     | engine output            |
| `mme2e`, `mme2e-sparse`| engine output  | slices of 32 log-mel frames       | up to 16 faces           |
| `av-transformer`       | –              | log-mel frames                    | up to 16 faces           |
| `ensemble`             | logits         | windows of 128 log-mel frames     | logits                   |

The engine output is the calibrated logits followed by the features of the engine; some engines have no features. The
numbers of bands, frames and features come from the shapes of the network's input tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt

from shared.domain.emotion import Modality
from shared.engines.features.face_image import scaled as scaled_face
from shared.engines.features.voice_mel import log_mel
from shared.engines.features.voice_mel import scaled as scaled_voice
from shared.ports.engines import Encoding, FaceClip, UtteranceClip
from shared.ports.media import SAMPLE_RATE, Floats

VERSION = 1  # raise this when the same utterance would give different values
MAX_SECONDS = 15.0  # seconds used of one utterance, from its middle
MAX_FACES = 16
WINDOW, STRIDE = 32, 16  # utterances per window of a dialogue, and the step between windows
SPEAKERS = 9  # speaker ids: the current speaker and eight others

Shape: TypeAlias = tuple[int | None, ...]  # of one utterance; None for the variable length
Sizes: TypeAlias = tuple[int, ...]  # a shape without the variable length
Tensor: TypeAlias = npt.NDArray[np.generic]
InputArrays: TypeAlias = Mapping[Modality, Floats]  # the available modalities


@dataclass(frozen=True, slots=True)
class UtteranceInputs:
    """One utterance and the output of one engine for it."""

    clip: UtteranceClip
    logits: Floats  # (7,), calibrated
    features: Floats  # (dim,)

    @classmethod
    def of(cls, encoding: Encoding, row: int, clip: UtteranceClip) -> Self:
        return cls(clip, encoding.logits[row] / np.float32(encoding.calibration.temperature), encoding.features[row])


def words(inputs: UtteranceInputs, _sizes: Sizes) -> Floats:  # (width,)
    return np.concatenate([inputs.logits, inputs.features]).astype(np.float32)


def logits(inputs: UtteranceInputs, _sizes: Sizes) -> Floats:  # (7,)
    return inputs.logits


def bands(inputs: UtteranceInputs, sizes: Sizes) -> Floats:  # (band, frame)
    return _mel(inputs, sizes[0]).T


def states(inputs: UtteranceInputs, sizes: Sizes) -> Floats:  # (frame, 1, band): one layer
    return _mel(inputs, sizes[1])[:, None]


def slices(inputs: UtteranceInputs, sizes: Sizes) -> Floats:  # (slice, 1, band, frame)
    """Consecutive slices; the last is padded with zero, the mean of this utterance."""
    _, count, frames = sizes
    mel = _mel(inputs, count)
    mel = np.pad(mel, ((0, -len(mel) % frames), (0, 0)))
    return mel.reshape(-1, 1, frames, count).swapaxes(2, 3)


def windows(inputs: UtteranceInputs, sizes: Sizes) -> Floats:  # (window, band, frame)
    """Windows with half overlap."""
    count, frames = sizes
    mel, step = _mel(inputs, count), frames // 2
    more = max(0, -(-(len(mel) - frames) // step))
    mel = np.pad(mel, ((0, more * step + frames - len(mel)), (0, 0)))
    return np.stack([mel[start : start + frames].T for start in range(0, more * step + 1, step)])


def faces(inputs: UtteranceInputs, _sizes: Sizes) -> Floats:  # (face, 3, 48, 48)
    """Evenly spaced faces. The pipeline stores grey faces, so the three channels of the network are equal."""
    face = inputs.clip.face
    if not isinstance(face, FaceClip):
        raise TypeError("an engine has output for a face that is missing")
    chosen = np.unique(np.linspace(0, len(face.times) - 1, min(MAX_FACES, len(face.times))).round().astype(int))
    return np.repeat(scaled_face(np.asarray(face.crops[chosen])), 3, axis=1)


def _mel(inputs: UtteranceInputs, count: int) -> Floats:  # (frame, band)
    samples = inputs.clip.audio.samples
    skipped = max(0, len(samples) - round(MAX_SECONDS * SAMPLE_RATE)) // 2
    used = np.asarray(samples[skipped : len(samples) - skipped], dtype=np.float32)
    # Twice as many bands need bins twice as fine, or the lowest bands would contain no bin.
    return scaled_voice(log_mel(used, bands=count, size=512 if count <= 64 else 1024), None)


Reader: TypeAlias = Callable[[UtteranceInputs, Sizes], Floats]
ENGINE_READERS: tuple[Reader, ...] = (words, logits)  # readers of engine output, not of the recording
TEXT, VOICE, FACE = Modality.TEXT, Modality.VOICE, Modality.FACE
DIALOGUE: Mapping[Modality, Reader] = {TEXT: words, VOICE: words, FACE: words}
CLIP: Mapping[Modality, Reader] = {TEXT: words, VOICE: slices, FACE: faces}
READERS: Mapping[str, Mapping[Modality, Reader]] = {
    "late-fusion": {TEXT: words, VOICE: bands, FACE: words},
    "m2fnet": DIALOGUE,
    "mme2e": CLIP,
    "mme2e-sparse": CLIP,
    "av-transformer": {VOICE: states, FACE: faces},
    "ensemble": {TEXT: logits, VOICE: windows, FACE: logits},
    "sdt": DIALOGUE,
}


@dataclass(frozen=True, slots=True)
class InputSpec:
    """The input tensors of a network, derived from their names and axes."""

    name: str
    dialogue: bool  # whether it reads a whole dialogue instead of single utterances
    shapes: Mapping[Modality, Shape]
    tensors: tuple[str, ...]

    @classmethod
    def of(cls, name: str, tensors: Mapping[str, Sequence[int | str]]) -> Self:
        """Build the spec from the axes of every tensor: a number for a fixed size, a name for a variable one."""
        dialogue = any(axes[1:2] == ["utterance"] for axes in map(list, tensors.values()))
        shapes = {
            modality: tuple(axis if isinstance(axis, int) else None for axis in tensors[modality][1 + dialogue :])
            for modality in READERS[name]
        }
        return cls(name, dialogue, shapes, tuple(tensors))

    @property
    def readers(self) -> Mapping[Modality, Reader]:
        return READERS[self.name]

    @property
    def engines(self) -> tuple[Modality, ...]:
        """The modalities of which it reads the engine output, not the recording."""
        return tuple(modality for modality, reader in self.readers.items() if reader in ENGINE_READERS)

    def inputs_of(self, clip: UtteranceClip, encodings: Sequence[Encoding], row: int) -> InputArrays:
        """Return the inputs of one utterance; an unavailable modality is left out."""
        return {
            encoding.modality: self.readers[encoding.modality](
                UtteranceInputs.of(encoding, row, clip), fixed(self.shapes[encoding.modality])
            )
            for encoding in encodings
            if encoding.modality in self.readers and encoding.unavailable[row] is None
        }

    def batch(self, rows: Sequence[Sequence[InputArrays]], speakers: Sequence[Sequence[str]]) -> dict[str, Tensor]:
        """Return the tensors by name, one row per dialogue or utterance; missing modalities and steps are masked."""
        longest = max(len(row) for row in rows)
        made: dict[str, Tensor] = {}
        for modality, shape in self.shapes.items():
            arrays = [row[at].get(modality) if at < len(row) else None for row in rows for at in range(longest)]
            values, mask = stack(arrays, shape)
            if self.dialogue:
                values, mask = values.reshape(len(rows), longest, *values.shape[1:]), mask.reshape(len(rows), longest)
            made |= {str(modality): values, f"{modality}_mask": mask}
        made["speakers"] = np.stack(
            [np.pad(relative_speakers(who, 0, SPEAKERS), (0, longest - len(who))) for who in speakers]
        )
        return {name: made[name] for name in self.tensors}


def fixed(shape: Shape) -> Sizes:
    return tuple(size for size in shape if size is not None)


def stack(arrays: Sequence[Floats | None], shape: Shape) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Stack the arrays into one tensor, padded along the variable axis, and return it with its mask."""
    if None not in shape:
        values = np.zeros((len(arrays), *fixed(shape)), dtype=np.float32)
        for row, array in enumerate(arrays):
            if array is not None:
                values[row] = array
        return values, np.array([array is not None for array in arrays])
    free = shape.index(None)
    # Without arrays there is one masked step: networks do not accept an empty axis.
    longest = max([1, *(array.shape[free] for array in arrays if array is not None)])
    padded = np.zeros((len(arrays), longest, *fixed(shape)), dtype=np.float32)
    mask = np.zeros((len(arrays), longest), dtype=bool)
    for row, array in enumerate(arrays):
        if array is not None:
            padded[row, : array.shape[free]] = np.moveaxis(array, free, 0)
            mask[row, : array.shape[free]] = True
    return np.ascontiguousarray(np.moveaxis(padded, 1, 1 + free)), mask


def dialogue_windows(count: int) -> list[tuple[range, range]]:
    """Split a long dialogue into overlapping windows; each has the utterances to read and those to use.

    Utterances at the edge of a window lack context on one side: there the neighbouring window is used.
    """
    if count <= WINDOW:
        return [(range(count), range(count))]
    starts = [*range(0, count - WINDOW, STRIDE), count - WINDOW]
    edges = [0, *((one + WINDOW + other) // 2 for one, other in pairwise(starts)), count]
    return [(range(start, start + WINDOW), range(*used)) for start, used in zip(starts, pairwise(edges), strict=True)]


def relative_speakers(speakers: Sequence[Hashable], current: int, count: int) -> npt.NDArray[np.int64]:
    """Replace names by ids: 0 is the speaker at `current`, the others follow in order of distance to it.

    A network with names as input learns the characters of its corpus; speakers beyond the last id share it.
    """
    near = sorted(range(len(speakers)), key=lambda at: (abs(at - current), at))
    order = list(dict.fromkeys(speakers[at] for at in near))
    return np.array([min(order.index(speaker), count - 1) for speaker in speakers], dtype=np.int64)
