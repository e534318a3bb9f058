"""The limited child: decodes sound into files of samples, or streams sampled frames; started by decoder_limits.py."""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np

from shared.domain.error import UndertoneError
from shared.domain.span import Span
from shared.engines.decoder_limits import confine
from shared.engines.decoder_open import opened, packets, recording_start
from shared.engines.decoder_sound import decode_sound
from shared.engines.settings import MediaSettings

# A mark that no error report begins with, then time, rows, columns; a time below zero ends the stream.
HEADER = struct.Struct("<cdII")
FRAME = b"F"


def decode(order: Mapping[str, Any], settings: MediaSettings, out: BinaryIO) -> None:
    """Write mix.f32 and the tracks into the folder that was ordered; tell progress and the probe as JSON lines."""

    def tell(**report: object) -> None:
        out.write(json.dumps(report).encode() + b"\n")
        out.flush()

    into = Path(order["into"])
    jobs: Sequence[tuple[str, str | None]] = [("media", None), *order["tracks"]]
    probe: dict[str, Any] = {}
    for number, (name, label) in enumerate(jobs):
        found = decode_sound(
            name,
            into / ("mix.f32" if number == 0 else f"track-{number - 1}.f32"),
            settings,
            channels_into=into if number == 0 and order["separate_channels"] else None,
            progress=lambda share, number=number: tell(progress=(number + share) / len(jobs)),  # type: ignore[misc]
        )
        if number == 0:
            probe = found
        else:
            probe["tracks"].append({"name": label, "seconds": found["duration"]})
            probe["warnings"] += [f"{label}: {warning}" for warning in found["warnings"]]
    tell(probe=probe)


def frames(order: Mapping[str, Any], settings: MediaSettings, out: BinaryIO) -> None:
    """Stream frames on a grid of times inside the spans: a header, then rows x columns x RGB."""
    spans = [Span(start=start, end=end) for start, end in order["within"]]
    step = 1.0 / order["per_second"]
    with opened("media", settings) as container:
        video = next(iter(container.streams.video), None)
        if video is None:
            return
        video.thread_type = "AUTO"
        # Frames that no other frame refers to can be left out: at 4 frames per second nobody misses them.
        video.codec_context.skip_frame = "NONREF"
        start = recording_start(container)
        scale = min(1.0, order["longest_side"] / max(video.width, video.height))
        size = {"width": max(2, round(video.width * scale)), "height": max(2, round(video.height * scale))}
        for span in spans:
            # Seeking lands on the key frame before the span; anything nearer is faster to decode through.
            container.seek(int((span.start + start) * av.time_base), backward=True)
            due = span.start
            for batch in packets(container, video):
                for frame in batch:
                    time = (frame.time or 0.0) - start
                    if time < due or time >= span.end:
                        continue
                    if frame.width * frame.height > settings.max_pixels:
                        continue
                    pixels = frame.to_ndarray(format="rgb24", **size)
                    turned = np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90)))
                    out.write(HEADER.pack(FRAME, time, turned.shape[0], turned.shape[1]))
                    out.write(turned.tobytes())
                    due = max(due + step, time + step / 2)
                if batch and (batch[-1].time or 0.0) - start >= span.end:
                    break
    out.write(HEADER.pack(FRAME, -1.0, 0, 0))


def main() -> None:
    task, order, settings = sys.argv[1], json.loads(sys.argv[2]), MediaSettings.model_validate_json(sys.argv[3])
    confine(settings)
    out = sys.stdout.buffer
    try:
        {"decode": decode, "frames": frames}[task](order, settings, out)
    except UndertoneError as error:
        report = {"error": error.code, "message": error.message, "mend": error.mend}
        out.write(json.dumps(report).encode() + b"\n")
    out.flush()


if __name__ == "__main__":
    main()
