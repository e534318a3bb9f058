"""PyAV behind the MediaDecoder port: every recording is opened in a limited child process."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from shared.domain.error import DecodeFailed
from shared.domain.recording import Probe
from shared.domain.span import Span
from shared.engines.catalog import Setup
from shared.engines.decoder_child import FRAME, HEADER
from shared.engines.decoder_limits import limited_child, raise_reported
from shared.engines.settings import MediaSettings
from shared.ports.media import Frame, Progress


@dataclass(frozen=True, slots=True)
class PyAvDecoder:
    settings: MediaSettings
    name: str = f"pyav:{av.__version__}"

    @classmethod
    def load(cls, _option: str | None, setup: Setup) -> PyAvDecoder:
        return cls(setup.media)

    @property
    def fingerprint(self) -> str:
        return self.name

    def decode(
        self,
        media: Path,
        into: Path,
        *,
        tracks: Sequence[tuple[str, Path]],
        separate_channels: bool,
        progress: Progress,
    ) -> Probe:
        files = {"media": media} | {f"track-{number}": path for number, (_, path) in enumerate(tracks)}
        order = {
            "into": str(into.resolve()),
            "tracks": [(f"track-{number}", name) for number, (name, _) in enumerate(tracks)],
            "separate_channels": separate_channels,
        }
        probe: Probe | None = None
        with limited_child("decode", order, files, self.settings) as child:
            for line in child.stdout:
                report = json.loads(line)
                raise_reported(report)
                if "progress" in report:
                    progress(report["progress"])
                else:
                    probe = Probe.model_validate(report["probe"])
            child.finish()
        if probe is None:
            raise DecodeFailed("The decoder ended without an answer.", mend="Export the recording again.")
        return probe

    def frames(self, media: Path, within: Sequence[Span], *, per_second: float, longest_side: int) -> Iterator[Frame]:
        order = {
            "within": [(span.start, span.end) for span in within],
            "per_second": per_second,
            "longest_side": longest_side,
        }
        with limited_child("frames", order, {"media": media}, self.settings) as child:
            while len(head := child.stdout.read(HEADER.size)) == HEADER.size:
                if not head.startswith(FRAME):
                    raise_reported(json.loads(head + child.stdout.read()))
                _, time, rows, columns = HEADER.unpack(head)
                if time < 0:
                    break
                pixels = child.stdout.read(rows * columns * 3)
                if len(pixels) < rows * columns * 3:
                    break
                yield Frame(time, np.frombuffer(pixels, dtype=np.uint8).reshape(rows, columns, 3))
            child.finish()
