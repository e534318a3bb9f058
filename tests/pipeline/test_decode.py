"""The decode stage: its identity, output and warnings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from shared.domain.error import AudioTooLong
from shared.domain.job import Job, JobOptions, Source, Track
from shared.domain.recording import Probe, TrackProbe
from shared.domain.span import Span
from shared.domain.stage_event import StageEvent, StageProgressed, StageWarned
from shared.pipeline.decode import Decode
from shared.pipeline.stage import Workspace, fingerprint
from shared.ports.media import Frame, Progress, TrackFile


@dataclass(frozen=True, slots=True)
class ScriptedDecoder:
    warnings: tuple[str, ...] = ()
    fingerprint: str = "scripted-1"
    name: str = "scripted"

    def decode(
        self,
        media: Path,
        into: Path,
        *,
        tracks: Sequence[TrackFile],
        separate_channels: bool,
        progress: Progress,
    ) -> Probe:
        (into / "mix.f32").write_bytes(media.read_bytes())
        progress(0.5)
        return Probe(
            duration=1.0,
            sample_rate=16_000,
            container="wav",
            audio_codec="pcm",
            tracks=tuple(TrackProbe(name=f"{one.name} {one.path.name}", seconds=1.0) for one in tracks),
            warnings=self.warnings,
        )

    def frames(self, media: Path, within: Sequence[Span], *, per_second: float, longest_side: int) -> Iterator[Frame]:
        return iter(())


JOB = Job(id="j", recording=Source(name="a.mp4", sha256="a" * 64))


def test_decode_writes_probe_and_samples_and_forwards_warnings(tmp_path: Path) -> None:
    (tmp_path / "media").write_bytes(b"1234")
    events: list[StageEvent] = []
    job = JOB.model_copy(update={"tracks": (Track(name="Ana", sha256="b" * 64),)})
    stage = Decode(ScriptedDecoder(("It breaks off.",)), job, tmp_path / "media", (tmp_path / "ana.m4a",))
    stage.run(Workspace("decode", {}, tmp_path, events.append), ())
    probe = Probe.model_validate_json((tmp_path / "decode.json").read_bytes())
    assert [track.name for track in probe.tracks] == ["Ana ana.m4a"]
    assert (tmp_path / "mix.f32").read_bytes() == b"1234"
    assert events == [
        StageProgressed(stage="decode", fraction=0.5),
        StageWarned(stage="decode", code="recording_damaged", message="It breaks off."),
    ]


def test_a_recording_that_is_longer_than_the_request_allows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "media").write_bytes(b"1234")
    limited = JOB.model_copy(update={"options": JobOptions(max_seconds=0.9)})
    stage = Decode(ScriptedDecoder(), limited, tmp_path / "media")
    with pytest.raises(AudioTooLong, match="longer"):
        stage.run(Workspace("decode", {}, tmp_path, lambda event: None), ())
    assert not (tmp_path / "decode.json").exists()
    assert stage.identity() != Decode(ScriptedDecoder(), JOB, tmp_path / "media").identity()


def test_identity_changes_with_every_input() -> None:
    stage = Decode(ScriptedDecoder(), JOB, Path("a.mp4"))
    others = (
        replace(stage, decoder=ScriptedDecoder(fingerprint="scripted-2")),
        replace(stage, job=JOB.model_copy(update={"recording": Source(name="a.mp4", sha256="c" * 64)})),
        replace(stage, job=JOB.model_copy(update={"tracks": (Track(name="Ana", sha256="b" * 64),)})),
        replace(stage, job=JOB.model_copy(update={"tracks": (Track(name="Ana", sha256="b" * 64, start=2.5),)})),
        replace(stage, job=JOB.model_copy(update={"options": JobOptions(separate_channels=True)})),
    )
    assert len({fingerprint(each, {}) for each in (stage, *others)}) == 6


def test_identity_does_not_depend_on_path_or_name() -> None:
    renamed = JOB.model_copy(update={"recording": Source(name="b.mp4", sha256="a" * 64)})
    stages = (Decode(ScriptedDecoder(), JOB, Path("a.mp4")), Decode(ScriptedDecoder(), renamed, Path("b.mp4")))
    assert len({fingerprint(stage, {}) for stage in stages}) == 1
    assert stages[0].engine == "scripted"
