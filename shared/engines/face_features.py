"""A 48-pixel face as histograms of its edges' directions: what the linear face network sees."""

from __future__ import annotations

import numpy as np

from shared.ports.media import Bytes, Floats

CELL, DIRECTIONS = 6, 9


def edge_histograms(crops: Bytes) -> Floats:  # (face, 48, 48) -> (face, feature)
    faces = crops.astype(np.float32)
    across, down = np.zeros_like(faces), np.zeros_like(faces)
    across[:, :, 1:-1] = faces[:, :, 2:] - faces[:, :, :-2]
    down[:, 1:-1, :] = faces[:, 2:, :] - faces[:, :-2, :]
    strength = np.hypot(across, down)
    angle = (np.arctan2(down, across) / np.pi % 1.0) * DIRECTIONS
    low = np.floor(angle).astype(int) % DIRECTIONS
    share = angle - np.floor(angle)
    cells = faces.shape[1] // CELL
    histogram = np.zeros((len(faces), cells, cells, DIRECTIONS), dtype=np.float32)
    for direction in range(DIRECTIONS):
        # Each edge counts for the two directions that it lies between.
        part = strength * np.where(low == direction, 1 - share, np.where((low + 1) % DIRECTIONS == direction, share, 0))
        histogram[..., direction] = part.reshape(len(faces), cells, CELL, cells, CELL).sum(axis=(2, 4))
    blocks = np.concatenate(
        [histogram[:, a : cells - 1 + a, b : cells - 1 + b] for a in (0, 1) for b in (0, 1)], axis=-1
    )
    blocks /= np.linalg.norm(blocks, axis=-1, keepdims=True) + 10.0
    return blocks.reshape(len(faces), -1)
