"""Cuts the speech of the segmenter's local voices into pieces, and embeds what each voice says alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shared.ports.engines import Segmentation, SpeakerEncoder
from shared.ports.media import SAMPLE_RATE, Audio, Floats, Progress

SPEAKS = 0.5  # probability of a voice that counts as speaking
PAUSE = 0.25  # seconds; a longer pause of a voice ends a piece: after it, the segmenter may confuse two voices
MIN_VOICE = 0.1  # seconds in a window; a voice with less is noise
MIN_CLIP = 0.4  # seconds; a shorter clip has no usable embedding
LENGTH_STEP = SAMPLE_RATE // 10  # samples; clips are cut to multiples of it, so that they form batches
BATCH = 256


@dataclass(frozen=True, slots=True)
class Piece:
    """Speech of one local voice in one window, without long pauses."""

    window: int
    voice: int
    begin: int  # frame of the window
    end: int
    alone: npt.NDArray[np.intp]  # (frame,), the frames of the window in which no other voice speaks


def pieces_of(segmentation: Segmentation) -> Iterator[Piece]:
    """The pieces of all windows in order; pieces of one voice are in order of time."""
    pause, shortest = (round(seconds / segmentation.step) for seconds in (PAUSE, MIN_VOICE))
    for number, window in enumerate(segmentation.windows):
        speaks = window.active > SPEAKS
        alone = speaks & (speaks.sum(axis=1, keepdims=True) == 1)
        for voice in np.flatnonzero(speaks.sum(axis=0) >= shortest).tolist():
            frames = np.flatnonzero(speaks[:, voice])
            for run in np.split(frames, np.flatnonzero(np.diff(frames) > pause) + 1):
                yield Piece(number, voice, int(run[0]), int(run[-1]) + 1, run[alone[run, voice]])


def seconds_alone(segmentation: Segmentation, pieces: Sequence[Piece]) -> Floats:  # (piece,)
    """What each piece adds to the speech of its speaker: each moment is shared by the windows that contain it."""
    covered = np.zeros(segmentation.frames)
    for window in segmentation.windows:
        covered[window.first : window.first + len(window.active)] += 1
    shares = [(1 / covered[segmentation.windows[piece.window].first + piece.alone]).sum() for piece in pieces]
    return np.asarray(np.maximum(np.array(shares) * segmentation.step, 0.01), dtype=np.float32)


def embed_pieces(
    encoder: SpeakerEncoder, audio: Audio, segmentation: Segmentation, pieces: Sequence[Piece], progress: Progress
) -> Floats:  # (piece, dim)
    """Embed the pieces, batch by batch in order of time, so that only a part of the recording is in memory."""
    found: dict[int, Floats] = {}
    for first in range(0, len(pieces), BATCH):
        batch = range(first, min(first + BATCH, len(pieces)))
        by_length: dict[int, dict[int, Floats]] = {}
        for number in batch:
            clip = _clip(audio, segmentation, pieces[number])
            by_length.setdefault(len(clip), {})[number] = clip
        for clips in by_length.values():
            found |= dict(zip(clips, encoder.embed(list(clips.values())), strict=True))
        audio.release()
        progress(batch.stop / len(pieces))
    return np.stack([found[number] for number in range(len(pieces))])


def _clip(audio: Audio, segmentation: Segmentation, piece: Piece) -> Floats:
    """The samples of the frames in which the voice speaks alone, or of the whole piece if they are too few."""
    shortest = int(np.ceil(MIN_CLIP / segmentation.step))
    frames = piece.alone
    if len(frames) < shortest:
        spare = max(0, shortest - (piece.end - piece.begin))
        frames = np.arange(piece.begin - spare // 2, piece.end + spare - spare // 2)
    length = round(segmentation.step * SAMPLE_RATE)
    offset = round((segmentation.start - audio.start) * SAMPLE_RATE)
    starts = (segmentation.windows[piece.window].first + frames) * length + offset
    samples = (starts[:, None] + np.arange(length)).ravel()
    samples = samples[(samples >= 0) & (samples < len(audio.samples))]
    kept = max(len(samples) // LENGTH_STEP * LENGTH_STEP, min(len(samples), LENGTH_STEP))
    return np.asarray(audio.samples[samples[:kept]])
