"""The stage protocol: a stage declares its needs and writes one folder of files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from shared.domain.span import Span
from shared.domain.stage_event import StageEvent, StageProgressed, StageWarned
from shared.domain.stage_plan import StageSpec
from shared.domain.value import Value

V = TypeVar("V", bound=Value)


@dataclass(frozen=True, slots=True)
class Workspace:
    """The inputs, the output folder and the event callback of a running stage."""

    stage: str
    inputs: Mapping[str, Path]  # the output folder of each needed stage
    folder: Path
    emit: Callable[[StageEvent], None]

    def read(self, stage: str, kind: type[V], name: str | None = None) -> V:
        """The output value of another stage."""
        return kind.model_validate_json((self.inputs[stage] / f"{name or stage}.json").read_bytes())

    def write(self, value: Value, name: str | None = None) -> None:
        (self.folder / f"{name or self.stage}.json").write_text(value.model_dump_json())

    def progress(self, fraction: float) -> None:
        self.emit(StageProgressed(stage=self.stage, fraction=min(1.0, max(0.0, fraction))))

    def warn(self, code: str, message: str) -> None:
        self.emit(StageWarned(stage=self.stage, code=code, message=message))


class Stage(Protocol):
    """One step of the pipeline; it must be restartable, because it runs again after a kill."""

    @property
    def spec(self) -> StageSpec: ...
    @property
    def engine(self) -> str:
        """The engine name for the provenance."""
        ...

    def identity(self) -> Mapping[str, object]:
        """Everything the output depends on besides the inputs: engine, weights, options."""
        ...

    def split(self, work: Workspace, /) -> Sequence[Span]:
        """Parts that may run separately, also on other workers; empty if the stage does not split."""
        ...

    def run_part(self, work: Workspace, part: Span, /) -> None:
        """Write the output of one part to its own folder."""
        ...

    def run(self, work: Workspace, parts: Sequence[Path], /) -> None:
        """Write the output to the folder, joined from the parts if there are any."""
        ...


class WholeStage:
    """Base class of stages that do not split."""

    def split(self, _work: Workspace, /) -> Sequence[Span]:
        return ()

    def run_part(self, _work: Workspace, _part: Span, /) -> None:
        raise NotImplementedError("this stage does not split")


def fingerprint(stage: Stage, inputs: Mapping[str, str]) -> str:
    """The key of a stage's output; the same identity and inputs always give the same key."""
    facts = {"stage": stage.spec.name, "identity": stage.identity(), "inputs": dict(inputs)}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
