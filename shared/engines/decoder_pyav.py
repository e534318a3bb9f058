"""PyAV behind the MediaDecoder port: every recording is opened in a limited child process."""

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
from shared.engines.decoder_protocol import FramesRequest, NamedSource, SoundRequest
from shared.engines.decoder_sandbox import HINT, sandboxed_child
from shared.engines.settings import MediaSettings
from shared.ports.media import Frame, Progress

# Counted up whenever the same file would give other samples or frames than before.
OURS = 2


@dataclass(frozen=True, slots=True)
class PyAvDecoder:
    settings: MediaSettings
    name: str = f"pyav:{version('av')}"

    @classmethod
    def load(cls, _option: str | None, setup: Setup) -> PyAvDecoder:
        return cls(setup.media)

    @property
    def fingerprint(self) -> str:
        return f"{self.name}-{OURS}"

    def decode(
        self,
        media: Path,
        into: Path,
        *,
        tracks: Sequence[tuple[str, Path]],
        separate_channels: bool,
        progress: Progress,
    ) -> Probe:
        if tracks and separate_channels:
            raise InvalidRequest(
                "A recording's channels are not kept apart when its participants come with a track each.",
                hint="Leave out either the tracks or the separate channels.",
            )
        probe: Probe | None = None
        with ExitStack() as files:
            opened = [files.enter_context(path.open("rb")).fileno() for path in (media, *(path for _, path in tracks))]
            request = SoundRequest(
                media=_path_of(opened[0]),
                into=str(into.resolve()),
                tracks=tuple(
                    NamedSource(path=_path_of(number), name=name)
                    for number, (name, _) in zip(opened[1:], tracks, strict=True)
                ),
                separate_channels=separate_channels,
            )
            child = files.enter_context(sandboxed_child("decode", request, opened, self.settings))
            for report in child.reports():
                if report.progress is not None:
                    progress(report.progress)
                probe = report.probe or probe
        if probe is None:
            raise DecodeFailed("The decoder ended without an answer.", hint=HINT)
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
                        raise DecodeFailed("The decoder sent a frame that is larger than ordered.", hint=HINT)
                    pixels = np.frombuffer(child.read(picture.rows * picture.columns * 3), dtype=np.uint8)
                    yield Frame(picture.time, pixels.reshape(picture.rows, picture.columns, 3))


def _path_of(file: int) -> str:
    """The open file as a path that has neither a name nor an ending for a demuxer to guess by."""
    return f"/proc/self/fd/{file}"
