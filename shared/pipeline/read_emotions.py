"""Ask what emotion is perceived in each utterance: one question, about the whole conversation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from shared.domain.emotion import Modality, SenseStatus
from shared.domain.recording import Probe
from shared.domain.speech import Utterance
from shared.pipeline.artifacts import Readings, Turns, Utterances, open_audio, open_faces
from shared.pipeline.faces_of_speakers import FacesOfSpeakers
from shared.pipeline.stage import Queue, WholeStage, Workspace
from shared.ports.engines import EmotionReader, UtteranceClip
from shared.ports.media import Audio


@dataclass(frozen=True, slots=True)
class ReadEmotions(WholeStage):
    reader: EmotionReader
    name: str = "read_emotions"
    needs: tuple[str, ...] = ("decode", "diarize", "compose", "track_faces")
    queue: Queue = "cpu"

    @property
    def engine(self) -> str:
        return self.reader.name

    def identity(self) -> Mapping[str, object]:
        return {"reader": self.reader.fingerprint}

    def run(self, work: Workspace, _parts: Sequence[Path], /) -> None:
        utterances = work.read("compose", Utterances).utterances
        faces = FacesOfSpeakers(open_faces(work.inputs["track_faces"]), utterances)
        conversation = Conversation(utterances, _sound(work), faces)
        readings = tuple(self.reader.read(conversation, work.progress, work.warn)) if utterances else ()
        used = {m for reading in readings for m, sense in reading.senses.items() if sense.status is SenseStatus.OK}
        work.write(Readings(readings=readings, used=tuple(modality for modality in Modality if modality in used)))


def _sound(work: Workspace) -> Mapping[str | None, Audio]:
    """Each participant's own track, where there is one; under None the mix."""
    names = work.read("diarize", Turns).names
    tracks = {track.name: number for number, track in enumerate(work.read("decode", Probe).tracks)}
    own = {speaker: tracks[name] for speaker, name in names.items() if name in tracks}
    decoded = work.inputs["decode"]
    return {None: open_audio(decoded)} | {speaker: open_audio(decoded, number) for speaker, number in own.items()}


class Conversation(Sequence[UtteranceClip]):
    """Clips made when they are asked for: hours of sound and faces stay on disk."""

    def __init__(
        self, utterances: Sequence[Utterance], sound: Mapping[str | None, Audio], faces: FacesOfSpeakers
    ) -> None:
        self._utterances = utterances
        self._sound = sound
        self._faces = faces

    def __len__(self) -> int:
        return len(self._utterances)

    @overload
    def __getitem__(self, index: int) -> UtteranceClip: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[UtteranceClip]: ...
    def __getitem__(self, index: int | slice) -> UtteranceClip | Sequence[UtteranceClip]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        utterance = self._utterances[index]
        audio = self._sound.get(utterance.speaker) or self._sound[None]
        return UtteranceClip(utterance, audio.cut(utterance), self._faces.clip(utterance))
