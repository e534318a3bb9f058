"""Words and pieces of words as hashed counts: what the linear text network sees, in training and in serving alike."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

BITS = 17
DIMENSIONS = 1 << BITS
TOKEN = re.compile(r"[a-z']+|[!?]")

Row = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]  # (feature,) positions and values


def hashed(text: str) -> Row:
    """Single words, pairs, and character pieces of three to five; scaled to unit length."""
    positions, counts = np.unique(
        [zlib.crc32(gram.encode()) & (DIMENSIONS - 1) for gram in _grams(text)], return_counts=True
    )
    values = (1.0 + np.log(counts)).astype(np.float32)
    length = float(np.linalg.norm(values))
    return positions.astype(np.int64), values / length if length > 0 else values


def _grams(text: str) -> Iterator[str]:
    words = TOKEN.findall(text.lower().replace("’", "'"))
    if not words:
        return
    yield from (f"w:{word}" for word in words)
    yield from (f"p:{one} {two}" for one, two in zip(["<", *words], [*words, ">"], strict=True))
    for word in words:
        padded = f" {word} "
        for size in (3, 4, 5):
            yield from (f"c:{padded[n : n + size]}" for n in range(len(padded) - size + 1))
