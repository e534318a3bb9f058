"""The read_emotions stage: reads the perceived emotion of every utterance in the conversation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import overload

import numpy as np

from shared.domain.emotion import NO_RECORDING, EmotionReading, Modality, ModalityStatus
from shared.domain.recording import Probe
from shared.domain.speech import Transcription, Utterance
from shared.domain.stage_plan import DECODE, READ_EMOTIONS, StageSpec
from shared.pipeline.artifacts import (
    FACE,
    DetectedFaces,
    FaceTracks,
    Readings,
    Turns,
    Utterances,
    open_audio,
    open_faces,
)
from shared.pipeline.face_crop import CROP
from shared.pipeline.faces_of_speakers import FacesOfSpeakers
from shared.pipeline.stage import WholeStage, Workspace
from shared.ports.engines import EmotionReader, UtteranceClip
from shared.ports.media import Audio

NO_FACES = DetectedFaces(
    FaceTracks(frames=0, faces=0, reason=NO_RECORDING),
    np.zeros(0),
    np.zeros(0, dtype=FACE),
    np.zeros((0, CROP, CROP), dtype=np.uint8),
)


class ReadEmotions(WholeStage):
    def __init__(self, reader: EmotionReader, spec: StageSpec = READ_EMOTIONS) -> None:
        self._reader = reader
        self.spec = spec

    @property
    def engine(self) -> str:
        return self._reader.name

    def identity(self) -> Mapping[str, object]:
        return {"reader": self._reader.fingerprint, "version": 1}

    def run(self, work: Workspace, _parts: Sequence[Path], /) -> None:
        utterances = work.read("compose", Utterances).utterances
        language = work.read("transcribe", Transcription).language
        if DECODE.name in self.spec.needs:
            voices, faces = _voices(work), open_faces(work.inputs["track_faces"])
        else:
            voices, faces = {None: Audio(np.zeros(0, dtype=np.float32))}, NO_FACES
        conversation = Conversation(utterances, voices, faces, language)
        readings = tuple(self._reader.read(conversation, work.progress))
        for modality, reason in _failures(readings).items():
            work.warn(
                "modality_failed", f"The modality {modality} failed in this recording ({reason}); the others were used."
            )
        work.write(Readings(readings=readings, used=_used(readings)))


class Conversation(Sequence[UtteranceClip]):
    """The utterances with audio and faces, which are loaded only on access to save memory."""

    def __init__(
        self,
        utterances: Sequence[Utterance],
        voices: Mapping[str | None, Audio],
        detected: DetectedFaces,
        language: str | None = None,
    ) -> None:
        self._utterances = utterances
        self._voices = voices
        self._faces = FacesOfSpeakers(detected, utterances)
        self._language = language

    def __len__(self) -> int:
        return len(self._utterances)

    @overload
    def __getitem__(self, index: int) -> UtteranceClip: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[UtteranceClip]: ...
    def __getitem__(self, index: int | slice) -> UtteranceClip | Sequence[UtteranceClip]:
        if isinstance(index, slice):
            return [self._clip(utterance) for utterance in self._utterances[index]]
        return self._clip(self._utterances[index])

    def _clip(self, utterance: Utterance) -> UtteranceClip:
        voice = self._voices.get(utterance.speaker, self._voices[None])
        return UtteranceClip(utterance, voice.cut(utterance.span), self._faces.face_of(utterance), self._language)


def _voices(work: Workspace) -> Mapping[str | None, Audio]:
    """The audio of each speaker's track by speaker id, if there are tracks; the key None is the mix."""
    decoded = work.inputs["decode"]
    tracks = {track.name: number for number, track in enumerate(work.read("decode", Probe).tracks)}
    voices: dict[str | None, Audio] = {None: open_audio(decoded)}
    for speaker, name in work.read("diarize", Turns).names.items():
        if name in tracks:
            voices[speaker] = open_audio(decoded, tracks[name])
    return voices


def _used(readings: Sequence[EmotionReading]) -> tuple[Modality, ...]:
    used = {modality for r in readings for modality, found in r.modalities.items() if found.status is ModalityStatus.OK}
    return tuple(modality for modality in Modality if modality in used)


def _failures(readings: Sequence[EmotionReading]) -> dict[Modality, str | None]:
    return {
        modality: found.reason
        for reading in readings
        for modality, found in reading.modalities.items()
        if found.status is ModalityStatus.FAILED
    }
