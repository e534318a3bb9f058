"""Transcripts in OpenAI's response formats; times are seconds."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

from services.gateway.compat.api import letter
from services.gateway.compat.openai.form import TranscriptionForm
from services.gateway.compat.passages import Passage, render_srt, render_vtt, utterances
from shared.infra.transcript_reader import VisibleTranscript

TEXT_FORMATS = ("text", "srt", "vtt")


def text_of(passages: Sequence[Passage]) -> str:
    return " ".join(passage.text for passage in passages)


def render_text(shown: VisibleTranscript, response_format: str) -> str:
    passages = utterances(shown.transcript)
    match response_format:
        case "srt":
            return render_srt(passages)
        case "vtt":
            return render_vtt(passages)
    return text_of(passages) + "\n"


def show(shown: VisibleTranscript, form: TranscriptionForm) -> dict[str, Any]:
    response_format, granularities = form.response_format, form.granularities
    passages = utterances(shown.transcript)
    seconds = shown.transcript.recording.duration
    common = {
        "text": text_of(passages),
        "usage": {"type": "duration", "seconds": seconds},
        "undertone": {
            "job_id": shown.transcript.job_id,
            "disclosure": shown.transcript.disclosure.model_dump(mode="json"),
            "warnings": [*form.warnings(), *shown.transcript.warnings],
        },
    }
    if response_format == "json":
        language = shown.transcript.language
        return {**common, "languages": [{"code": language}] if language else []}
    if response_format == "diarized_json":
        return {
            "task": "transcribe",
            "duration": seconds,
            **common,
            "segments": speaker_segments(shown, form.known_names),
        }
    verbose = {"task": "transcribe", "language": shown.transcript.language or "", "duration": seconds, **common}
    if "word" in granularities:
        verbose["words"] = [_word(word.text, word.start, word.end) for one in passages for word in one.words]
    if "segment" in granularities or not granularities:
        verbose["segments"] = [_segment(number, one, shown.emotion) for number, one in enumerate(passages)]
    return verbose


def speaker_segments(shown: VisibleTranscript, known_names: Sequence[str]) -> list[dict[str, Any]]:
    names = [one.name if one.name in known_names else letter(n) for n, one in enumerate(shown.transcript.speakers)]
    return [
        {
            "type": "transcript.text.segment",
            "id": f"seg_{number}",
            "start": one.start,
            "end": one.end,
            "speaker": names[one.speaker],
            "text": one.text,
            **_emotion(one, shown.emotion),
        }
        for number, one in enumerate(utterances(shown.transcript))
    ]


def events(shown: VisibleTranscript, form: TranscriptionForm) -> Iterator[str]:
    """The events of a stream. The transcript is sent when it is done, utterance by utterance."""
    passages = utterances(shown.transcript)
    segments = speaker_segments(shown, form.known_names) if form.response_format == "diarized_json" else []
    for number, passage in enumerate(passages):
        if segments:
            yield event(segments[number])
        delta = passage.text if number == 0 else f" {passage.text}"
        of_segment = {"segment_id": segments[number]["id"]} if segments else {}
        yield event({"type": "transcript.text.delta", "delta": delta, **of_segment})
    yield event({"type": "transcript.text.done", "text": text_of(passages)})


def event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"


def _word(text: str, start: float, end: float) -> dict[str, Any]:
    return {"word": text, "start": round(start, 3), "end": round(end, 3)}


def _segment(number: int, passage: Passage, emotion: bool) -> dict[str, Any]:
    """Clients require every field; those of the vendor's decoder have neutral values."""
    return {
        "id": number,
        "seek": 0,
        "start": passage.start,
        "end": passage.end,
        "text": passage.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": round(math.log(passage.confidence), 4) if passage.confidence else 0.0,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.0,
        **_emotion(passage, emotion),
    }


def _emotion(passage: Passage, visible: bool) -> dict[str, Any]:
    return {"emotion": passage.emotion.model_dump(mode="json")} if passage.emotion and visible else {}
