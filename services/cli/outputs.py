"""Writes a transcript: to files in a folder, each written atomically, or in one format to standard output."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from shared.domain.error import InvalidRequest
from shared.domain.stage_event import StageEvent, StageFinished, StageProgressed, StageStarted
from shared.domain.stage_plan import CAPTION
from shared.domain.transcript import Transcript
from shared.engines.captions.video import caption_video
from shared.engines.catalog import Setup
from shared.exports.caption_lines import caption_lines
from shared.exports.formats import FORMATS

VIDEO = "mp4"


@dataclass(frozen=True, slots=True)
class Outputs:
    """The outputs requested with -o and --format."""

    folder: Path | None
    formats: tuple[str, ...]
    to_stdout: bool
    emotion: bool
    burn: bool
    file: str | None = None  # its name in the folder, if one file was requested

    @classmethod
    def parse(cls, output: str | None, formats: str | None, *, emotion: bool, burn: bool) -> Outputs:
        names = tuple(dict.fromkeys(name.strip() for name in (formats or "").split(",") if name.strip()))
        for name in names:
            if name != VIDEO and name not in FORMATS:
                raise InvalidRequest(f"Unknown format {name!r}; the formats are {', '.join((*FORMATS, VIDEO))}.")
        to_stdout = output == "-" or (output is None and bool(names))
        if to_stdout and (len(names) != 1 or names[0] == VIDEO):
            raise InvalidRequest(
                "Standard output supports only one text format.", hint="Use -o - --format json, or -o DIR for files."
            )
        folder = Path(output) if output and not to_stdout else None
        if folder and (meant := format_of(folder)) and not folder.is_dir():
            if names not in ((), (meant,)):
                raise InvalidRequest(
                    f"{folder.name!r} names one file in the format {meant}.",
                    hint="Name a folder with -o, or omit --format.",
                )
            return cls(folder.parent, (meant,), False, emotion, burn, file=folder.name)
        return cls(folder, names or (("json", "vtt") if folder else ()), to_stdout, emotion, burn)

    @contextmanager
    def prepared(self, recording: Path) -> Iterator[None]:
        """Check the output folder before hours of work; remove it after a failed run if it is new and empty."""
        if self.folder is None:
            yield
            return
        if self.file and (self.folder / self.file).exists() and recording.samefile(self.folder / self.file):
            raise InvalidRequest(f"{self.file!r} is the recording itself.", hint="Name another file with -o.")
        was_there = self.folder.exists()
        self._make(self.folder)
        try:
            yield
        except BaseException:
            if not was_there:
                with suppress(OSError):  # not empty: finished files are kept
                    self.folder.rmdir()
            raise

    @staticmethod
    def _make(folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidRequest(f"The folder {str(folder)!r} cannot be created: {error.strerror}.") from error
        if not os.access(folder, os.W_OK):
            raise InvalidRequest(f"The folder {str(folder)!r} cannot be written to.")

    def write(
        self, transcript: Transcript, media: Path, setup: Setup, emit: Callable[[StageEvent], None]
    ) -> list[Path]:
        if self.to_stdout:
            sys.stdout.buffer.write(FORMATS[self.formats[0]].render(transcript, emotion=self.emotion))
            sys.stdout.buffer.flush()
            return []
        if self.folder is None:
            return []
        written = [self._write_one(name, self.folder, transcript, media) for name in self.formats if name != VIDEO]
        if VIDEO in self.formats:
            written.append(self._write_video(self.folder, transcript, media, setup, emit))
        return written

    def _write_video(
        self, folder: Path, transcript: Transcript, media: Path, setup: Setup, emit: Callable[[StageEvent], None]
    ) -> Path:
        # Never overwrite the recording itself, which may be in the same folder.
        target = folder / (self.file or f"{media.stem}.captioned.mp4")
        began = time.monotonic()
        emit(StageStarted(stage=CAPTION.name))
        caption_video(
            media,
            caption_lines(transcript, emotion=self.emotion),
            transcript.disclosure.notice,
            target,
            burn=self.burn,
            settings=setup.media,
            progress=lambda share: emit(StageProgressed(stage=CAPTION.name, fraction=share)),
        )
        emit(StageFinished(stage=CAPTION.name, seconds=time.monotonic() - began))
        return target

    def _write_one(self, name: str, folder: Path, transcript: Transcript, media: Path) -> Path:
        format_ = FORMATS[name]
        target = folder / (self.file or f"{media.stem}.{format_.suffix}")
        write_atomically(target, format_.render(transcript, emotion=self.emotion))
        return target


def format_of(path: Path) -> str | None:
    """The format of a file name's extension."""
    suffixes = {format_.suffix.lower(): name for name, format_ in FORMATS.items()} | {VIDEO: VIDEO}
    return suffixes.get(path.suffix.removeprefix(".").lower())


def write_atomically(target: Path, content: bytes) -> None:
    """Write a temporary file and rename it: readers never see a partial file, and a kill keeps the old one."""
    handle, scratch = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(scratch).chmod(0o644)
        Path(scratch).replace(target)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise
