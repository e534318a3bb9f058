"""Stages that use a platform's words and names instead of transcription and diarization."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.domain.error import InvalidTranscript
from shared.domain.recording import Probe
from shared.domain.span import union
from shared.domain.speech import SpeakerTurn, Transcription, Word
from shared.domain.stage_plan import READ_TEXT, READ_TRANSCRIPT, TURNS_FROM_WORDS
from shared.pipeline.artifacts import SpeechMap, Turns
from shared.pipeline.platform.cue import Cue
from shared.pipeline.platform.parse_transcript import SpeechClock, names_speakers, words_of
from shared.pipeline.stage import WholeStage, Workspace
from shared.pipeline.transcribe import in_time_order

UNKNOWN = "Unknown"  # the speaker of cues without a name in a transcript that names others
PAUSE = 1.0  # seconds of silence that end a turn
OTHERS_PAUSE = 0.25  # the same, if somebody else speaks in it


@dataclass(frozen=True, slots=True)
class ReadPlatformTranscript(WholeStage):
    """Replaces `transcribe`."""

    spec = READ_TRANSCRIPT
    cues: tuple[Cue, ...]
    sha256: str
    language: str | None = None
    engine: str = "platform-transcript"

    def identity(self) -> Mapping[str, object]:
        return {"platform_transcript": self.sha256, "language": self.language, "rules": 2}

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
        words = [word for word in _words(inside, SpeechClock(speech), work) if word.start < duration]
        work.write(Transcription(words=in_time_order(words), language=self.language))


@dataclass(frozen=True, slots=True)
class ReadText(WholeStage):
    """Replaces `transcribe` if there is no recording."""

    spec = READ_TEXT
    cues: tuple[Cue, ...]
    sha256: str
    language: str | None = None
    times_estimated: bool = False
    engine: str = "transcript"

    def identity(self) -> Mapping[str, object]:
        return {"transcript": self.sha256, "language": self.language, "rules": 1}

    def run(self, work: Workspace, _parts: Sequence[Path], /) -> None:
        if self.times_estimated:
            work.warn("times_estimated", "The transcript has no times: they are estimated from the length of the text.")
        words = _words(self.cues, SpeechClock(()), work)
        work.write(Transcription(words=in_time_order(words), language=self.language))


def _words(cues: Sequence[Cue], clock: SpeechClock, work: Workspace) -> list[Word]:
    others = UNKNOWN if names_speakers(cues) else None
    words: list[Word] = []
    for number, cue in enumerate(cues):
        words += words_of(cue if cue.speaker else cue.model_copy(update={"speaker": others}), clock)
        work.progress((number + 1) / len(cues))
    return words


@dataclass(frozen=True, slots=True)
class TurnsFromWords(WholeStage):
    """Replaces `diarize` if the words have speaker names."""

    spec = TURNS_FROM_WORDS
    engine: str = "platform-transcript"
    unused_voices: int = 0  # known voices of the job

    def identity(self) -> Mapping[str, object]:
        return {"rules": 2}

    def run(self, work: Workspace, _parts: Sequence[Path], /) -> None:
        if self.unused_voices:
            work.warn("voices_unused", "The known voices were not used: the transcript names the speakers.")
        words = work.read("transcribe", Transcription).words
        ids: dict[str, str] = {}
        turns: list[SpeakerTurn] = []
        latest: dict[str, int] = {}  # the position of each speaker's last turn
        before: str | None = None
        for word in words:
            speaker = ids.setdefault(word.speaker or UNKNOWN, f"S{len(ids) + 1}")
            at = latest.get(speaker)
            pause, before = PAUSE if speaker == before else OTHERS_PAUSE, speaker
            if at is not None and word.start - turns[at].end < pause:
                turns[at] = turns[at].model_copy(update={"end": max(turns[at].end, word.end)})
            else:
                latest[speaker] = len(turns)
                turns.append(SpeakerTurn(start=word.start, end=word.end, speaker=speaker))
        work.write(Turns(turns=tuple(turns), names={speaker: name for name, speaker in ids.items()}))
