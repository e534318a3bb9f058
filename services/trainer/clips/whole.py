"""Files that are there whole or not at all, whenever the run is killed."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np


def save_whole(path: Path, **arrays: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(f".{os.getpid()}.part")
    with aside.open("wb") as file:
        np.savez(file, **arrays)
    aside.replace(path)
