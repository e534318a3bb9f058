"""The publish stage: combines the outputs of all stages into the transcript, with provenance and disclosure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.domain.job import Job
from shared.domain.recording import Probe, Recording
from shared.domain.speech import Transcription, Utterance
from shared.domain.stage_plan import PUBLISH
from shared.domain.transcript import Speaker, Transcript, disclose
from shared.pipeline.annotate import StageRecord, read_record
from shared.pipeline.artifacts import Readings, Turns, Utterances
from shared.pipeline.stage import WholeStage, Workspace


@dataclass(frozen=True, slots=True)
class Publish(WholeStage):
    spec = PUBLISH
    job: Job
    engine: str = "undertone"

    def identity(self) -> Mapping[str, object]:
        return {"job": self.job.model_dump(mode="json")}

    def run(self, work: Workspace, _parts: Sequence[Path], /) -> None:
        probe = work.read("decode", Probe)
        names = work.read("diarize", Turns).names
        readings = work.read("read_emotions", Readings)
        utterances = work.read("compose", Utterances).utterances
        if readings.readings:
            pairs = zip(utterances, readings.readings, strict=True)
            utterances = tuple(utterance.model_copy(update={"emotion": reading}) for utterance, reading in pairs)
        records = [read_record(folder) for folder in work.inputs.values()]
        transcript = Transcript(
            job_id=self.job.id,
            recording=_recording(self.job, probe),
            language=work.read("transcribe", Transcription).language,
            speakers=speakers_of(utterances, names),
            utterances=utterances,
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


def _warnings(records: Sequence[StageRecord]) -> tuple[str, ...]:
    """The distinct warnings, in the order of the stages."""
    return tuple(dict.fromkeys(warning.message for record in records for warning in record.warnings))


def speakers_of(utterances: Sequence[Utterance], names: Mapping[str, str]) -> tuple[Speaker, ...]:
    """The speakers with their talk time, in the order of their first utterance."""
    seconds: dict[str, float] = {}
    counts: dict[str, int] = {}
    for utterance in utterances:
        seconds[utterance.speaker] = seconds.get(utterance.speaker, 0.0) + utterance.duration
        counts[utterance.speaker] = counts.get(utterance.speaker, 0) + 1
    return tuple(
        Speaker(
            id=speaker,
            name=names.get(speaker, f"Speaker {number + 1}"),
            talk_seconds=round(talked, 3),
            utterances=counts[speaker],
        )
        for number, (speaker, talked) in enumerate(seconds.items())
    )
