"""Jobs and readings as Hume's batch API shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from services.gateway.compat.hume.request import METADATA, StoredMember, StoredSource
from services.gateway.compat.passages import Passage, utterances
from shared.domain.emotion import Emotion, EmotionReading, Modality, Sentiment
from shared.domain.job_record import JobRecord, JobStatus
from shared.domain.transcript import Transcript

STATUSES = {
    JobStatus.QUEUED: "QUEUED",
    JobStatus.RUNNING: "IN_PROGRESS",
    JobStatus.DONE: "COMPLETED",
    JobStatus.FAILED: "FAILED",
    JobStatus.CANCELLED: "FAILED",
}
MODELS = {"language": Modality.TEXT, "prosody": Modality.VOICE, "face": Modality.FACE}
FRAMES_PER_SECOND = 3.0  # the vendor's default
LEVELS = {Sentiment.NEGATIVE: "123", Sentiment.NEUTRAL: "456", Sentiment.POSITIVE: "789"}


@dataclass(frozen=True, slots=True)
class Batch:
    """The jobs of one request, one for each recording; the first has the batch's id."""

    records: Sequence[JobRecord]

    @property
    def id(self) -> str:
        return self.records[0].id

    @property
    def status(self) -> str:
        statuses = {STATUSES[record.status] for record in self.records}
        if statuses & {"QUEUED", "IN_PROGRESS"}:
            return "QUEUED" if statuses == {"QUEUED"} else "IN_PROGRESS"
        return "COMPLETED" if "COMPLETED" in statuses else "FAILED"


def stored(record: JobRecord) -> StoredMember:
    """What the client asked for; a job of another API has every model."""
    try:
        return StoredMember.model_validate(record.metadata.get(METADATA))
    except ValidationError:
        source = StoredSource(type="file", filename=record.job.recording.name, md5sum="")
        return StoredMember(source=source)


def show_details(batch: Batch) -> dict[str, Any]:
    request = stored(batch.records[0]).request
    sources = [stored(record).source for record in batch.records]
    return {
        "type": "INFERENCE",
        "job_id": batch.id,
        "request": {
            "models": request.models,
            "transcription": request.transcription,
            "urls": [one.url for one in sources if one.type == "url"],
            "files": [one.model_dump(include={"filename", "md5sum"}) for one in sources if one.type == "file"],
            "text": [],
            "callback_url": request.callback_url,
            "notify": False,
        },
        "state": _state(batch),
    }


def _state(batch: Batch) -> dict[str, Any]:
    records, status = batch.records, batch.status
    created = records[0].created_at
    state: dict[str, Any] = {"status": status, "created_timestamp_ms": _stamp(created)}
    if status != "QUEUED":
        started = min((one.started_at for one in records if one.started_at), default=created)
        state["started_timestamp_ms"] = _stamp(started)
    if status in ("COMPLETED", "FAILED"):
        state["ended_timestamp_ms"] = _stamp(max(one.finished_at or created for one in records))
    if status == "COMPLETED":
        done = sum(one.status is JobStatus.DONE for one in records)
        state |= {"num_predictions": done, "num_errors": len(records) - done}
    if status == "FAILED":
        state["message"] = failure(records[0])
    return state


def failure(record: JobRecord) -> str:
    return record.error.message if record.error else "cancelled"


def show_failed(record: JobRecord) -> dict[str, Any]:
    return {"source": stored(record).source.show(), "error": failure(record), "results": None}


def show_predictions(record: JobRecord, transcript: Transcript) -> dict[str, Any]:
    member = stored(record)
    asked = member.request.models or {name: {} for name in MODELS}
    named = bool(member.request.transcription.get("identify_speakers"))
    models: dict[str, Any] = {}
    passages = utterances(transcript)
    for name, modality in MODELS.items():
        options = asked.get(name)
        if options is None or modality not in transcript.disclosure.modalities:
            continue
        if modality is Modality.FACE:
            models[name] = {"metadata": None, "grouped_predictions": _faces(passages, options)}
            continue
        groups = _groups(passages, modality, options, named or bool(options.get("identify_speakers")))
        detected = {"confidence": 1.0, "detected_language": transcript.language}
        models[name] = {"metadata": detected, "grouped_predictions": groups}
    file = member.source.filename or member.source.url
    prediction = {"file": file, "file_type": "video", "models": models}
    return {"source": member.source.show(), "error": None, "results": {"errors": [], "predictions": [prediction]}}


def _faces(passages: Sequence[Passage], options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One prediction for each utterance, at its middle; where the face was is not kept, so its box is empty."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for one in passages:
        scores = one.emotion.modalities[Modality.FACE].scores if one.emotion else None
        if one.emotion is None or scores is None:
            continue
        time = (one.start + one.end) / 2
        prediction = {
            "frame": round(time * FRAMES_PER_SECOND),
            "time": round(time, 3),
            "prob": 1.0,
            "box": dict.fromkeys("xywh", 0.0),
            "emotions": _emotions(one.emotion, scores.root),
        }
        groups.setdefault(f"face_{one.speaker}" if options.get("identify_faces") else "unknown", []).append(prediction)
    return _grouped(groups)


def _grouped(groups: Mapping[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [{"id": name, "predictions": predictions} for name, predictions in groups.items()]


def _groups(
    passages: Sequence[Passage], modality: Modality, options: Mapping[str, Any], named: bool
) -> list[dict[str, Any]]:
    """One group for each speaker, or one for all of them."""
    groups: dict[str, list[dict[str, Any]]] = {}
    at = 0  # characters of the whole text
    for one in passages:
        position = {"begin": at, "end": at + len(one.text)}
        at = position["end"] + 1
        scores = one.emotion.modalities[modality].scores if one.emotion else None
        if one.emotion is None or scores is None:
            continue
        prediction: dict[str, Any] = {
            "text": one.text,
            "time": {"begin": one.start, "end": one.end},
            "confidence": one.confidence,
            "speaker_confidence": None,
            "emotions": _emotions(one.emotion, scores.root),
        }
        if modality is Modality.TEXT:
            prediction["position"] = position
            if options.get("sentiment") is not None:
                prediction["sentiment"] = _levels(one.emotion)
        else:
            prediction["undertone"] = one.emotion.model_dump(mode="json")
        groups.setdefault(f"spk_{one.speaker}" if named else "unknown", []).append(prediction)
    return _grouped(groups)


def _emotions(reading: EmotionReading, scores: Mapping[Emotion, float]) -> list[dict[str, Any]]:
    """The vendor has two kinds of surprise; they share ours as the sentiment is shared."""
    positive, negative = (reading.sentiment.scores[one] for one in (Sentiment.POSITIVE, Sentiment.NEGATIVE))
    share = positive / (positive + negative) if positive + negative else 0.5
    surprise = scores[Emotion.SURPRISE]
    named = {one.capitalize(): scores[one] for one in Emotion if one is not Emotion.SURPRISE}
    named |= {"Surprise (positive)": surprise * share, "Surprise (negative)": surprise * (1 - share)}
    return _scores(named.items())


def _levels(reading: EmotionReading) -> list[dict[str, Any]]:
    """Nine levels, from 1, the most negative; each third shares one of our scores."""
    scores = reading.sentiment.scores
    return _scores((level, scores[sentiment] / 3) for sentiment, levels in LEVELS.items() for level in levels)


def _scores(named: Iterable[tuple[str, float]]) -> list[dict[str, Any]]:
    return [{"name": name, "score": score} for name, score in named]


def _stamp(at: datetime) -> int:
    return round(at.timestamp() * 1000)
