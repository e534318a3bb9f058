"""Makes a small folder of clips with speech and faces for the tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from shared.ports.media import Bytes, Floats
from tests.media_files import RATE, Picture, tone, write_media
from tests.synthetic_faces import blank, draw_face

# Of each clip: kind (a video with a face, audio alone, words with a broken video), dialogue, split, words.
CLIPS = (
    ("film", "joy", "Ana", "d1", "train", "I love this so much"),
    ("film", "anger", "Ben", "d1", "train", "I am so angry with you"),
    ("sound", "neutral", "Ana", "d1", "train", "the report is on the table"),
    ("film", "sadness", "Ben", "d2", "train", ""),
    ("sound", "joy", "Cem", "d2", "train", "what a wonderful surprise"),
    ("broken", "neutral", "Ben", "d2", "train", "we meet again on monday"),
    ("film", "joy", "Dee", "d3", "dev", "I love it"),
    ("sound", "anger", "Eli", "d3", "dev", "no I hate that"),
    ("film", "neutral", "Dee", "d3", "dev", "the table is here"),
    ("film", "joy", "Fay", "d4", "test", "that is wonderful"),
)  # fmt: skip
SECONDS = 1.5


def make_clips(folder: Path) -> Path:
    """Writes a table and its clips; returns the folder."""
    folder.mkdir(parents=True)
    rows = ["path,label,speaker,dialogue,split,text"]
    for number, (kind, label, speaker, dialogue, split, text) in enumerate(CLIPS):
        path = folder / f"{number}.{'wav' if kind == 'sound' else 'mp4'}"
        rows.append(f"{path.name},{label},{speaker},{dialogue},{split},{text}")
        if kind == "broken":
            path.write_bytes(b"\x00\x00\x00\x18ftypisom and then nothing")
            continue
        picture = Picture(SECONDS, 320, 240, draw=_speaking(number)) if kind == "film" else None
        write_media(path, voice(150 + 20 * number), picture=picture)
    (folder / "clips.csv").write_text("\n".join(rows) + "\n")
    return folder


def voice(hertz: float) -> Floats:
    """A tone with pauses: a continuous tone would be classified as noise."""
    sound = tone(SECONDS, hertz=hertz)
    sound[(np.arange(len(sound)) // (RATE // 10)) % 3 == 2] *= 0.01
    return sound


def _speaking(number: int) -> Callable[[int], Bytes]:
    def draw(frame: int) -> Bytes:
        pixels = blank(240, 320)
        draw_face(pixels, 160, 120, 90 + 2 * number, mouth=frame % 2)
        return pixels

    return draw


def as_served(name: str, tiny: Any) -> Any:
    """A tiny configuration with the pipeline's input sizes: faces of 48 pixels, and one layer of states."""
    if name.startswith("mme2e"):
        return replace(tiny, side=48)
    if name == "av-transformer":
        return replace(tiny, side=48, states=1)
    return replace(tiny, speakers=9) if name == "sdt" else tiny
