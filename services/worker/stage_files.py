"""Downloads the input of a stage from the blob store: the job's files and the outputs of earlier stages."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from services.worker.stage_factory import Inputs
from shared.domain.error import NotFound, StoredDataMissing
from shared.domain.job import Job
from shared.domain.job_blobs import (
    artifacts_folder,
    known_voice_key,
    platform_transcript_key,
    recording_key,
    track_key,
    transcript_key,
)
from shared.domain.recording import Probe
from shared.domain.stage_plan import DECODE, Opens
from shared.domain.transcript import Transcript
from shared.domain.value import Value
from shared.infra.artifacts_blobs import BlobArtifacts, download
from shared.pipeline.stage import Stage
from shared.ports.blobs import BlobStore


class CurrentOutput(Value):
    """The output of a stage that its job uses: engines of another machine produce another fingerprint."""

    fingerprint: str


@dataclass(frozen=True, slots=True)
class StageFiles:
    blobs: BlobStore
    tenant: str
    job: Job
    workdir: Path
    check: Callable[[], None]
    store: BlobArtifacts

    @classmethod
    def open(cls, blobs: BlobStore, tenant: str, job: Job, workdir: Path, check: Callable[[], None]) -> StageFiles:
        store = BlobArtifacts(blobs, tenant, artifacts_folder(job.id), workdir / "artifacts", check)
        return cls(blobs, tenant, job, workdir, check, store)

    def files(self, opens: Collection[Opens]) -> Inputs:
        """Download the uploads that a stage opens; the other paths do not exist."""
        recording = self.workdir / "recording"
        tracks = tuple(self.workdir / f"track-{number}" for number in range(len(self.job.tracks)))
        voices = tuple(self.workdir / f"known-voice-{number}" for number in range(len(self.job.known_voices)))
        transcript = None
        if Opens.RECORDING in opens:
            self._download(recording_key(self.job.id), recording, self.job.recording.sha256)
        if Opens.TRACKS in opens:
            for number, (path, track) in enumerate(zip(tracks, self.job.tracks, strict=True)):
                self._download(track_key(self.job.id, number), path, track.sha256)
        if Opens.TRANSCRIPT in opens and self.job.platform_transcript:
            transcript = self.workdir / "platform-transcript"
            self._download(platform_transcript_key(self.job.id), transcript, self.job.platform_transcript.sha256)
        if Opens.KNOWN_VOICES in opens:
            for number, (path, voice) in enumerate(zip(voices, self.job.known_voices, strict=True)):
                self._download(known_voice_key(self.job.id, number), path, voice.sha256)
        return Inputs(recording, tracks, transcript, voices)

    def inputs(self, stage: Stage) -> tuple[dict[str, str], dict[str, Path]]:
        """The fingerprints and the folders of the outputs that this stage needs."""
        ending = "" if Opens.ARRAYS in stage.spec.opens else ".json"
        fingerprints = {need: self._current(need) for need in stage.spec.needs}
        folders: dict[str, Path] = {}
        for need, fingerprint in fingerprints.items():
            try:
                folder = self.store.fetch(f"{need}/{fingerprint}", ending=ending)
            except StoredDataMissing:  # part of the output is missing
                folder = None
            if folder is None:
                raise _output_missing(need)
            folders[need] = folder
        return fingerprints, folders

    def transcript(self) -> Transcript:
        """The transcript as published."""
        try:
            content = b"".join(self.blobs.read(self.tenant, transcript_key(self.job.id)))
        except NotFound:
            raise StoredDataMissing("The transcript is no longer in storage.") from None
        return Transcript.model_validate_json(content)

    def duration(self, folders: dict[str, Path]) -> float | None:
        decoded = folders.get(DECODE.name)
        return Probe.model_validate_json((decoded / "decode.json").read_bytes()).duration if decoded else None

    def publish_output(self, stage: str, fingerprint: str) -> None:
        """Make this output the current one of its stage."""
        self.check()
        self.blobs.put(
            self.tenant, self._current_key(stage), [CurrentOutput(fingerprint=fingerprint).model_dump_json().encode()]
        )

    def _current(self, stage: str) -> str:
        if self.blobs.size(self.tenant, self._current_key(stage)) is None:
            raise _output_missing(stage)
        content = b"".join(self.blobs.read(self.tenant, self._current_key(stage)))
        return CurrentOutput.model_validate_json(content).fingerprint

    def _current_key(self, stage: str) -> str:
        return f"{artifacts_folder(self.job.id)}/{stage}/current.json"

    def _download(self, key: str, target: Path, sha256: str) -> None:
        download(self.blobs, self.tenant, key, target, sha256)


def _output_missing(stage: str) -> StoredDataMissing:
    return StoredDataMissing(f"The output of stage {stage} is no longer in storage.", stage=stage)
