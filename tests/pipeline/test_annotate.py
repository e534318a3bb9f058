from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from shared.domain.error import StoredDataMissing
from shared.domain.span import Span, span
from shared.domain.stage_event import StageEvent, StageFinished, StageProgressed, StageStarted, StageWarned
from shared.domain.stage_plan import StageSpec
from shared.domain.transcript import Transcript
from shared.infra.artifacts_folder import FolderArtifacts
from shared.pipeline.annotate import annotate, ensure
from shared.pipeline.stage import WholeStage, Workspace, fingerprint
from tests.exports.sample import transcript
from tests.fakes import ScriptedStage


def publish(work: Workspace) -> None:
    (work.folder / "transcript.json").write_text(transcript().model_dump_json())


def graph() -> tuple[ScriptedStage, ScriptedStage, ScriptedStage]:
    return (
        ScriptedStage("decode"),
        ScriptedStage("listen", ("decode",), act=lambda work: work.warn("odd", "Something is odd.")),
        ScriptedStage("publish", ("decode", "listen"), act=publish),
    )


def finished(events: Sequence[StageEvent]) -> list[tuple[str, bool]]:
    return [(event.stage, event.reused) for event in events if isinstance(event, StageFinished)]


def test_stages_run_in_order_and_the_transcript_is_returned(tmp_path: Path) -> None:
    events: list[StageEvent] = []
    made = annotate(graph(), FolderArtifacts(tmp_path), events.append)
    assert made == transcript()
    assert isinstance(made, Transcript)
    assert finished(events) == [("decode", False), ("listen", False), ("publish", False)]
    assert [event.stage for event in events if isinstance(event, StageStarted)] == ["decode", "listen", "publish"]


def test_second_run_reuses_artifacts_and_repeats_warnings(tmp_path: Path) -> None:
    stages, store, events = graph(), FolderArtifacts(tmp_path), list[StageEvent]()
    annotate(stages, store, lambda event: None)
    annotate(stages, store, events.append)
    assert [stage.runs for stage in stages] == [1, 1, 1]
    assert finished(events) == [("decode", True), ("listen", True), ("publish", True)]
    assert [event.code for event in events if isinstance(event, StageWarned)] == ["odd"]


def test_changed_engine_reruns_its_stage_and_all_dependents(tmp_path: Path) -> None:
    stages, store = graph(), FolderArtifacts(tmp_path)
    annotate(stages, store, lambda event: None)
    stages[1].version = 2
    annotate(stages, store, lambda event: None)
    assert [stage.runs for stage in stages] == [1, 2, 2]


def test_failed_stage_leaves_no_artifact_and_runs_again(tmp_path: Path) -> None:
    def fail(work: Workspace) -> None:
        (work.folder / "half").write_text("half")
        raise ZeroDivisionError

    stages, store = graph(), FolderArtifacts(tmp_path)
    stages[1].act = fail
    with pytest.raises(ZeroDivisionError):
        annotate(stages, store, lambda event: None)
    assert not list(tmp_path.rglob("half"))
    stages[1].act = lambda work: None
    annotate(stages, store, lambda event: None)
    assert [stage.runs for stage in stages] == [1, 2, 1]


def test_fingerprint_changes_with_name_version_and_inputs() -> None:
    stage = ScriptedStage("a")
    same = fingerprint(stage, {"decode": "1"})
    assert same == fingerprint(ScriptedStage("a"), {"decode": "1"})
    others = [
        fingerprint(stage, {"decode": "2"}),
        fingerprint(ScriptedStage("b"), {"decode": "1"}),
        fingerprint(ScriptedStage("a", version=2), {"decode": "1"}),
    ]
    assert len({same, *others}) == 4


@dataclass
class SplitStage(WholeStage):
    """Writes its parts one by one; `kill_at` simulates a kill at that part."""

    kill_at: int | None = None
    ran: list[float] = field(default_factory=list)
    engine: str = "scripted"
    spec = StageSpec(name="words")

    def identity(self) -> dict[str, object]:
        return {}

    def split(self, work: Workspace, /) -> Sequence[Span]:
        return [span(0, 10), span(10, 20), span(20, 30)]

    def run_part(self, work: Workspace, part: Span, /) -> None:
        if self.kill_at == part.start:
            raise KeyboardInterrupt
        self.ran.append(part.start)
        work.warn("part", f"from {part.start:.0f}")
        work.progress(1.0)
        (work.folder / "part.txt").write_text(f"{part.start:.0f}")

    def run(self, work: Workspace, parts: Sequence[Path], /) -> None:
        (work.folder / "all.txt").write_text(",".join((part / "part.txt").read_text() for part in parts))


def test_killed_split_stage_resumes_with_the_interrupted_part(tmp_path: Path) -> None:
    store, stage, events = FolderArtifacts(tmp_path), SplitStage(kill_at=20), list[StageEvent]()
    with pytest.raises(KeyboardInterrupt):
        ensure(stage, "words/1", {}, store, lambda event: None)
    assert store.find("words/1") is None
    stage.kill_at = None
    made = ensure(stage, "words/1", {}, store, events.append)
    assert (made / "all.txt").read_text() == "0,10,20"
    assert stage.ran == [0, 10, 20], "no part ran twice"
    assert [event.message for event in events if isinstance(event, StageWarned)] == ["from 0", "from 10", "from 20"]
    assert [event.fraction for event in events if isinstance(event, StageProgressed)] == [1.0]


def test_whole_stage_has_no_parts(tmp_path: Path) -> None:
    work = Workspace("a", {}, tmp_path, lambda event: None)
    assert ScriptedStage("a").split(work) == ()
    with pytest.raises(NotImplementedError):
        ScriptedStage("a").run_part(work, span(0, 1))


def test_store_that_loses_an_artifact_raises_an_error(tmp_path: Path) -> None:
    class Forgetful(FolderArtifacts):
        def find(self, key: str) -> Path | None:
            return None

    with pytest.raises(StoredDataMissing):
        ensure(ScriptedStage("a"), "a/1", {}, Forgetful(tmp_path), lambda event: None)
