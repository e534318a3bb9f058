"""Stages that use a platform's words and names instead of transcription and diarization."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.domain.error import InvalidTranscript
from shared.domain.recording import Probe
from shared.domain.span import union
from shared.domain.speech import SpeakerTurn, Transcription, Word
from shared.domain.stage_plan import READ_TRANSCRIPT, TURNS_FROM_WORDS
from shared.pipeline.artifacts import SpeechMap, Turns
from shared.pipeline.platform.cue import Cue
from shared.pipeline.platform.parse_transcript import words_of
from shared.pipeline.stage import WholeStage, Workspace
from shared.pipeline.transcribe import in_time_order


@dataclass(frozen=True, slots=True)
class ReadPlatformTranscript(WholeStage):
    """Replaces `transcribe`."""

    spec = READ_TRANSCRIPT
    cues: tuple[Cue, ...]
    sha256: str
    language: str | None = None
    engine: str = "platform-transcript"

    def identity(self) -> Mapping[str, object]:
        return {"platform_transcript": self.sha256, "language": self.language, "rules": 1}

    def run(self, work: Workspace, _parts: Sequence[Path], /) -> None:
        duration = work.read("decode", Probe).duration
        speech = union(span for track in work.read("detect_speech", SpeechMap).tracks for span in track.spans)
        inside = [cue for cue in self.cues if cue.start < duration]
        if not inside:
            raise InvalidTranscript(
                "Every cue of the transcript is after the end of the recording.",
                hint="Give the transcript that belongs to this recording.",
            )
        if len(inside) < len(self.cues):
            work.warn(
                "cues_beyond_end",
                f"{len(self.cues) - len(inside)} cues are after the recording's end and were ignored.",
            )
        starts = [span.start for span in speech]
        words: list[Word] = []
        for number, cue in enumerate(inside):
            # Only the speech near the cue: using all of it for each cue would be quadratic.
            near = speech[max(0, bisect_left(starts, cue.start) - 1) : bisect_left(starts, cue.end)]
            words += [word for word in words_of(cue, near) if word.start < duration]
            work.progress((number + 1) / len(inside))
        work.write(Transcription(words=in_time_order(words), language=self.language))


@dataclass(frozen=True, slots=True)
class TurnsFromWords(WholeStage):
    """Replaces `diarize` if the words have speaker names."""

    spec = TURNS_FROM_WORDS
    engine: str = "platform-transcript"

    def identity(self) -> Mapping[str, object]:
        return {"rules": 1}

    def run(self, work: Workspace, _parts: Sequence[Path], /) -> None:
        words = work.read("transcribe", Transcription).words
        ids: dict[str, str] = {}
        turns: list[SpeakerTurn] = []
        for word in words:
            speaker = ids.setdefault(word.speaker or "Unknown", f"S{len(ids) + 1}")
            last = turns[-1] if turns else None
            if last and last.speaker == speaker and word.start - last.end < 1.0:
                turns[-1] = last.model_copy(update={"end": max(last.end, word.end)})
            else:
                turns.append(SpeakerTurn(start=word.start, end=word.end, speaker=speaker))
        work.write(Turns(turns=tuple(turns), names={speaker: name for name, speaker in ids.items()}))
