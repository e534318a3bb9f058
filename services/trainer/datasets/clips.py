"""Readers of clip corpora with text, voice and face of one utterance, where available: five layouts, one row type."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from pathlib import Path

from services.trainer.datasets.clip import FILMS, SOUNDS, SPLITS, Clip, divided, sentiment_of
from services.trainer.datasets.clips_iemocap import read_iemocap
from services.trainer.labels import CREMA_D, NUMBER, RAVDESS, SENTIMENT_NUMBER, UNKNOWN
from shared.domain.emotion import Emotion, Sentiment
from shared.domain.error import InvalidRequest

MELD = {  # split: its table, its folder of clips
    "train": ("train_sent_emo.csv", "train_splits"),
    "dev": ("dev_sent_emo.csv", "dev_splits_complete"),
    "test": ("test_sent_emo.csv", "output_repeated_splits_test"),
}
SPEECH = "01"  # RAVDESS also contains songs


def read_clip_corpus(data: Path, layout: str) -> list[Clip]:
    if layout not in LAYOUTS:
        raise InvalidRequest(f"There is no layout {layout!r} for clips; there is {', '.join(LAYOUTS)}.")
    clips = LAYOUTS[layout](data)
    if not clips:
        raise InvalidRequest(f"There is no clip of the layout {layout} in {data}.")
    for split in ("train", "dev"):
        if not any(clip.split == split and clip.label != UNKNOWN for clip in clips):
            raise InvalidRequest(
                f"No labelled clip for {'training' if split == 'train' else 'evaluation'}: "
                f"the split {split!r} of {data} has none.",
                hint="Add clips of two speakers or more, or set the splits in a column of the table.",
            )
    return clips


def _meld(data: Path) -> list[Clip]:
    """Each table is beside or above its folder of clips, which are named after dialogue and utterance."""
    clips = []
    for split, (table, folder) in MELD.items():
        tables, folders = sorted(data.rglob(table)), sorted(data.rglob(folder))
        if not tables or not folders:
            continue
        with tables[0].open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                dialogue, number = row["Dialogue_ID"], row["Utterance_ID"]
                path = folders[0] / f"dia{dialogue}_utt{number}.mp4"
                label, sentiment = NUMBER[Emotion(row["Emotion"])], SENTIMENT_NUMBER[Sentiment(row["Sentiment"])]
                name = f"{split} {dialogue}"
                clips.append(Clip(path, label, row["Speaker"], name, split, row["Utterance"], sentiment))
    return clips


def _crema_d(data: Path) -> list[Clip]:
    """SPEAKER_SENTENCE_EMOTION_LEVEL; a video is preferred to an audio file of the same name."""
    found: dict[str, Clip] = {}
    for path in _media(data):
        codes = path.stem.split("_")
        if len(codes) == 4 and codes[2] in CREMA_D:
            emotion = CREMA_D[codes[2]]
            found.setdefault(
                path.stem, Clip(path, NUMBER[emotion], codes[0], path.stem, sentiment=sentiment_of(emotion))
            )
    return divided(list(found.values()), by="speaker")


def _ravdess(data: Path) -> list[Clip]:
    """KIND-CHANNEL-EMOTION-INTENSITY-STATEMENT-REPETITION-ACTOR; kind 01 is video with audio, 03 audio alone."""
    found: dict[str, Clip] = {}
    for path in _media(data):
        codes = path.stem.split("-")
        if len(codes) == 7 and codes[0] in {"01", "03"} and codes[1] == SPEECH and codes[2] in RAVDESS:
            emotion, spoken = RAVDESS[codes[2]], "-".join(codes[1:])
            clip = Clip(path, NUMBER[emotion], codes[6], spoken, sentiment=sentiment_of(emotion))
            found.setdefault(spoken, clip)
    return divided(list(found.values()), by="speaker")


def _csv(data: Path) -> list[Clip]:
    """`clips.csv`, or the only table: path and label, with speaker, text, dialogue, split and sentiment."""
    table = data / "clips.csv"
    if not table.is_file():
        tables = sorted(data.glob("*.csv"))
        if len(tables) != 1:
            raise InvalidRequest(f"There is no clips.csv in {data}.", hint="Create it; see docs/training.md.")
        table = tables[0]
    with table.open(encoding="utf-8", newline="") as file:
        clips = [_row(table, number, row) for number, row in enumerate(csv.DictReader(file), start=2)]
    if all(clip.split for clip in clips):
        return clips
    if any(clip.split for clip in clips):
        raise InvalidRequest(f"{table.name} sets the split of some clips only.", hint="Set it for all or for none.")
    return divided(clips, by="dialogue" if len({clip.dialogue for clip in clips}) < len(clips) else "speaker")


def _row(table: Path, number: int, row: Mapping[str, str | None]) -> Clip:
    def cell(name: str) -> str:
        return (row.get(name) or "").strip()

    def refused(name: str) -> InvalidRequest:
        return InvalidRequest(f"Row {number} of {table.name} has no {name} that is known here: {cell(name)!r}.")

    if not cell("path"):
        raise refused("path")
    if cell("label") not in NUMBER:
        raise refused("label")
    if cell("split") not in {"", *SPLITS}:
        raise refused("split")
    if cell("sentiment") not in {"", *SENTIMENT_NUMBER}:
        raise refused("sentiment")
    emotion = Emotion(cell("label"))
    return Clip(
        path=table.parent / cell("path"),
        label=NUMBER[emotion],
        speaker=cell("speaker") or f"row {number}",
        dialogue=cell("dialogue") or f"row {number}",
        split=cell("split"),
        text=cell("text"),
        sentiment=SENTIMENT_NUMBER[Sentiment(cell("sentiment"))] if cell("sentiment") else sentiment_of(emotion),
    )


def _media(data: Path) -> list[Path]:
    """Videos before audio files, in order of their names."""
    kinds = {ending: number for number, ending in enumerate((*FILMS, *SOUNDS))}
    found = [path for path in data.rglob("*") if path.suffix.lower() in kinds and not path.name.startswith(".")]
    return sorted(found, key=lambda path: (kinds[path.suffix.lower()], path))


LAYOUTS: Mapping[str, Callable[[Path], list[Clip]]] = {
    "meld": _meld,
    "iemocap": read_iemocap,
    "crema-d": _crema_d,
    "ravdess": _ravdess,
    "csv": _csv,
}
