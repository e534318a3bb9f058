"""The limited child: decodes sound into files of samples, or streams sampled frames; started by decoder_limits.py."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import BinaryIO

from shared.domain.error import DecodeFailed, StorageFull, UndertoneError
from shared.domain.recording import Probe, TrackProbe
from shared.engines.caption_orders import CaptionOrder
from shared.engines.caption_render import render
from shared.engines.decoder_frames import sample_frames
from shared.engines.decoder_limits import confine
from shared.engines.decoder_open import opened
from shared.engines.decoder_orders import Failure, FramesOrder, Picture, Report, SoundOrder
from shared.engines.decoder_sound import decode_sound
from shared.engines.settings import MediaSettings


def decode(order: SoundOrder, settings: MediaSettings, out: BinaryIO) -> None:
    """Write mix.f32 and the tracks into the folder that was ordered."""
    into, parts = Path(order.into), 1 + len(order.tracks)

    def one(path: str, file: str, number: int, channels_into: Path | None) -> Probe:
        def progress(share: float) -> None:
            _tell(out, Report(progress=(number + share) / parts))

        return decode_sound(path, into / file, settings, channels_into=channels_into, progress=progress)

    probe = one(order.media, "mix.f32", 0, into if order.separate_channels else None)
    tracks, warnings = list(probe.tracks), list(probe.warnings)
    for number, track in enumerate(order.tracks):
        try:
            found = one(track.path, f"track-{number}.f32", number + 1, None)
        except UndertoneError as error:
            raise type(error)(f"Track {track.name!r}: {error.message}", mend=error.mend) from error
        tracks.append(TrackProbe(name=track.name, seconds=found.duration))
        warnings += [f"Track {track.name!r}: {warning}" for warning in found.warnings]
    _tell(out, Report(probe=probe.model_copy(update={"tracks": tuple(tracks), "warnings": tuple(warnings)})))


def frames(order: FramesOrder, settings: MediaSettings, out: BinaryIO) -> None:
    """Stream the sampled frames: a line that announces each, then its pixels."""
    with opened(order.media, settings) as container:
        for frame in sample_frames(
            container,
            order.within,
            per_second=order.per_second,
            longest_side=order.longest_side,
            settings=settings,
        ):
            rows, columns, _ = frame.pixels.shape
            _tell(out, Report(picture=Picture(time=frame.time, rows=rows, columns=columns)))
            out.write(frame.pixels.tobytes())


def _tell(out: BinaryIO, report: Report) -> None:
    out.write(report.model_dump_json(exclude_defaults=True).encode() + b"\n")
    out.flush()


def _run(task: str, settings: MediaSettings, order: bytes, out: BinaryIO) -> None:
    """Errors that we understand are told as they are; any other ends the child with a status that is not 0."""
    try:
        if task == "frames":
            frames(FramesOrder.model_validate_json(order), settings, out)
        elif task == "captions":
            render(CaptionOrder.model_validate_json(order), settings, lambda share: _tell(out, Report(progress=share)))
        else:
            decode(SoundOrder.model_validate_json(order), settings, out)
    except MemoryError as error:
        raise DecodeFailed(
            "Decoding this recording needs more memory than it may have.", mend="Raise MEDIA__MAX_MEMORY_MB."
        ) from error
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise StorageFull("The disk is full.", mend="Free some space, then run the same command again.") from error
        raise


def main() -> None:
    task, parent = sys.argv[1], int(sys.argv[2])
    settings = MediaSettings.model_validate_json(sys.stdin.buffer.readline())
    confine(settings, parent)
    out = sys.stdout.buffer
    try:
        _run(task, settings, sys.stdin.buffer.read(), out)
    except UndertoneError as error:
        _tell(out, Report(failure=Failure(code=error.code, message=error.message, mend=error.mend)))
    else:
        _tell(out, Report(done=True))


if __name__ == "__main__":
    main()
