"""PyAV implementation of the MediaDecoder port: every recording is opened in a sandboxed child process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from shared.domain.error import DecodeFailed, InvalidRequest
from shared.domain.recording import Probe
from shared.domain.span import Span
from shared.engines.catalog import Setup
from shared.engines.decoder.protocol import FramesRequest, SoundRequest, TrackSource
from shared.engines.decoder.sandbox import HINT, sandboxed_child
from shared.engines.settings import MediaSettings
from shared.ports.media import Frame, Progress, TrackFile

# Raise this when the same file would give different samples or frames than before.
VERSION = 2


@dataclass(frozen=True, slots=True)
class PyAvDecoder:
    settings: MediaSettings
    name: str = f"pyav:{version('av')}"

    @classmethod
    def load(cls, _option: str | None, setup: Setup) -> PyAvDecoder:
        return cls(setup.media)

    @property
    def fingerprint(self) -> str:
        return f"{self.name}-{VERSION}"

    def decode(
        self,
        media: Path,
        into: Path,
        *,
        tracks: Sequence[TrackFile],
        separate_channels: bool,
        progress: Progress,
    ) -> Probe:
        if tracks and separate_channels:
            raise InvalidRequest(
                "A recording's channels cannot be separated when there are separate tracks of its participants.",
                hint="Leave out either the tracks or the separate channels.",
            )
        probe: Probe | None = None
        with ExitStack() as files:
            opened = [
                files.enter_context(path.open("rb")).fileno() for path in (media, *(track.path for track in tracks))
            ]
            request = SoundRequest(
                media=_path_of(opened[0]),
                into=str(into.resolve()),
                tracks=tuple(
                    TrackSource(path=_path_of(number), name=track.name, start=track.start)
                    for number, track in zip(opened[1:], tracks, strict=True)
                ),
                separate_channels=separate_channels,
            )
            child = files.enter_context(sandboxed_child("decode", request, opened, self.settings))
            for report in child.reports():
                if report.progress is not None:
                    progress(report.progress)
                probe = report.probe or probe
        if probe is None:
            raise DecodeFailed("The decoder exited without a result.", hint=HINT)
        return probe

    def frames(self, media: Path, within: Sequence[Span], *, per_second: float, longest_side: int) -> Iterator[Frame]:
        with media.open("rb") as file:
            spans = tuple(span.span for span in within)
            request = FramesRequest(
                media=_path_of(file.fileno()), within=spans, per_second=per_second, longest_side=longest_side
            )
            with sandboxed_child("frames", request, [file.fileno()], self.settings) as child:
                for report in child.reports():
                    if (picture := report.frame) is None:
                        continue
                    if max(picture.rows, picture.columns) > longest_side:
                        raise DecodeFailed("The decoder sent a frame that is larger than requested.", hint=HINT)
                    pixels = np.frombuffer(child.read(picture.rows * picture.columns * 3), dtype=np.uint8)
                    yield Frame(picture.time, pixels.reshape(picture.rows, picture.columns, 3))


def _path_of(file: int) -> str:
    """Return a path to the open file without a name or extension that a demuxer could guess the format from."""
    return f"/proc/self/fd/{file}"
