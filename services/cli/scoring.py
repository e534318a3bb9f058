"""How far a transcript is from its reference: DER, WER, cpWER, and agreement on intended emotions."""

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
    """Diarization error, overlap scored; missed + false alarm + confusion, over the reference's speech, is the rate."""

    der: float
    missed_seconds: float
    false_alarm_seconds: float
    confusion_seconds: float
    speech_seconds: float  # of the reference, every speaker counted
    reference_speakers: int
    speakers: int


class WordScore(Value):
    """`wer` takes all words in the order of their turns; `cpwer` asks also that the right speaker says them."""

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
    utterances: Sequence[Utterance], reference: Sequence[SpeakerTurn], scored: Sequence[Span], *, collar: float
) -> SpeakerScore:
    truth, guess = _annotation(reference), _annotation(utterances)
    within = Timeline([Segment(stretch.start, stretch.end) for stretch in scored])
    # pyannote means the whole collar; ours, as md-eval's, is on each side of a boundary.
    found = DiarizationErrorRate(collar=2 * collar)(truth, guess, uem=within, detailed=True)
    if not found["total"]:
        raise InvalidTranscript("The reference has no speech in the stretches that are scored.")
    return SpeakerScore(
        der=found["diarization error rate"],
        missed_seconds=round(found["missed detection"], 3),
        false_alarm_seconds=round(found["false alarm"], 3),
        confusion_seconds=round(found["confusion"], 3),
        speech_seconds=round(found["total"], 3),
        reference_speakers=len(truth.labels()),
        speakers=len(guess.labels()),
    )


def _annotation(turns: Iterable[SpeakerTurn | Utterance]) -> Annotation:
    annotation = Annotation()
    for number, turn in enumerate(turns):
        if turn.duration > 0:
            annotation[Segment(turn.start, turn.end), number] = turn.speaker
    # A speaker who overlaps with themselves is one voice and must not count twice.
    return annotation.support()


def score_words(utterances: Sequence[Utterance], reference: Sequence[SpokenTurn]) -> WordScore:
    truth, guess = _words(reference), _words(utterances)
    total = sum(len(words) for _, words in truth)
    if not total:
        raise InvalidTranscript("The reference has no words.")
    found = jiwer.process_words(_joined(truth), _joined(guess))
    return WordScore(
        wer=found.wer,
        cpwer=errors_with_speakers(by_speaker(truth), by_speaker(guess)) / total,
        substitutions=found.substitutions,
        deletions=found.deletions,
        insertions=found.insertions,
        reference_words=total,
    )


def errors_with_speakers(truth: Mapping[str, Sequence[str]], guess: Mapping[str, Sequence[str]]) -> int:
    """Word errors under the best assignment of our speakers to those of the reference; who is left over has no words.

    This is the concatenated minimum-permutation word error rate of CHiME-6 (Watanabe et al., 2020), before division.
    """
    size = max(len(truth), len(guess))
    rows, columns = ([*streams.values(), *[()] * (size - len(streams))] for streams in (truth, guess))
    errors = np.array([[Levenshtein.distance(row, column) for column in columns] for row in rows])
    return int(errors[linear_sum_assignment(errors)].sum())


def _words(turns: Iterable[SpokenTurn | Utterance]) -> list[tuple[str, list[str]]]:
    """Speakers and their words, by time."""
    return [(turn.speaker, normalise(turn.text).split()) for turn in sorted(turns, key=lambda turn: turn.start)]


def by_speaker(turns: Iterable[tuple[str, list[str]]]) -> dict[str, list[str]]:
    streams: dict[str, list[str]] = {}
    for speaker, words in turns:
        streams.setdefault(speaker, []).extend(words)
    return streams


def _joined(turns: Iterable[tuple[str, list[str]]]) -> str:
    return " ".join(word for _, words in turns for word in words)


def normalise(text: str) -> str:
    """Lower case and no punctuation, but for apostrophes inside words; contractions and numbers stay as written."""
    plain = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    return " ".join(re.findall(r"[^\W_]+(?:'[^\W_]+)*", plain))


def score_emotions(utterances: Sequence[Utterance], intended: Sequence[IntendedTurn]) -> EmotionScore:
    """Each intended turn against the emotion perceived for most of its time."""
    confusion: dict[str, Counter[str]] = {}
    for turn in intended:
        confusion.setdefault(turn.emotion, Counter())[_perceived(utterances, turn)] += 1
    hits = sum(perceived[emotion] for emotion, perceived in confusion.items())
    return EmotionScore(
        accuracy=hits / len(intended),
        turns=len(intended),
        confusion={emotion: dict(perceived.most_common()) for emotion, perceived in sorted(confusion.items())},
    )


def _perceived(utterances: Iterable[Utterance], stretch: Span) -> str:
    seconds: dict[str, float] = {}
    for utterance in utterances:
        shared = utterance.overlap(stretch)
        if shared > 0 and utterance.emotion is not None:
            label = utterance.emotion.label
            seconds[label] = seconds.get(label, 0.0) + shared
    return max(seconds, key=seconds.__getitem__, default="nothing")
