"""Error metrics of a transcript: DER, WER, cpWER, and agreement on intended emotions."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import jiwer
import numpy as np
from pyannote.core import Annotation, Segment, Timeline
from pyannote.metrics.diarization import DiarizationErrorRate
from rapidfuzz.distance import Levenshtein
from scipy.optimize import linear_sum_assignment

from services.cli.references import IntendedTurn, SpokenTurn
from shared.domain.error import InvalidTranscript
from shared.domain.span import Span
from shared.domain.speech import SpeakerTurn, Utterance
from shared.domain.value import Value


class SpeakerScore(Value):
    """Diarization error with overlap: (missed + false alarm + confusion) / the reference's speech."""

    der: float
    missed_seconds: float
    false_alarm_seconds: float
    confusion_seconds: float
    speech_seconds: float  # of the reference, summed over speakers
    reference_speakers: int
    speakers: int


class WordScore(Value):
    """`wer` compares all words in turn order; `cpwer` also requires the right speaker."""

    wer: float
    cpwer: float
    substitutions: int
    deletions: int
    insertions: int
    reference_words: int


class EmotionScore(Value):
    accuracy: float
    turns: int
    # intended emotion -> perceived emotion (or nothing) -> turns
    confusion: dict[str, dict[str, int]]


def score_speakers(
    turns: Sequence[SpeakerTurn], reference: Sequence[SpeakerTurn], scored: Sequence[Span], *, collar: float
) -> SpeakerScore:
    truth, guess = _annotation(reference), _annotation(turns)
    within = Timeline([Segment(span.start, span.end) for span in scored])
    # pyannote's collar is the total width; ours, like md-eval's, is the width on each side of a boundary.
    metrics = DiarizationErrorRate(collar=2 * collar)(truth, guess, uem=within, detailed=True)
    if not metrics["total"]:
        raise InvalidTranscript("The reference has no speech in the scored spans.")
    return SpeakerScore(
        der=metrics["diarization error rate"],
        missed_seconds=round(metrics["missed detection"], 3),
        false_alarm_seconds=round(metrics["false alarm"], 3),
        confusion_seconds=round(metrics["confusion"], 3),
        speech_seconds=round(metrics["total"], 3),
        reference_speakers=len(truth.labels()),
        speakers=len(guess.labels()),
    )


def _annotation(turns: Iterable[SpeakerTurn]) -> Annotation:
    annotation = Annotation()
    for number, turn in enumerate(turns):
        if turn.duration > 0:
            annotation[Segment(turn.start, turn.end), number] = turn.speaker
    # Overlapping turns of the same speaker must not count twice.
    return annotation.support()


def score_words(utterances: Sequence[Utterance], reference: Sequence[SpokenTurn]) -> WordScore:
    truth, guess = _words(reference), _words(utterances)
    total = sum(len(words) for _, words in truth)
    if not total:
        raise InvalidTranscript("The reference has no words.")
    metrics = jiwer.process_words(_joined(truth), _joined(guess))
    return WordScore(
        wer=metrics.wer,
        cpwer=errors_with_speakers(by_speaker(truth), by_speaker(guess)) / total,
        substitutions=metrics.substitutions,
        deletions=metrics.deletions,
        insertions=metrics.insertions,
        reference_words=total,
    )


def errors_with_speakers(truth: Mapping[str, Sequence[str]], guess: Mapping[str, Sequence[str]]) -> int:
    """Word errors under the best assignment of our speakers to the reference's; unassigned speakers have no words.

    This is the concatenated minimum-permutation word error rate of CHiME-6 (Watanabe et al., 2020), before division.
    """
    size = max(len(truth), len(guess))
    rows, columns = ([*streams.values(), *[()] * (size - len(streams))] for streams in (truth, guess))
    errors = np.array([[Levenshtein.distance(row, column) for column in columns] for row in rows])
    return int(errors[linear_sum_assignment(errors)].sum())


def _words(turns: Iterable[SpokenTurn | Utterance]) -> list[tuple[str, list[str]]]:
    """The words of each turn with their speaker, by time."""
    return [(turn.speaker, normalise(turn.text).split()) for turn in sorted(turns, key=lambda turn: turn.start)]


def by_speaker(turns: Iterable[tuple[str, list[str]]]) -> dict[str, list[str]]:
    streams: dict[str, list[str]] = {}
    for speaker, words in turns:
        streams.setdefault(speaker, []).extend(words)
    return streams


def _joined(turns: Iterable[tuple[str, list[str]]]) -> str:
    return " ".join(word for _, words in turns for word in words)


def normalise(text: str) -> str:
    """Lower case without punctuation, except apostrophes inside words; contractions and numbers are unchanged."""
    plain = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    return " ".join(re.findall(r"[^\W_]+(?:'[^\W_]+)*", plain))


def score_emotions(utterances: Sequence[Utterance], intended: Sequence[IntendedTurn]) -> EmotionScore:
    """Compare each intended turn with the emotion perceived for most of its duration."""
    confusion: dict[str, Counter[str]] = {}
    for turn in intended:
        confusion.setdefault(turn.emotion, Counter())[_perceived(utterances, turn)] += 1
    hits = sum(perceived[emotion] for emotion, perceived in confusion.items())
    return EmotionScore(
        accuracy=hits / len(intended),
        turns=len(intended),
        confusion={emotion: dict(perceived.most_common()) for emotion, perceived in sorted(confusion.items())},
    )


def _perceived(utterances: Iterable[Utterance], span: Span) -> str:
    seconds: dict[str, float] = {}
    for utterance in utterances:
        shared = utterance.overlap(span)
        if shared > 0 and utterance.emotion is not None:
            label = utterance.emotion.label
            seconds[label] = seconds.get(label, 0.0) + shared
    return max(seconds, key=seconds.__getitem__, default="nothing")
