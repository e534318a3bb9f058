"""What trained fusion networks read of an utterance: one copy, for training and for serving.

| network                | words          | voice                             | face                     |
|------------------------|----------------|-----------------------------------|--------------------------|
| `late-fusion`          | engine's words | log-mel frames                    | engine's words           |
| `m2fnet`, `sdt`        | engine's words | engine's words                    | engine's words           |
| `mme2e`, `mme2e-sparse`| engine's words | slices of 32 log-mel frames       | up to 16 faces           |
| `av-transformer`       | –              | log-mel frames                    | up to 16 faces           |
| `ensemble`             | logits         | windows of 128 log-mel frames     | logits                   |

An engine's words are its calibrated logits and, behind them, its features: as many as it has, none for some. How
many bands, frames and numbers there are is said by the tensors that the network takes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt

from shared.domain.emotion import Modality
from shared.engines.face_image import scaled as scaled_face
from shared.engines.voice_mel import log_mel
from shared.engines.voice_mel import scaled as scaled_voice
from shared.ports.engines import Encoding, FaceClip, UtteranceClip
from shared.ports.media import SAMPLE_RATE, Floats

VERSION = 1  # counted up whenever the same utterance would give other numbers
MAX_SECONDS = 15.0  # seconds heard of one utterance, from its middle
MAX_FACES = 16
WINDOW, STRIDE = 32, 16  # utterances of a dialogue that are read at once, and how far that moves on
SPEAKERS = 9  # ids: the one who speaks first and eight others

Shape: TypeAlias = tuple[int | None, ...]  # of one utterance; None where the length is its own
Sizes: TypeAlias = tuple[int, ...]  # a shape without that
Tensor: TypeAlias = npt.NDArray[np.generic]
InputArrays: TypeAlias = Mapping[Modality, Floats]  # the senses that are there, each in its shape


@dataclass(frozen=True, slots=True)
class UtteranceInputs:
    """One utterance, and what one engine said of it."""

    clip: UtteranceClip
    logits: Floats  # (7,), calibrated
    features: Floats  # (dim,)

    @classmethod
    def of(cls, encoding: Encoding, row: int, clip: UtteranceClip) -> Self:
        return cls(clip, encoding.logits[row] / np.float32(encoding.calibration.temperature), encoding.features[row])


def words(seen: UtteranceInputs, _sizes: Sizes) -> Floats:  # (width,)
    return np.concatenate([seen.logits, seen.features]).astype(np.float32)


def logits(seen: UtteranceInputs, _sizes: Sizes) -> Floats:  # (7,)
    return seen.logits


def bands(seen: UtteranceInputs, sizes: Sizes) -> Floats:  # (band, frame)
    return _mel(seen, sizes[0]).T


def states(seen: UtteranceInputs, sizes: Sizes) -> Floats:  # (frame, 1, band): one layer of them
    return _mel(seen, sizes[1])[:, None]


def slices(seen: UtteranceInputs, sizes: Sizes) -> Floats:  # (slice, 1, band, frame)
    """One after the other; the last is filled up with what is average for this utterance: zero."""
    _, count, frames = sizes
    mel = _mel(seen, count)
    mel = np.pad(mel, ((0, -len(mel) % frames), (0, 0)))
    return mel.reshape(-1, 1, frames, count).swapaxes(2, 3)


def windows(seen: UtteranceInputs, sizes: Sizes) -> Floats:  # (window, band, frame)
    """Each begins in the middle of the one before it."""
    count, frames = sizes
    mel, step = _mel(seen, count), frames // 2
    more = max(0, -(-(len(mel) - frames) // step))
    mel = np.pad(mel, ((0, more * step + frames - len(mel)), (0, 0)))
    return np.stack([mel[start : start + frames].T for start in range(0, more * step + 1, step)])


def faces(seen: UtteranceInputs, _sizes: Sizes) -> Floats:  # (face, 3, 48, 48)
    """Evenly spaced. The pipeline keeps faces in grey: the three channels that the networks have are the same."""
    face = seen.clip.face
    if not isinstance(face, FaceClip):
        raise TypeError("an engine spoke of a face that is not there")
    chosen = np.unique(np.linspace(0, len(face.times) - 1, min(MAX_FACES, len(face.times))).round().astype(int))
    return np.repeat(scaled_face(np.asarray(face.crops[chosen])), 3, axis=1)


def _mel(seen: UtteranceInputs, count: int) -> Floats:  # (frame, band)
    samples = seen.clip.audio.samples
    skipped = max(0, len(samples) - round(MAX_SECONDS * SAMPLE_RATE)) // 2
    heard = np.asarray(samples[skipped : len(samples) - skipped], dtype=np.float32)
    # Twice as many bands want bins twice as fine, or the lowest of them would hold none.
    return scaled_voice(log_mel(heard, bands=count, size=512 if count <= 64 else 1024), None)


Reader: TypeAlias = Callable[[UtteranceInputs, Sizes], Floats]
TEXT_READERS: tuple[Reader, ...] = (words, logits)  # what is read of the engine, not of the recording
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
    """Which tensors a network takes, known from their names and axes."""

    name: str
    dialogue: bool  # whether it reads utterances one by one or a dialogue at once
    shapes: Mapping[Modality, Shape]
    tensors: tuple[str, ...]

    @classmethod
    def of(cls, name: str, tensors: Mapping[str, Sequence[int | str]]) -> Self:
        """From the axes of every tensor: a number where the size is fixed, a name where it is not."""
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
        """The senses whose engine it reads, and not the recording itself."""
        return tuple(modality for modality, reader in self.readers.items() if reader in TEXT_READERS)

    def given(self, clip: UtteranceClip, encodings: Sequence[Encoding], row: int) -> InputArrays:
        """What the network can have of one utterance; a sense that is unavailable is left out."""
        return {
            encoding.modality: self.readers[encoding.modality](
                UtteranceInputs.of(encoding, row, clip), fixed(self.shapes[encoding.modality])
            )
            for encoding in encodings
            if encoding.modality in self.readers and encoding.unavailable[row] is None
        }

    def batch(self, rows: Sequence[Sequence[InputArrays]], speakers: Sequence[Sequence[str]]) -> dict[str, Tensor]:
        """The tensors by name: every row a dialogue, or one utterance; absent senses and steps are masked."""
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
    """One tensor with a row for each array, padded along the axis of free length, and the mask of what is there."""
    if None not in shape:
        values = np.zeros((len(arrays), *fixed(shape)), dtype=np.float32)
        for row, array in enumerate(arrays):
            if array is not None:
                values[row] = array
        return values, np.array([array is not None for array in arrays])
    free = shape.index(None)
    # Nothing at all is one masked step: a tensor without steps is nothing that a network knows.
    longest = max([1, *(array.shape[free] for array in arrays if array is not None)])
    padded = np.zeros((len(arrays), longest, *fixed(shape)), dtype=np.float32)
    mask = np.zeros((len(arrays), longest), dtype=bool)
    for row, array in enumerate(arrays):
        if array is not None:
            padded[row, : array.shape[free]] = np.moveaxis(array, free, 0)
            mask[row, : array.shape[free]] = True
    return np.ascontiguousarray(np.moveaxis(padded, 1, 1 + free)), mask


def dialogue_windows(count: int) -> list[tuple[range, range]]:
    """The parts of a long dialogue that are read one after the other, and which utterances of each are believed.

    Those at the edge of a part lack context on one side: there the neighbouring part is believed.
    """
    if count <= WINDOW:
        return [(range(count), range(count))]
    starts = [*range(0, count - WINDOW, STRIDE), count - WINDOW]
    edges = [0, *((one + WINDOW + other) // 2 for one, other in pairwise(starts)), count]
    return [
        (range(start, start + WINDOW), range(*believed))
        for start, believed in zip(starts, pairwise(edges), strict=True)
    ]


def relative_speakers(speakers: Sequence[Hashable], current: int, count: int) -> npt.NDArray[np.int64]:
    """Ids instead of names: 0 is who speaks at `current`, the others follow by how near they last spoke to it.

    A network that sees names learns the characters of its corpus; those beyond the last id share it.
    """
    near = sorted(range(len(speakers)), key=lambda at: (abs(at - current), at))
    order = list(dict.fromkeys(speakers[at] for at in near))
    return np.array([min(order.index(speaker), count - 1) for speaker in speakers], dtype=np.int64)
