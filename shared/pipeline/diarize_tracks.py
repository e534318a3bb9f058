"""Speaker turns from separate tracks: all speech in a track belongs to its participant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.domain.speech import SpeakerTurn
from shared.domain.stage_plan import DIARIZE_TRACKS
from shared.pipeline.artifacts import SpeechMap, Turns
from shared.pipeline.stage import WholeStage, Workspace


@dataclass(frozen=True, slots=True)
class DiarizeTracks(WholeStage):
    """Replaces `diarize` if every participant has a separate track."""

    spec = DIARIZE_TRACKS
    engine: str = "tracks"

    def identity(self) -> Mapping[str, object]:
        return {"rules": 1}

    def run(self, work: Workspace, _parts: Sequence[Path], /) -> None:
        tracks = work.read("detect_speech", SpeechMap).tracks
        names = {f"S{number + 1}": track.track or "" for number, track in enumerate(tracks)}
        turns = [
            SpeakerTurn(start=span.start, end=span.end, speaker=speaker)
            for speaker, track in zip(names, tracks, strict=True)
            for span in track.spans
        ]
        work.write(Turns(turns=tuple(sorted(turns, key=lambda turn: (turn.start, turn.speaker))), names=names))
