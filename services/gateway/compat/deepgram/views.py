"""Transcripts as Deepgram's API shows them; times are seconds, speakers are numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from services.gateway.compat.deepgram.options import ListenOptions
from services.gateway.compat.passages import (
    Passage,
    mean_confidence,
    paragraphs,
    sentences,
    split_at_pauses,
    utterances,
)
from shared.domain.emotion import EmotionReading, Sentiment
from shared.domain.job_record import JobRecord
from shared.domain.speech import Word
from shared.infra.transcript_reader import VisibleTranscript

NO_READINGS = "The key has no scope emotions:read, so there is no sentiment."
POSITIVE_ABOVE = 1 / 3  # the vendor's limit; negative below its opposite
PUNCTUATION = '.,;:!?…"“”()[]'


def show(
    record: JobRecord, shown: VisibleTranscript, options: ListenOptions, warnings: Sequence[str]
) -> dict[str, Any]:
    transcript = shown.transcript
    passages = utterances(transcript)
    if not shown.emotion:
        passages = [Passage(one.speaker, one.words, one.text) for one in passages]
    readable = options.sentiment and shown.emotion
    channels = _channels(passages, options)
    warnings = [*warnings, *transcript.warnings, *([NO_READINGS] if options.sentiment and not readable else [])]
    engine = next((one.engine for one in transcript.provenance if one.stage == "transcribe"), "none")
    results: dict[str, Any] = {
        "channels": [
            {
                **({"detected_language": transcript.language} if options.detect_language else {}),
                "alternatives": [_alternative(own, options)],
            }
            for own in channels
        ]
    }
    if options.utterances:
        split = passages if options.utt_split is None else split_at_pauses(passages, options.utt_split)
        results["utterances"] = [_utterance(number, one, options) for number, one in enumerate(split)]
    if readable:
        results["sentiments"] = _sentiments(passages)
    return {
        "metadata": {
            "request_id": record.id,
            "sha256": transcript.recording.sha256,
            "created": record.created_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "duration": transcript.recording.duration,
            "channels": len(channels),
            "models": ["undertone"],
            "model_info": {"undertone": {"name": engine, "version": "1", "arch": "undertone"}},
            "tags": list(options.tag),
            "extra": dict(pair.split(":", 1) for pair in options.extra),
            "warnings": [{"parameter": "", "type": "unsupported", "message": message} for message in warnings],
            "undertone": {"job_id": record.id, "disclosure": transcript.disclosure.model_dump(mode="json")},
        },
        "results": results,
    }


def _channels(passages: Sequence[Passage], options: ListenOptions) -> list[list[Passage]]:
    if not options.multichannel:
        return [list(passages)]
    count = max((one.speaker for one in passages), default=0) + 1
    return [[one for one in passages if one.speaker == number] for number in range(count)]


def _alternative(passages: Sequence[Passage], options: ListenOptions) -> dict[str, Any]:
    text = " ".join(one.text for one in passages)
    alternative: dict[str, Any] = {
        "transcript": text,
        "confidence": mean_confidence([word for one in passages for word in one.words]),
        "words": [_word(word, one, options) for one in passages for word in one.words],
    }
    if options.paragraphs:
        scores = {id(word): _score(one.emotion) for one in passages if one.emotion for word in one.words}
        own = [_paragraph(one, options, scores) for one in paragraphs(passages)]
        alternative["paragraphs"] = {"transcript": text, "paragraphs": own}
    return alternative


def _word(word: Word, passage: Passage, options: ListenOptions) -> dict[str, Any]:
    return {
        "word": word.text.lower().strip(PUNCTUATION),
        "punctuated_word": word.text,
        "start": round(word.start, 3),
        "end": round(word.end, 3),
        "confidence": word.confidence or 0.0,
        **_speaker(passage, options),
        **_sentiment(passage.emotion, options.sentiment),
    }


def _utterance(number: int, passage: Passage, options: ListenOptions) -> dict[str, Any]:
    return {
        "id": f"u{number + 1}",
        "start": passage.start,
        "end": passage.end,
        "confidence": passage.confidence,
        "channel": passage.speaker if options.multichannel else 0,
        "transcript": passage.text,
        "words": [_word(word, passage, options) for word in passage.words],
        **_speaker(passage, options),
        **_sentiment(passage.emotion, options.sentiment),
        **({"emotion": passage.emotion.model_dump(mode="json")} if passage.emotion else {}),
    }


def _paragraph(passage: Passage, options: ListenOptions, scores: Mapping[int, float]) -> dict[str, Any]:
    """Its sentiment is the mean of its words, by the scores of these words."""
    own = [scores[id(word)] for word in passage.words if id(word) in scores]
    return {
        "start": passage.start,
        "end": passage.end,
        "num_words": len(passage.words),
        "sentences": [{"text": one.text, "start": one.start, "end": one.end} for one in sentences([passage])],
        **_speaker(passage, options),
        **(_scored(sum(own) / len(own)) if own and options.sentiment else {}),
    }


def _speaker(passage: Passage, options: ListenOptions) -> dict[str, Any]:
    return {"speaker": passage.speaker} if options.speakers else {}


def _sentiment(reading: EmotionReading | None, requested: bool) -> dict[str, Any]:
    return _scored(_score(reading)) if reading and requested else {}


def _score(reading: EmotionReading) -> float:
    scores = reading.sentiment.scores
    return scores[Sentiment.POSITIVE] - scores[Sentiment.NEGATIVE]


def _scored(score: float) -> dict[str, Any]:
    label = Sentiment.NEUTRAL
    if abs(score) > POSITIVE_ABOVE:
        label = Sentiment.POSITIVE if score > 0 else Sentiment.NEGATIVE
    return {"sentiment": label, "sentiment_score": round(score, 4)}


def _sentiments(passages: Sequence[Passage]) -> dict[str, Any]:
    segments, first = [], 0
    for one in passages:
        following = first + len(one.words)
        if one.emotion:
            span = {"text": one.text, "start_word": first, "end_word": following - 1}
            segments.append({**span, **_scored(_score(one.emotion))})
        first = following
    total = sum(segment["sentiment_score"] for segment in segments)
    return {"segments": segments, "average": _scored(total / len(segments) if segments else 0.0)}
