"""Readers of spoken clips with the acted emotion and the speaker."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from services.trainer.labels import CREMA_D, EMODB, NUMBER, RAVDESS
from shared.domain.emotion import Emotion
from shared.domain.error import InvalidRequest, UndertoneError
from shared.engines.decoder.sound import decode_sound
from shared.engines.settings import MediaSettings
from shared.ports.media import Floats

EMODB_WOMEN = {"08", "09", "13", "14", "16"}
SOUNDS = {".opus", ".ogg", ".wav", ".flac", ".mp3", ".m4a"}
# Two men and two women of RAVDESS, a man and a woman of EmoDB, and every eighth reader: the speaker encoder is never
# trained on them, so that meetings simulated from them evaluate it fairly.
HELD_OUT_SPEAKERS = {"ravdess 17", "ravdess 18", "ravdess 19", "ravdess 20", "emodb 12", "emodb 13"}
EVERY, READERS = 8, 30


@dataclass(frozen=True, slots=True)
class SpokenClip:
    path: Path
    label: int
    speaker: str

    @property
    def corpus(self) -> str:
        return self.speaker.split()[0]


def read_clips(path: Path, layout: str) -> list[SpokenClip]:
    if layout == "csv":
        return list(_csv(path))
    read = {"ravdess": _ravdess, "emodb": _emodb, "crema-d": _crema_d}[layout]
    files = [path] if path.is_file() else sorted(found for found in path.rglob("*") if found.suffix.lower() in SOUNDS)
    clips = [clip for file in files if (clip := read(file)) is not None]
    if not clips:
        raise InvalidRequest(f"There is no clip of the layout {layout} in {path}.")
    return clips


def _ravdess(path: Path) -> SpokenClip | None:
    codes = path.stem.split("-")
    if len(codes) != 7 or codes[2] not in RAVDESS:
        return None
    return SpokenClip(path, NUMBER[RAVDESS[codes[2]]], f"ravdess {codes[6]}")


def _emodb(path: Path) -> SpokenClip | None:
    """Speaker, text, emotion, version in seven letters; boredom is not one of the seven emotions and is skipped."""
    name = path.stem
    if len(name) != 7 or name[5] not in EMODB:
        return None
    return SpokenClip(path, NUMBER[EMODB[name[5]]], f"emodb {name[:2]}")


def _crema_d(path: Path) -> SpokenClip | None:
    codes = path.stem.split("_")
    if len(codes) != 4 or codes[2] not in CREMA_D:
        return None
    return SpokenClip(path, NUMBER[CREMA_D[codes[2]]], f"crema-d {codes[0]}")


def _csv(path: Path) -> Iterator[SpokenClip]:
    """Columns path (relative to the table), label, and optionally speaker."""
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file)):
            speaker = row.get("speaker") or f"row {number}"
            yield SpokenClip(path.parent / row["path"], NUMBER[Emotion(row["label"])], speaker)


def read_speech(data: Path) -> list[Path]:
    """The recordings of readers, one each."""
    folder = data / "speech" / "librispeech_speakers"
    files = sorted(path for path in folder.glob("*") if path.suffix in SOUNDS)
    if not files:
        raise InvalidRequest(f"There is no read speech in {str(folder)!r}; docs/training.md describes the data layout.")
    return files


def reader(path: Path) -> str:
    """The speaker of a LibriSpeech file."""
    return f"librispeech {path.stem.split('-')[0]}"


def held_out_speakers(speakers: Iterable[str]) -> set[str]:
    """The speakers that are reserved for evaluation."""
    known = set(speakers)
    readers = sorted(name for name in known if name.startswith("librispeech"))
    return {*readers[::EVERY][:READERS], *(known & HELD_OUT_SPEAKERS)}


def is_woman(speaker: str) -> bool:
    """As documented by the corpora: RAVDESS gives women even numbers."""
    corpus, name = speaker.split()
    return name in EMODB_WOMEN if corpus == "emodb" else int(name) % 2 == 0


def load_sound(path: Path) -> Floats:
    """Decodes to 16 kHz mono with the serving decoder."""
    with TemporaryDirectory() as folder:
        mix = Path(folder, "mix.f32")
        try:
            decode_sound(str(path), mix, MediaSettings(), channels_into=None, progress=lambda _: None)
        except UndertoneError as error:
            raise InvalidRequest(f"{path.name} cannot be read: {error.message}") from error
        return np.fromfile(mix, dtype="<f4")
