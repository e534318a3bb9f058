"""The sandboxed child: decodes audio into sample files, or streams sampled frames; started by `sandboxed_child`."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import BinaryIO

from shared.domain.error import DecodeFailed, StorageFull, UndertoneError
from shared.domain.recording import Probe, TrackProbe
from shared.engines.captions.render import render
from shared.engines.captions.request import CaptionRequest
from shared.engines.decoder.frames import sample_frames
from shared.engines.decoder.open import opened
from shared.engines.decoder.protocol import Failure, FrameHeader, FramesRequest, Report, SoundRequest
from shared.engines.decoder.sandbox import apply_limits
from shared.engines.decoder.sound import decode_sound
from shared.engines.settings import MediaSettings


def decode(request: SoundRequest, settings: MediaSettings, out: BinaryIO) -> None:
    """Write mix.f32 and the tracks into the requested folder."""
    into, parts = Path(request.into), 1 + len(request.tracks)

    def decode_one(path: str, file: str, number: int, channels_into: Path | None, at: float = 0.0) -> Probe:
        def progress(share: float) -> None:
            _send_report(out, Report(progress=(number + share) / parts))

        return decode_sound(path, into / file, settings, at=at, channels_into=channels_into, progress=progress)

    probe = decode_one(request.media, "mix.f32", 0, into if request.separate_channels else None)
    tracks, warnings = list(probe.tracks), list(probe.warnings)
    for number, track in enumerate(request.tracks):
        try:
            found = decode_one(track.path, f"track-{number}.f32", number + 1, None, track.start)
        except UndertoneError as error:
            raise type(error)(f"Track {track.name!r}: {error.message}", hint=error.hint) from error
        tracks.append(TrackProbe(name=track.name, seconds=found.duration))
        warnings += [f"Track {track.name!r}: {warning}" for warning in found.warnings]
    found_in_all = {
        "duration": max(probe.duration, *(track.seconds for track in tracks), 0.0),
        "tracks": tuple(tracks),
        "warnings": tuple(warnings),
    }
    _send_report(out, Report(probe=probe.model_copy(update=found_in_all)))


def frames(request: FramesRequest, settings: MediaSettings, out: BinaryIO) -> None:
    """Stream the sampled frames: a header line for each, then its pixels."""
    with opened(request.media, settings) as container:
        for frame in sample_frames(
            container,
            request.within,
            per_second=request.per_second,
            longest_side=request.longest_side,
            settings=settings,
        ):
            rows, columns, _ = frame.pixels.shape
            _send_report(out, Report(frame=FrameHeader(time=frame.time, rows=rows, columns=columns)))
            out.write(frame.pixels.tobytes())


def _send_report(out: BinaryIO, report: Report) -> None:
    out.write(report.model_dump_json(exclude_defaults=True).encode() + b"\n")
    out.flush()


def _run(task: str, settings: MediaSettings, request: bytes, out: BinaryIO) -> None:
    """Run one task; known errors are reported, any other error exits with a non-zero status."""
    try:
        if task == "frames":
            frames(FramesRequest.model_validate_json(request), settings, out)
        elif task == "captions":
            render(
                CaptionRequest.model_validate_json(request),
                settings,
                lambda share: _send_report(out, Report(progress=share)),
            )
        else:
            decode(SoundRequest.model_validate_json(request), settings, out)
    except MemoryError as error:
        raise DecodeFailed(
            "Decoding this recording needs more memory than the limit allows.", hint="Raise MEDIA__MAX_MEMORY_MB."
        ) from error
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StorageFull("The disk is full.", hint="Free some space, then run the same command again.") from error
        raise


def main() -> None:
    task, parent = sys.argv[1], int(sys.argv[2])
    settings = MediaSettings.model_validate_json(sys.stdin.buffer.readline())
    apply_limits(settings, parent)
    out = sys.stdout.buffer
    try:
        _run(task, settings, sys.stdin.buffer.read(), out)
    except UndertoneError as error:
        _send_report(out, Report(failure=Failure(code=error.code, message=error.message, hint=error.hint)))
    else:
        _send_report(out, Report(done=True))


if __name__ == "__main__":
    main()
