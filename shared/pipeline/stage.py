"""A stage names what it needs, and makes one folder of files out of it; the graph of stages is data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from shared.domain.span import Span
from shared.domain.stage_event import StageEvent, StageProgressed, StageWarned
from shared.domain.value import Value

Queue = Literal["cpu", "gpu"]
V = TypeVar("V", bound=Value)


@dataclass(frozen=True, slots=True)
class Workspace:
    """What a running stage may touch: its inputs, the folder it fills, and the watcher's ear."""

    stage: str
    inputs: Mapping[str, Path]  # the finished folder of each stage it needs
    folder: Path
    emit: Callable[[StageEvent], None]

    def read(self, stage: str, kind: type[V], name: str | None = None) -> V:
        """The value that another stage left."""
        return kind.model_validate_json((self.inputs[stage] / f"{name or stage}.json").read_bytes())

    def write(self, value: Value, name: str | None = None) -> None:
        (self.folder / f"{name or self.stage}.json").write_text(value.model_dump_json())

    def progress(self, fraction: float) -> None:
        self.emit(StageProgressed(stage=self.stage, fraction=min(1.0, max(0.0, fraction))))

    def warn(self, code: str, message: str) -> None:
        self.emit(StageWarned(stage=self.stage, code=code, message=message))


class Stage(Protocol):
    """One step of the pipeline. It is run again after any kill, so it must not care how often it began."""

    @property
    def name(self) -> str: ...
    @property
    def needs(self) -> tuple[str, ...]: ...
    @property
    def queue(self) -> Queue: ...
    @property
    def engine(self) -> str:
        """The name for the provenance."""
        ...

    def identity(self) -> Mapping[str, object]:
        """All that its output depends on besides its inputs: engine, weights, options."""
        ...

    def split(self, work: Workspace, /) -> Sequence[Span]:
        """Stretches that may run apart, on other workers too; empty where the stage runs whole."""
        ...

    def run_part(self, work: Workspace, part: Span, /) -> None:
        """Make one stretch's share of the output in its own folder."""
        ...

    def run(self, work: Workspace, parts: Sequence[Path], /) -> None:
        """Fill the folder, joining the parts if there were any."""
        ...


class WholeStage:
    """The half of Stage that says: this one does not split."""

    def split(self, _work: Workspace, /) -> Sequence[Span]:
        return ()

    def run_part(self, _work: Workspace, _part: Span, /) -> None:
        raise NotImplementedError("this stage runs whole")


def fingerprint(stage: Stage, inputs: Mapping[str, str]) -> str:
    """The identity of a stage's output: the same words always give the same folder."""
    facts = {"stage": stage.name, "identity": stage.identity(), "inputs": dict(inputs)}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def topological_order(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """The stages, each after all that it needs; the given order decides between equals."""
    known = {stage.name for stage in stages}
    ready: list[Stage] = []
    waiting = list(stages)
    while waiting:
        done = {stage.name for stage in ready}
        following = next((stage for stage in waiting if (set(stage.needs) & known) <= done), None)
        if following is None:
            raise ValueError(f"stages need each other in a circle: {', '.join(stage.name for stage in waiting)}")
        waiting.remove(following)
        ready.append(following)
    missing = {need for stage in stages for need in stage.needs} - known
    if missing:
        raise ValueError(f"no stage makes {', '.join(sorted(missing))}")
    return tuple(ready)
