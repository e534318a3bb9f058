"""The progress of a run on the terminal: one bar per stage with the remaining time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from shared.domain.stage_event import StageEvent, StageFinished, StageProgressed, StageStarted, StageWarned

STAGE_LABELS = {
    "decode": "decoding",
    "detect_speech": "detecting speech",
    "diarize": "distinguishing speakers",
    "transcribe": "transcribing",
    "track_faces": "tracking faces",
    "compose": "composing utterances",
    "read_emotions": "reading emotions",
    "publish": "writing the transcript",
    "caption": "rendering captions",
}


@contextmanager
def watching(*, quiet: bool) -> Iterator[Callable[[StageEvent], None]]:
    """Yield a progress listener that draws on stderr, so that stdout contains only the transcript."""
    console = Console(stderr=True, quiet=quiet)
    columns = (
        TextColumn("{task.description:24}"),
        BarColumn(bar_width=28),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("[dim]left[/dim]"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console) as bars:
        yield _Listener(bars, console)


class _Listener:
    def __init__(self, bars: Progress, console: Console) -> None:
        self._bars = bars
        self._console = console
        self._tasks: dict[str, TaskID] = {}
        self._said: set[str] = set()

    def __call__(self, event: StageEvent) -> None:
        match event:
            case StageStarted():
                description = STAGE_LABELS.get(event.stage, event.stage)
                self._tasks[event.stage] = self._bars.add_task(description, total=1.0)
            case StageProgressed():
                self._bars.update(self._tasks[event.stage], completed=event.fraction)
            case StageFinished():
                # A reused stage is done immediately: its bar says so instead of a time.
                note = " [dim](reused)[/dim]" if event.reused else ""
                description = STAGE_LABELS.get(event.stage, event.stage)
                self._bars.update(self._tasks[event.stage], completed=1.0, description=description + note)
            case StageWarned():
                if event.message not in self._said:
                    self._said.add(event.message)
                    self._console.print(Text.assemble(("note ", "yellow"), event.message), soft_wrap=True)
