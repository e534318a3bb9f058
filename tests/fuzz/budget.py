"""The seed and the time of a fuzzing run, from FUZZ_SEED and FUZZ_SECONDS; the seed of a failure repeats it."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Iterator

SEED = int(os.environ.get("FUZZ_SEED", "1"))
SHORT_SECONDS = 2.0  # of each target, unless FUZZ_SECONDS is set
SECONDS = float(os.environ.get("FUZZ_SECONDS", SHORT_SECONDS))
TOKENS = (
    b"\0", b"\xff", b"\xef\xbb\xbf", b"-->", b"<v ", b"</v>", b"&#x110000;", b"&#0;", b"{", b"[", b'"',
    b"\\ud800", b"1e999",
    b"-1", b"NaN", b"9" * 30, b"99:59:59.999 --> 00:00:00.000", b"\r\n\r\n", b"\xe2\x80\xa8", b"\xed\xa0\x80",
)  # fmt: skip
MAX_BYTES = 200_000


def attempts(name: str) -> Iterator[random.Random]:
    """One generator of numbers for each attempt, until the time is over: attempt 7 is the same in every run."""
    until = time.monotonic() + SECONDS
    number = 0
    while number == 0 or time.monotonic() < until:
        yield random.Random(f"{SEED} {name} {number}")  # noqa: S311 - not secret
        number += 1
    sys.stdout.write(f"{name}: {number} attempts with FUZZ_SEED={SEED}\n")


def mutated(content: bytes, draw: random.Random) -> bytes:
    """The content with one to eight random changes."""
    changed = bytearray(content)
    for _ in range(draw.randint(1, 8)):
        at, length = draw.randrange(len(changed) + 1), draw.choice((1, 1, 2, 4, 16, 256))
        match draw.randrange(6):
            case 0:
                changed[at : at + length] = draw.randbytes(length)
            case 1:
                del changed[at : at + length]
            case 2:
                changed[at:at] = draw.choice(TOKENS) * draw.choice((1, 1, 1, 50))
            case 3:
                other = draw.randrange(len(changed) + 1)
                changed[at:at] = changed[other : other + length]
            case 4 if at < len(changed):
                changed[at] ^= 1 << draw.randrange(8)
            case _:
                del changed[at:]
        if not changed:
            changed += b"\0"
    return bytes(changed[:MAX_BYTES])
