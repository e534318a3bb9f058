"""Warnings about lost data, from comparing the end of a recording with the length in its header."""

from __future__ import annotations

from pathlib import Path

import av
import av.container

from shared.engines.decoder.open import Packets

MAX_SHORTFALL = 1.0  # seconds; durations in headers are rounded
OGG_PAGE, OGG_LAST = b"OggS", 4
MP3_COUNTS = (b"Xing", b"Info", b"VBRI")  # headers that count the frames; without one, the length is an estimate
MAX_PAGE = 65_307


def promised_end(container: av.container.InputContainer, path: Path) -> float | None:
    """Return the length stated in the header; used only for progress and to detect lost data."""
    if not container.duration or container.format.name == "aac":  # raw AAC has no header: its length is an estimate
        return None
    if container.format.name == "mp3":
        with path.open("rb") as file:
            head = file.read(2**16)
        if not any(mark in head for mark in MP3_COUNTS):
            return None
    return float(container.duration / av.time_base)


def warnings_of(
    packets: Packets, path: Path, container: str, promised: float | None, *, clock_jumped: bool
) -> list[str]:
    found = []
    missing = (promised or 0.0) - packets.end
    if missing > MAX_SHORTFALL:
        found.append(
            f"The recording ends early after {packets.end:.0f} seconds; "
            f"by its header {missing:.0f} seconds are missing at the end."
        )
    elif packets.truncated or (container == "ogg" and not _is_closed_ogg(path)):
        found.append(
            f"The recording ends early after {packets.end:.0f} seconds; the length of the missing part is unknown."
        )
    if inside := packets.damaged - packets.truncated:
        found.append(f"{inside} damaged pieces of the recording could not be decoded and are silent or left out.")
    if clock_jumped:
        found.append("The timestamps of the recording jump; times after the jump are counted in decoded samples.")
    return found


def _is_closed_ogg(path: Path) -> bool:
    """Return whether the last Ogg page has the end-of-stream flag."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - MAX_PAGE))
        tail = file.read()
    last = tail.rfind(OGG_PAGE)
    return last >= 0 and len(tail) > last + 5 and bool(tail[last + 5] & OGG_LAST)
