"""From the words of the command line to a job and its files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from services.worker.stage_factory import Inputs
from shared.domain.emotion import Modality
from shared.domain.error import EmptyFile, InvalidRequest, NotFound
from shared.domain.governance import Purpose, allowed_modalities, parse_purpose
from shared.domain.job import MAX_TERMS, Job, JobOptions, Source
from shared.infra.settings import GovernanceSettings


def read_modalities(words: str | None) -> tuple[Modality, ...] | None:
    """`text,voice` as senses; None where nothing was said, an empty tuple for `none`."""
    if words is None:
        return None
    if words == "none":
        return ()
    known = ", ".join(Modality)
    try:
        asked = {Modality(word.strip()) for word in words.split(",")}
    except ValueError:
        raise InvalidRequest(f"--modalities takes some of {known}, with commas, or none; not {words!r}.") from None
    return tuple(modality for modality in Modality if modality in asked)


def read_vocabulary(words: str | None) -> tuple[str, ...]:
    """`Sara, Marc` as names and words that may be said."""
    try:
        return JobOptions(vocabulary=tuple(word for word in (words or "").split(",") if word.strip())).vocabulary
    except ValidationError:
        raise InvalidRequest(
            f"--vocabulary takes at most {MAX_TERMS} names or words with commas, each at most 64 letters and digits."
        ) from None


def read_engines(pairs: Sequence[str]) -> dict[str, str]:
    """`asr=faster-whisper:small` as slot and engine."""
    engines: dict[str, str] = {}
    for pair in pairs:
        slot, equals, engine = pair.partition("=")
        if not (slot and equals and engine):
            raise InvalidRequest(
                f"--engine takes SLOT=NAME or SLOT=NAME:OPTION, such as asr=faster-whisper:small; not {pair!r}."
            )
        engines[slot] = engine
    return engines


def read_tracks(pairs: Sequence[str]) -> list[tuple[str, Path]]:
    """`Ana=ana.m4a` as name and file."""
    tracks: list[tuple[str, Path]] = []
    for pair in pairs:
        name, equals, path = pair.partition("=")
        if not (name.strip() and equals and path):
            raise InvalidRequest(f"--track takes NAME=FILE, such as Ana=ana.m4a; not {pair!r}.")
        if name.strip() in {known for known, _ in tracks}:
            raise InvalidRequest(
                f"Two tracks are named {name.strip()!r}; give each participant one track and one name."
            )
        tracks.append((name.strip(), Path(path)))
    return tracks


def grant_modalities(
    requested: tuple[Modality, ...] | None, purpose: str | None, governance: GovernanceSettings
) -> tuple[tuple[Modality, ...], Purpose | None]:
    """The senses this job may use, and its purpose."""
    parsed = parse_purpose(purpose)
    if parsed is None and governance.require_purpose:
        raise InvalidRequest("This deployment requires a purpose.", hint="Add --purpose research, for example.")
    return allowed_modalities(requested, governance.modalities, parsed), parsed


def make_job(
    recording: Path, tracks: Sequence[tuple[str, Path]], platform_transcript: Path | None, options: JobOptions
) -> tuple[Job, Inputs]:
    """The job for these files; the same files and wishes always make the same one, which is what resuming rests on."""
    source = _source(recording)
    job = Job(
        id=source.sha256[:16],
        recording=source,
        tracks=tuple(_source(path, name) for name, path in tracks),
        platform_transcript=_source(platform_transcript) if platform_transcript else None,
        options=options,
    )
    return job, Inputs(recording, tuple(path for _, path in tracks), platform_transcript)


def _source(path: Path, name: str | None = None) -> Source:
    if not path.is_file():
        raise NotFound(f"There is no file {str(path)!r}.", hint="Check the path.")
    if path.stat().st_size == 0:
        raise EmptyFile(f"{path.name} is empty.", hint="Export the recording again.")
    with path.open("rb") as file:
        return Source(name=name or path.name, sha256=hashlib.file_digest(file, "sha256").hexdigest())
