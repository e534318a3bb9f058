"""Names voices by short reference clips; the embeddings exist only while the stage of one job runs."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shared.domain.error import InvalidRequest, RecordingError
from shared.domain.job import Source
from shared.domain.speech import SpeakerTurn
from shared.pipeline.artifacts import open_audio
from shared.ports.engines import SpeakerEncoder
from shared.ports.media import SAMPLE_RATE, Audio, Floats, MediaDecoder

REFERENCE = 30.0  # seconds of a reference clip that count
CLIP = 8.0  # seconds that are embedded at once
CLIPS = 8  # the longest turns of a speaker that are compared
MIN_CLIP = 0.5  # seconds


@dataclass(frozen=True, slots=True)
class KnownVoices:
    decoder: MediaDecoder
    clips: tuple[tuple[Source, Path], ...]  # of each person, named after them

    def recognise(self, turns: Sequence[SpeakerTurn], audio: Audio, encoder: SpeakerEncoder) -> dict[str, str]:
        """The names of speakers; each name is given once, to the most similar voice first."""
        references = {source.name: self._embed_file(path, encoder) for source, path in self.clips}
        voices = _voices(turns, audio, encoder)
        pairs = [
            (float(voice @ reference), speaker, name)
            for speaker, voice in voices.items()
            for name, reference in references.items()
        ]
        names: dict[str, str] = {}
        for similarity, speaker, name in sorted(pairs, reverse=True):
            if similarity >= encoder.same_voice and speaker not in names and name not in names.values():
                names[speaker] = name
        return names

    def _embed_file(self, path: Path, encoder: SpeakerEncoder) -> Floats:
        with tempfile.TemporaryDirectory() as folder:
            try:
                self.decoder.decode(path, Path(folder), tracks=(), separate_channels=False, progress=lambda _: None)
            except RecordingError as error:
                raise InvalidRequest(f"The clip of a known voice cannot be used. {error.message}") from error
            samples = np.array(open_audio(Path(folder)).samples[: round(REFERENCE * SAMPLE_RATE)])
        step = round(CLIP * SAMPLE_RATE)
        return _mean([samples[first : first + step] for first in range(0, len(samples), step)], encoder)


def _voices(turns: Sequence[SpeakerTurn], audio: Audio, encoder: SpeakerEncoder) -> Mapping[str, Floats]:
    by_speaker: dict[str, list[SpeakerTurn]] = {}
    for turn in sorted(turns, key=lambda turn: turn.duration, reverse=True):
        by_speaker.setdefault(turn.speaker, []).append(turn)
    length = round(CLIP * SAMPLE_RATE)
    return {
        speaker: _mean([audio.cut(turn.span).samples[:length] for turn in own[:CLIPS]], encoder)
        for speaker, own in by_speaker.items()
    }


def _mean(clips: Sequence[Floats], encoder: SpeakerEncoder) -> Floats:  # (dim,), unit length
    """The mean embedding by duration; clips that are too short count only if there are no others."""
    long_enough = [clip for clip in clips if len(clip) >= MIN_CLIP * SAMPLE_RATE] or [max(clips, key=len)]
    seconds = np.array([len(clip) for clip in long_enough], dtype=np.float32)
    mean = seconds @ np.stack([encoder.embed([clip])[0] for clip in long_enough])
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), dtype=np.float32)
