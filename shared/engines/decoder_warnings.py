"""What was lost while decoding, told from how a recording ends against how its header said it would."""

from __future__ import annotations

from pathlib import Path

import av
import av.container

from shared.engines.decoder_open import Packets

MAX_SHORTFALL = 1.0  # seconds; durations in headers are rounded
OGG_PAGE, OGG_LAST = b"OggS", 4
MP3_COUNTS = (b"Xing", b"Info", b"VBRI")  # headers that count the frames; without one, the length is a guess
MAX_PAGE = 65_307


def promised_end(container: av.container.InputContainer, path: Path) -> float | None:
    """The length that the header states; good for a progress bar and for noticing a loss, for nothing else."""
    if not container.duration or container.format.name == "aac":  # raw AAC has no header: its length is a guess
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
            f"The recording breaks off after {packets.end:.0f} seconds; "
            f"by its header {missing:.0f} seconds are missing at the end."
        )
    elif packets.torn or (container == "ogg" and not _is_closed_ogg(path)):
        found.append(f"The recording breaks off after {packets.end:.0f} seconds; how much is missing is not known.")
    if inside := packets.damaged - packets.torn:
        found.append(f"{inside} damaged pieces of the recording could not be decoded and are silent or left out.")
    if clock_jumped:
        found.append("The recording's clock jumps; times after the jump count the sound itself.")
    return found


def _is_closed_ogg(path: Path) -> bool:
    """Whether the last page says that it is the last."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - MAX_PAGE))
        tail = file.read()
    last = tail.rfind(OGG_PAGE)
    return last >= 0 and len(tail) > last + 5 and bool(tail[last + 5] & OGG_LAST)
