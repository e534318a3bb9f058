"""The publish stage: combines the outputs of all stages into the transcript, with provenance and disclosure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.domain.job import Job
from shared.domain.recording import Probe, Recording
from shared.domain.speech import SpeakerTurn, Transcription, Utterance
from shared.domain.stage_plan import DECODE, PUBLISH, StageSpec
from shared.domain.transcript import SCHEMA_VERSION, Speaker, Transcript, disclose, talk_seconds, turns_of
from shared.pipeline.annotate import StageRecord, read_record
from shared.pipeline.artifacts import Readings, Turns, Utterances
from shared.pipeline.stage import WholeStage, Workspace


@dataclass(frozen=True, slots=True)
class Publish(WholeStage):
    job: Job
    spec: StageSpec = PUBLISH
    engine: str = "undertone"

    def identity(self) -> Mapping[str, object]:
        return {"job": self.job.model_dump(mode="json"), "schema_version": SCHEMA_VERSION}

    def run(self, work: Workspace, _parts: Sequence[Path], /) -> None:
        diarized = work.read("diarize", Turns)
        readings = work.read("read_emotions", Readings)
        utterances = work.read("compose", Utterances).utterances
        if readings.readings:
            pairs = zip(utterances, readings.readings, strict=True)
            utterances = tuple(utterance.model_copy(update={"emotion": reading}) for utterance, reading in pairs)
        if DECODE.name in self.spec.needs:
            recording = _recording(self.job, work.read("decode", Probe))
        else:
            recording = _text(self.job, max((one.end for one in utterances), default=0.0))
        turns = published_turns(diarized.turns, utterances, recording.duration)
        records = [read_record(folder) for folder in work.inputs.values()]
        transcript = Transcript(
            job_id=self.job.id,
            recording=recording,
            language=work.read("transcribe", Transcription).language,
            speakers=speakers_of(utterances, turns, diarized.names | diarized.recognised),
            utterances=utterances,
            turns=turns,
            provenance=tuple(record.provenance for record in records),
            warnings=_warnings(records),
            disclosure=disclose(readings.used, self.job.options.purpose),
        )
        work.write(transcript, "transcript")


def _recording(job: Job, probe: Probe) -> Recording:
    return Recording(
        name=job.recording.name,
        sha256=job.recording.sha256,
        duration=round(probe.duration, 3),
        has_video=probe.video is not None,
        container=probe.container,
        warnings=probe.warnings,
    )


def _text(job: Job, end: float) -> Recording:
    """A transcript alone, which lasts until its last word."""
    source = job.recording
    return Recording(name=source.name, sha256=source.sha256, duration=round(end, 3), has_video=False, container="text")


def _warnings(records: Sequence[StageRecord]) -> tuple[str, ...]:
    """The distinct warnings, in the order of the stages."""
    return tuple(dict.fromkeys(warning.message for record in records for warning in record.warnings))


def published_turns(
    turns: Sequence[SpeakerTurn], utterances: Sequence[Utterance], duration: float
) -> tuple[SpeakerTurn, ...]:
    """The turns inside the recording, in order; a speaker of words without any turn has their utterances as turns."""
    known = {turn.speaker for turn in turns}
    every = (*turns, *turns_of(utterance for utterance in utterances if utterance.speaker not in known))
    rounded = (
        turn.model_copy(update={"start": round(turn.start, 3), "end": round(min(turn.end, duration), 3)})
        for turn in every
    )
    return tuple(sorted((turn for turn in rounded if turn.start < turn.end), key=lambda turn: turn.start))


def speakers_of(
    utterances: Sequence[Utterance], turns: Sequence[SpeakerTurn], names: Mapping[str, str]
) -> tuple[Speaker, ...]:
    """The speakers in the order of their first utterance, then those whose turns have no words."""
    talked, counts = talk_seconds(turns), Counter(utterance.speaker for utterance in utterances)
    return tuple(
        Speaker(
            id=speaker,
            name=names.get(speaker, f"Speaker {number}"),
            talk_seconds=talked.get(speaker, 0.0),
            utterances=counts[speaker],
        )
        for number, speaker in enumerate(dict.fromkeys((*counts, *talked)), start=1)
    )
