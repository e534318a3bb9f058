"""The diarize stage: finds local voices in short windows, and recognises the same person across windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shared.domain.span import Span
from shared.domain.speech import SpeakerTurn
from shared.domain.stage_plan import DIARIZE
from shared.pipeline.artifacts import SpeechMap, Turns, open_audio
from shared.pipeline.cluster_voices import Pairs, find_voices, nearest, settle
from shared.pipeline.known_voices import KnownVoices
from shared.pipeline.local_speech import Piece, embed_pieces, pieces_of, seconds_alone
from shared.pipeline.quiet import find_pauses
from shared.pipeline.speaker_turns import find_turns
from shared.pipeline.stage import WholeStage, Workspace
from shared.ports.engines import Segmentation, SpeakerEncoder, SpeechSegmenter
from shared.ports.media import Audio, Floats, Progress

COUNTABLE = 1.0  # seconds alone; only pieces with at least as much are clustered, the others are assigned later
CONTRADICTING = 0.5  # seconds alone; two voices of one window are two people if both have as much
AGREED = 0.6  # share of the windows; a voice that fewer recognise, where one of them does, is not a person
LONG = 2.4  # seconds alone; shorter speech of one voice is less similar
SHORT, ENOUGH = 0.14, 0.47  # the threshold of one voice falls by so much if no speech is long, and not with this share
CONTEXT = 0.2  # weight of the rest of a voice's speech in its window, when one of its pieces is assigned


@dataclass(frozen=True, slots=True)
class Diarize(WholeStage):
    spec = DIARIZE
    segmenter: SpeechSegmenter
    encoder: SpeakerEncoder
    speakers: int | None = None
    max_speakers: int | None = None
    known: KnownVoices | None = None

    @property
    def engine(self) -> str:
        return f"{self.segmenter.name}+{self.encoder.name}"

    def identity(self) -> Mapping[str, object]:
        return {
            "segmenter": self.segmenter.fingerprint,
            "encoder": self.encoder.fingerprint,
            "same_voice": self.encoder.same_voice,
            "speakers": self.speakers,
            "max_speakers": self.max_speakers,
            "rules": 6,
            **({"known": [(one.name, one.sha256) for one, _ in self.known.clips]} if self.known else {}),
        }

    def run(self, work: Workspace, _parts: Sequence[Path], /) -> None:
        speech = work.read("detect_speech", SpeechMap).tracks[0].spans
        audio = open_audio(work.inputs["decode"])
        turns = tuple(self.diarize(audio, speech, work.progress))
        recognised = self.known.recognise(turns, audio, self.encoder) if self.known else {}
        if self.known and len(recognised) < len(self.known.clips):
            missing = len(self.known.clips) - len(recognised)
            work.warn("voice_not_found", f"{missing} of {len(self.known.clips)} known voices were not found.")
        work.write(Turns(turns=turns, recognised=recognised))

    def diarize(self, audio: Audio, speech: Sequence[Span], progress: Progress) -> list[SpeakerTurn]:
        segmentation = self.segmenter.segment(audio, speech, lambda done: progress(done / 2))
        pieces = list(pieces_of(segmentation))
        if not pieces:
            return []
        embeddings = embed_pieces(self.encoder, audio, segmentation, pieces, lambda done: progress((1 + done) / 2))
        alone = np.array([len(piece.alone) for piece in pieces], dtype=np.float32) * np.float32(segmentation.step)
        countable = alone >= min(COUNTABLE, float(alone.max()))
        clustered = [piece for piece, counts in zip(pieces, countable, strict=True) if counts]
        rows, seconds = embeddings[countable], seconds_alone(segmentation, clustered)
        voices = find_voices(
            rows,
            seconds,
            conflicts(clustered, segmentation.step),
            same_voice=self.encoder.same_voice - threshold_loss(seconds, alone[countable]),
            speakers=self.speakers,
            max_speakers=self.max_speakers,
        )
        if self.speakers is None:
            agreed = agreement(segmentation, clustered, nearest(rows, voices), len(voices))
            voices = settle(rows, seconds, voices[agreed >= min(AGREED, float(agreed.max()))])
        similarity = with_context(embeddings, pieces, np.maximum(alone, np.float32(0.1))) @ voices.T
        return find_turns(segmentation, pieces, similarity, speech, find_pauses(audio, segmentation))


def threshold_loss(seconds: Floats, alone: Floats) -> float:
    """How much lower the threshold of one voice is, because much of the speech is in short pieces."""
    share = float(seconds[alone >= LONG].sum() / seconds.sum())
    return SHORT * max(0.0, 1 - share / ENOUGH)


def conflicts(pieces: Sequence[Piece], step: float) -> Pairs:
    """The pairs of pieces that are two people: long enough, and of two voices of one window."""
    long_enough = [number for number, piece in enumerate(pieces) if len(piece.alone) * step >= CONTRADICTING]
    found = [
        pair
        for _, window in groupby(long_enough, lambda number: pieces[number].window)
        for pair in combinations(window, 2)
        if pieces[pair[0]].voice != pieces[pair[1]].voice
    ]
    return np.array(found, dtype=np.intp).reshape(-1, 2)


def agreement(
    segmentation: Segmentation, pieces: Sequence[Piece], labels: npt.NDArray[np.intp], voices: int
) -> Floats:  # (voice,)
    """For each voice, the mean share of the windows that recognise it, at the moments at which one of them does."""
    frames = [segmentation.windows[piece.window].first + piece.alone for piece in pieces]
    everyone = np.bincount(np.concatenate(frames), minlength=segmentation.frames)
    found = np.zeros(voices, dtype=np.float32)
    for voice in np.unique(labels).tolist():
        own = np.concatenate([one for one, label in zip(frames, labels, strict=True) if label == voice])
        heard = np.bincount(own, minlength=segmentation.frames)
        found[voice] = float(heard @ heard) / max(1.0, float(heard @ everyone))
    return found


def with_context(embeddings: Floats, pieces: Sequence[Piece], seconds: Floats) -> Floats:  # (piece, dim)
    """The embeddings with a part of what the same voice says in the rest of its window, of unit length."""
    weighted = embeddings * seconds[:, None]
    mixed = np.empty_like(weighted)
    for _, group in groupby(range(len(pieces)), lambda number: (pieces[number].window, pieces[number].voice)):
        numbers = list(group)
        mixed[numbers] = (1 - CONTEXT) * weighted[numbers] + CONTEXT * weighted[numbers].sum(axis=0)
    return np.asarray(mixed / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-9), dtype=np.float32)
