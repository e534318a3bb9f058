"""Evaluates emotion engines on labelled data, through the same interface as the pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from services.trainer.datasets.faces import read_faces
from services.trainer.datasets.lines import CorpusLine, read_lines
from services.trainer.datasets.voices import load_sound, read_clips
from services.trainer.labels import prior_of
from services.trainer.metrics import classification_metrics
from shared.domain.emotion import EMOTIONS, Modality
from shared.domain.error import InvalidRequest
from shared.domain.speech import Utterance, Word
from shared.engines.catalog import ENCODERS, FACES, Setup, choose
from shared.engines.fusion_loglinear import evidence_of
from shared.ports.engines import Encoding, FaceClip, ModalityEncoder, UtteranceClip
from shared.ports.media import Audio, Floats, Progress

LAYOUTS = {
    Modality.TEXT: ("meld", "emorynlp", "goemotions", "csv"),
    Modality.VOICE: ("ravdess", "emodb", "crema-d", "csv"),
    Modality.FACE: ("fer2013", "csv"),
}
NO_SOUND = Audio(np.zeros(0, dtype=np.float32))
FRAMES = 3  # per image: the smallest number accepted for an utterance


def evaluate_emotion(
    modality: Modality, data: Path, layout: str, engine: str | None, setup: Setup, progress: Progress
) -> dict[str, Any]:
    """Metrics of one modality alone; each layout uses its own class prior."""
    if layout not in LAYOUTS[modality]:
        raise InvalidRequest(f"There is no layout {layout!r} for {modality}; there is {', '.join(LAYOUTS[modality])}.")
    if not data.exists():
        raise InvalidRequest(f"{str(data)!r} does not exist.")
    encoder = choose(ENCODERS[modality], engine, setup)
    predict = {Modality.TEXT: _text, Modality.VOICE: _voice, Modality.FACE: _face}[modality]
    posterior, truth, unavailable = predict(encoder, data, layout, setup, progress)
    metrics = classification_metrics(posterior, truth)
    return {"engine": encoder.name, "layout": layout, "unavailable": unavailable} | metrics


Predictions = tuple[np.ndarray, np.ndarray, int]  # log posterior (row, 7), truth (row,), rows without evidence


def _text(encoder: ModalityEncoder, data: Path, layout: str, _setup: Setup, progress: Progress) -> Predictions:
    files = sorted([*data.glob("*.csv"), *data.glob("*.tsv")]) if data.is_dir() else [data]
    lines = [line for file in files for line in read_lines(file, layout)]
    if not lines:
        raise InvalidRequest(f"There is no line of the layout {layout} in {data}.")
    conversations = [list(group) for _, group in groupby(lines, key=_Dialogues())]
    encodings, done = [], 0
    for conversation in conversations:
        encodings.append(encoder.encode([_text_clip(number, line) for number, line in enumerate(conversation)], _quiet))
        done += len(conversation)
        progress(done / len(lines))
    # A comment with several labels has no single truth.
    single = np.array([len(line.emotions) == 1 for line in lines])
    truth = np.array([line.emotions[0] for line in lines])
    posterior = np.concatenate([_posterior(encoding, layout) for encoding in encodings])
    return posterior[single], truth[single], _count_unavailable(encodings)


class _Dialogues:
    """Numbers the dialogues: a line without previous turns starts a new one."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self, line: CorpusLine) -> int:
        self.number += not line.before
        return self.number


def _text_clip(number: int, line: CorpusLine) -> UtteranceClip:
    words = (Word(start=number, end=number + 1, text=line.text or "…"),)
    utterance = Utterance(
        index=number, start=number, end=number + 1, speaker=line.speaker or "S1", text=line.text, words=words
    )
    return UtteranceClip(utterance, NO_SOUND, "no_video")


def _voice(encoder: ModalityEncoder, data: Path, layout: str, _setup: Setup, progress: Progress) -> Predictions:
    clips = read_clips(data, layout)
    by_speaker = sorted(range(len(clips)), key=lambda number: clips[number].speaker)
    encodings, order, done = [], [], 0
    # One speaker is one conversation, so that normalisation per speaker uses that speaker only.
    for _, group in groupby(by_speaker, key=lambda number: clips[number].speaker):
        numbers = list(group)
        sounds = [load_sound(clips[number].path) for number in numbers]
        encodings.append(encoder.encode([_voice_clip(index, sound) for index, sound in enumerate(sounds)], _quiet))
        order += numbers
        done += len(numbers)
        progress(done / len(clips))
    posterior = np.concatenate([_posterior(encoding, layout) for encoding in encodings])
    return posterior, np.array([clips[number].label for number in order]), _count_unavailable(encodings)


def _voice_clip(index: int, sound: Floats) -> UtteranceClip:
    audio = Audio(sound)
    end = index + max(audio.duration, 0.01)
    words = (Word(start=index, end=end, text="…"),)
    return UtteranceClip(Utterance(index=index, start=index, end=end, speaker="S1", text="…", words=words), audio, "")


def _face(encoder: ModalityEncoder, data: Path, layout: str, setup: Setup, progress: Progress) -> Predictions:
    crops, truth = read_faces(data, layout, choose(FACES, None, setup))
    ones = np.ones(FRAMES, dtype=np.float32)
    clips = [
        UtteranceClip(
            _text_clip(number, CorpusLine("", "…", "", (), (), -1)).utterance,
            NO_SOUND,
            FaceClip(ones, np.repeat(crop[None], FRAMES, axis=0), ones, margin=1.0, coverage=1.0),
        )
        for number, crop in enumerate(crops)
    ]
    encoding = encoder.encode(clips, progress)
    return _posterior(encoding, layout), truth, _count_unavailable([encoding])


def _posterior(encoding: Encoding, layout: str) -> np.ndarray:
    """The calibrated posterior, with the prior of the data in place of the network's own."""
    own = np.array([encoding.calibration.prior[emotion] for emotion in EMOTIONS])
    expected = prior_of(layout)
    evidence = evidence_of(encoding)
    evidence[[reason is not None for reason in encoding.unavailable]] = 0
    return np.asarray(evidence + np.log(own if expected is None else expected))


def _count_unavailable(encodings: Sequence[Encoding]) -> int:
    return sum(reason is not None for encoding in encodings for reason in encoding.unavailable)


def _quiet(_share: float) -> None:
    """Progress is reported per conversation."""
