"""The decode stage, which decodes the recording once for all later stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.domain.error import AudioTooLong
from shared.domain.job import Job
from shared.domain.stage_plan import DECODE
from shared.pipeline.stage import WholeStage, Workspace
from shared.ports.media import MediaDecoder, TrackFile


@dataclass(frozen=True, slots=True)
class Decode(WholeStage):
    spec = DECODE
    decoder: MediaDecoder
    job: Job
    media: Path
    tracks: tuple[Path, ...] = ()

    @property
    def engine(self) -> str:
        return self.decoder.name

    def identity(self) -> Mapping[str, object]:
        return {
            "decoder": self.decoder.fingerprint,
            "media": self.job.recording.sha256,
            "tracks": [(track.name, track.sha256, track.start) for track in self.job.tracks],
            "separate_channels": self.job.options.separate_channels,
            **({"max_seconds": limit} if (limit := self.job.options.max_seconds) else {}),
        }

    def run(self, work: Workspace, _parts: Sequence[Path], /) -> None:
        probe = self.decoder.decode(
            self.media,
            work.folder,
            tracks=[
                TrackFile(track.name, path, track.start)
                for track, path in zip(self.job.tracks, self.tracks, strict=True)
            ],
            separate_channels=self.job.options.separate_channels,
            progress=work.progress,
        )
        limit = self.job.options.max_seconds
        if limit is not None and probe.duration > limit:
            raise AudioTooLong(f"The recording is longer than the {limit / 60:g} minutes that the request allows.")
        for warning in probe.warnings:
            work.warn("recording_damaged", warning)
        work.write(probe)
