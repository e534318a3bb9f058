"""Jobs and transcripts as AssemblyAI's API shows them; times are integers in milliseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from services.gateway.compat.api import letter
from services.gateway.compat.passages import Passage, mean_confidence, utterances
from shared.domain.job_record import JobRecord, JobStatus
from shared.domain.speech import Word
from shared.infra.transcript_reader import VisibleTranscript

METADATA = "assemblyai"  # the entry of a job's metadata with the fields of its request
DELETED = "http://deleted_by_user"
STATUSES = {
    JobStatus.QUEUED: "queued",
    JobStatus.RUNNING: "processing",
    JobStatus.DONE: "completed",
    JobStatus.FAILED: "error",
    JobStatus.CANCELLED: "error",
}
NO_READINGS = "The key has no scope emotions:read, so there is no sentiment."


def requested(record: JobRecord) -> Mapping[str, Any]:
    """The fields of the request; a job of another API has none, and is shown with speakers."""
    own = record.metadata.get(METADATA)
    return own if isinstance(own, dict) else {"speaker_labels": True}


def audio_url(record: JobRecord, base: str) -> str:
    return str(requested(record).get("audio_url") or f"{base}/v1/jobs/{record.id}")


def error_of(record: JobRecord) -> str | None:
    if record.status is JobStatus.CANCELLED:
        return "cancelled"
    return record.error.message if record.error else None


def show_unfinished(record: JobRecord, base: str) -> dict[str, Any]:
    """The short form: clients reject some fields of a transcript that has none."""
    shown = {"id": record.id, "status": STATUSES[record.status], "audio_url": audio_url(record, base)}
    error = error_of(record)
    return {**requested(record), **shown, **({"error": error} if error else {})}


def passages_of(record: JobRecord, shown: VisibleTranscript) -> list[Passage]:
    """The utterances within the requested times; the whole recording is processed."""
    wanted = requested(record)
    start, end = wanted.get("audio_start_from"), wanted.get("audio_end_at")
    return utterances(shown.transcript, start=(start or 0) / 1000, end=float("inf") if end is None else end / 1000)


def show_transcript(
    record: JobRecord, shown: VisibleTranscript, base: str, webhook_status: int | None
) -> dict[str, Any]:
    wanted, passages = requested(record), passages_of(record, shown)
    channels = bool(wanted.get("multichannel") or wanted.get("dual_channel"))
    speakers = channels or bool(wanted.get("speaker_labels"))
    sentiment = bool(wanted.get("sentiment_analysis"))
    warnings = [*wanted.get("warnings", ()), *shown.transcript.warnings]
    if sentiment and not shown.emotion:
        warnings.append(NO_READINGS)
    words = [show_word(word, one.speaker, speakers, channels) for one in passages for word in one.words]
    return {
        **{name: value for name, value in wanted.items() if name != "warnings"},
        "id": record.id,
        "status": "completed",
        "audio_url": audio_url(record, base),
        "text": " ".join(one.text for one in passages),
        "confidence": confidence_of(passages),
        "audio_duration": round(shown.transcript.recording.duration),
        "language_code": shown.transcript.language or wanted.get("language_code"),
        "speech_model": None,
        "speech_model_used": model_of(shown),
        "words": words,
        "utterances": [_show_utterance(one, shown, channels) for one in passages] if speakers else None,
        "sentiment_analysis_results": _show_sentiments(passages, speakers, channels)
        if sentiment and shown.emotion
        else None,
        "metadata": {"warnings": [{"message": message} for message in warnings]},
        "webhook_status_code": webhook_status,
        "webhook_auth": "webhook_auth_header_name" in wanted,
        "error": None,
    }


def show_deleted(job_id: str) -> dict[str, Any]:
    gone = ("words", "utterances", "confidence", "sentiment_analysis_results", "audio_duration", "error")
    return {
        **dict.fromkeys(gone),
        "id": job_id,
        "status": "completed",
        "text": "Deleted by user.",
        "audio_url": DELETED,
        "webhook_url": DELETED,
    }


def show_in_list(record: JobRecord, base: str) -> dict[str, Any]:
    return {
        "id": record.id,
        "resource_url": f"{base}/v2/transcript/{record.id}",
        "status": STATUSES[record.status],
        "created": _instant(record.created_at),
        "completed": _instant(record.finished_at) if record.finished_at else None,
        "audio_url": audio_url(record, base),
        "error": error_of(record),
    }


def show_passage(passage: Passage, speakers: bool, channels: bool) -> dict[str, Any]:
    words = [show_word(word, passage.speaker, speakers, channels) for word in passage.words]
    return {**_show_span(passage, passage.speaker, speakers, channels), "words": words}


def show_word(word: Word, speaker: int, speakers: bool, channels: bool) -> dict[str, Any]:
    return _show_span(word, speaker, speakers, channels)


def confidence_of(passages: Sequence[Passage]) -> float:
    return mean_confidence([word for one in passages for word in one.words])


def model_of(shown: VisibleTranscript) -> str:
    engines = (one.engine for one in shown.transcript.provenance if one.stage == "transcribe")
    return f"undertone/{next(engines, 'none')}"


def _show_span(span: Word | Passage, speaker: int, speakers: bool, channels: bool) -> dict[str, Any]:
    return {
        "text": span.text,
        "start": milliseconds(span.start),
        "end": milliseconds(span.end),
        "confidence": span.confidence or 0.0,
        "speaker": letter(speaker) if speakers else None,
        "channel": str(speaker + 1) if channels else None,
    }


def _show_utterance(passage: Passage, shown: VisibleTranscript, channels: bool) -> dict[str, Any]:
    emotion = passage.emotion.model_dump(mode="json") if passage.emotion and shown.emotion else None
    return {**show_passage(passage, True, channels), **({"emotion": emotion} if emotion else {})}


def _show_sentiments(passages: Sequence[Passage], speakers: bool, channels: bool) -> list[dict[str, Any]]:
    return [
        {
            **_show_span(one, one.speaker, speakers, channels),
            "sentiment": one.emotion.sentiment.label.upper(),
            "confidence": one.emotion.sentiment.scores[one.emotion.sentiment.label],
            "emotion": one.emotion.model_dump(mode="json"),
        }
        for one in passages
        if one.emotion
    ]


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _instant(at: datetime) -> str:
    """UTC with microseconds and without a zone, as the vendor writes it."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
