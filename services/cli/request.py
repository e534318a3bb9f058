"""Converts command line options to a job and its files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from services.worker.stage_factory import Inputs
from shared.domain.emotion import Modality
from shared.domain.error import EmptyFile, InvalidRequest, NotFound
from shared.domain.governance import Purpose, allowed_modalities, parse_purpose
from shared.domain.job import MAX_TERMS, Job, JobOptions, Source, Track
from shared.domain.transcript_format import HEAD, transcript_format
from shared.infra.settings import GovernanceSettings


def read_modalities(words: str | None) -> tuple[Modality, ...] | None:
    """Parse `text,voice` to modalities; None if the option is missing, an empty tuple for `none`."""
    if words is None:
        return None
    if words == "none":
        return ()
    known = ", ".join(Modality)
    try:
        requested = {Modality(word.strip()) for word in words.split(",")}
    except ValueError:
        raise InvalidRequest(f"--modalities accepts {known}, separated by commas, or none; not {words!r}.") from None
    return tuple(modality for modality in Modality if modality in requested)


def read_vocabulary(words: str | None) -> tuple[str, ...]:
    """Parse `Sara, Marc` to vocabulary terms."""
    try:
        return JobOptions(vocabulary=tuple(word for word in (words or "").split(",") if word.strip())).vocabulary
    except ValidationError:
        raise InvalidRequest(
            f"--vocabulary accepts at most {MAX_TERMS} comma-separated terms, each at most 64 letters and digits."
        ) from None


def read_engines(pairs: Sequence[str]) -> dict[str, str]:
    """Parse `asr=faster-whisper:small` to slot and engine."""
    engines: dict[str, str] = {}
    for pair in pairs:
        slot, equals, engine = pair.partition("=")
        if not (slot and equals and engine):
            raise InvalidRequest(
                f"--engine needs SLOT=NAME or SLOT=NAME:OPTION, such as asr=faster-whisper:small; not {pair!r}."
            )
        engines[slot] = engine
    return engines


def read_tracks(pairs: Sequence[str]) -> list[tuple[str, Path]]:
    """Parse `Ana=ana.m4a` to name and file."""
    tracks: list[tuple[str, Path]] = []
    for pair in pairs:
        name, equals, path = pair.partition("=")
        if not (name.strip() and equals and path):
            raise InvalidRequest(f"--track needs NAME=FILE, such as Ana=ana.m4a; not {pair!r}.")
        if name.strip() in {known for known, _ in tracks}:
            raise InvalidRequest(
                f"Two tracks are named {name.strip()!r}; each participant needs one track and a unique name."
            )
        tracks.append((name.strip(), Path(path)))
    return tracks


def grant_modalities(
    requested: tuple[Modality, ...] | None, purpose: str | None, governance: GovernanceSettings
) -> tuple[tuple[Modality, ...], Purpose | None]:
    """The modalities that this job may use, and its purpose."""
    parsed = parse_purpose(purpose)
    if parsed is None and governance.require_purpose:
        raise InvalidRequest("This deployment requires a purpose.", hint="Add --purpose research, for example.")
    return allowed_modalities(requested, governance.modalities, parsed), parsed


def make_job(
    recording: Path, tracks: Sequence[tuple[str, Path]], platform_transcript: Path | None, options: JobOptions
) -> tuple[Job, Inputs]:
    """Build the job for these files; equal files and options produce an equal job, which resuming relies on."""
    source = _source(recording)
    with recording.open("rb") as file:
        text_only = transcript_format(file.read(HEAD)) is not None
    if text_only:
        if tracks or platform_transcript:
            raise InvalidRequest(
                f"{recording.name} is a transcript.", hint="Give the recording, and this file with --transcript."
            )
        platform_transcript = recording
    job = Job(
        id=source.sha256[:16],
        recording=source,
        text_only=text_only,
        tracks=tuple(Track(**_source(path, name).model_dump()) for name, path in tracks),
        platform_transcript=_source(platform_transcript) if platform_transcript else None,
        options=options,
    )
    return job, Inputs(recording, tuple(path for _, path in tracks), platform_transcript)


def _source(path: Path, name: str | None = None) -> Source:
    if not path.is_file():
        raise NotFound(f"The file {str(path)!r} does not exist.", hint="Check the path.")
    if path.stat().st_size == 0:
        raise EmptyFile(f"{path.name} is empty.", hint="Export the recording again.")
    with path.open("rb") as file:
        return Source(name=name or path.name, sha256=hashlib.file_digest(file, "sha256").hexdigest())
