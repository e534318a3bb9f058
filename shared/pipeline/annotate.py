"""Runs the stage graph in this process and reuses existing artifacts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from shared.domain.error import StoredDataMissing
from shared.domain.stage_event import StageEvent, StageFinished, StageProgressed, StageStarted, StageWarned
from shared.domain.stage_plan import PUBLISH
from shared.domain.transcript import Provenance, Transcript
from shared.domain.value import Value
from shared.pipeline.stage import Stage, Workspace, fingerprint
from shared.ports.artifacts import ArtifactStore


class StageRecord(Value):
    """Provenance and warnings of a stage, stored with its output so that a resumed run can report them."""

    provenance: Provenance
    warnings: tuple[StageWarned, ...] = ()


def annotate(stages: Sequence[Stage], store: ArtifactStore, emit: Callable[[StageEvent], None]) -> Transcript:
    """Run every stage whose output is missing, in the given order, and return the transcript."""
    folders: dict[str, Path] = {}
    keys: dict[str, str] = {}
    for stage in stages:
        name, needs = stage.spec.name, stage.spec.needs
        keys[name] = fingerprint(stage, {need: keys[need] for need in needs})
        inputs = {need: folders[need] for need in needs}
        folders[name] = ensure(stage, f"{name}/{keys[name]}", inputs, store, emit)
    return Transcript.model_validate_json((folders[PUBLISH.name] / "transcript.json").read_bytes())


def ensure(
    stage: Stage, key: str, inputs: dict[str, Path], store: ArtifactStore, emit: Callable[[StageEvent], None]
) -> Path:
    """The stage's output folder; runs the stage if it does not exist."""
    found = store.find(key)
    emit(StageStarted(stage=stage.spec.name))
    if found is not None:
        record = read_record(found)
        for warning in record.warnings:
            emit(warning)
        emit(StageFinished(stage=stage.spec.name, seconds=record.provenance.seconds, reused=True))
        return found
    began = time.monotonic()
    with store.making(key) as folder:
        work, warnings = _recording_warnings(Workspace(stage=stage.spec.name, inputs=inputs, folder=folder, emit=emit))
        parts = _ensure_parts(stage, key, work, store)
        stage.run(work, parts)
        seconds = time.monotonic() - began
        _write_record(folder, stage, seconds, warnings)
    emit(StageFinished(stage=stage.spec.name, seconds=seconds))
    return _stored(store, key)


def _ensure_parts(stage: Stage, key: str, whole: Workspace, store: ArtifactStore) -> Sequence[Path]:
    """Run the missing parts; each part is a separate artifact, so that a killed run loses only one part."""
    spans = stage.split(whole)
    folders: list[Path] = []
    for number, span in enumerate(spans):
        part_key = f"{key}.parts/{number:04d}-{span.start:.2f}-{span.end:.2f}"
        found = store.find(part_key)
        if found is None:
            began = time.monotonic()
            with store.making(part_key) as folder:
                work, warnings = _recording_warnings(_part_of(whole, folder, number, len(spans)))
                stage.run_part(work, span)
                _write_record(folder, stage, time.monotonic() - began, warnings)
            found = _stored(store, part_key)
        else:
            for warning in read_record(found).warnings:
                whole.emit(warning)
        folders.append(found)
    return folders


def _part_of(whole: Workspace, folder: Path, number: int, count: int) -> Workspace:
    def emit(event: StageEvent) -> None:
        if isinstance(event, StageProgressed):
            event = StageProgressed(stage=event.stage, fraction=(number + event.fraction) / count)
        whole.emit(event)

    return replace(whole, folder=folder, emit=emit)


def _recording_warnings(work: Workspace) -> tuple[Workspace, list[StageWarned]]:
    """The same workspace, with a list that collects its warnings for the record."""
    warnings: list[StageWarned] = []

    def collect(event: StageEvent) -> None:
        if isinstance(event, StageWarned):
            warnings.append(event)
        work.emit(event)

    return replace(work, emit=collect), warnings


def _stored(store: ArtifactStore, key: str) -> Path:
    found = store.find(key)
    if found is None:
        raise StoredDataMissing(f"the artifact {key} is missing right after it was written")
    return found


def _write_record(folder: Path, stage: Stage, seconds: float, warnings: Sequence[StageWarned]) -> None:
    provenance = Provenance(stage=stage.spec.name, engine=stage.engine, seconds=round(seconds, 3))
    record = StageRecord(provenance=provenance, warnings=tuple(warnings))
    (folder / "record.json").write_text(record.model_dump_json())


def read_record(folder: Path) -> StageRecord:
    return StageRecord.model_validate_json((folder / "record.json").read_bytes())
