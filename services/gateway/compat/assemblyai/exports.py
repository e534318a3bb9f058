"""What AssemblyAI's SDK reads of a finished transcript: captions, sentences, paragraphs and found words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import PlainTextResponse

from services.gateway.compat.api import UnsupportedOption
from services.gateway.compat.assemblyai.transcripts import TRANSCRIPTS
from services.gateway.compat.assemblyai.views import (
    METADATA,
    confidence_of,
    milliseconds,
    model_of,
    passages_of,
    requested,
    show_passage,
)
from services.gateway.compat.passages import (
    CAPTION_CHARACTERS,
    Passage,
    paragraphs,
    render_srt,
    render_vtt,
    sentences,
)
from services.gateway.compat.synchronous import read_transcript
from services.gateway.context import Context
from services.gateway.dependencies import Gateway, TranscriptCaller
from services.gateway.jobs import find_job
from shared.domain.speech import Word
from shared.infra.transcript_reader import VisibleTranscript
from shared.infra.web.authenticator import Caller

PATH = TRANSCRIPTS + "/{job_id}"
MAX_PHRASE = 5  # words
Characters = Annotated[int, Query(ge=1, le=1000)]

router = APIRouter(include_in_schema=False)


@router.get(PATH + "/srt", response_class=PlainTextResponse)
def srt(
    gateway: Gateway, caller: TranscriptCaller, job_id: str, chars_per_caption: Characters = CAPTION_CHARACTERS
) -> str:
    return render_srt(_passages(gateway, caller, job_id)[0], chars_per_caption)


@router.get(PATH + "/vtt", response_class=PlainTextResponse)
def vtt(
    gateway: Gateway, caller: TranscriptCaller, job_id: str, chars_per_caption: Characters = CAPTION_CHARACTERS
) -> str:
    return render_vtt(_passages(gateway, caller, job_id)[0], chars_per_caption)


@router.get(PATH + "/sentences")
def show_sentences(gateway: Gateway, caller: TranscriptCaller, job_id: str) -> dict[str, Any]:
    passages, shown = _passages(gateway, caller, job_id)
    speakers = bool(requested(find_job(gateway, caller.tenant, job_id)).get("speaker_labels"))
    return _parts("sentences", job_id, sentences(passages), shown, speakers)


@router.get(PATH + "/paragraphs")
def show_paragraphs(gateway: Gateway, caller: TranscriptCaller, job_id: str) -> dict[str, Any]:
    passages, shown = _passages(gateway, caller, job_id)
    return _parts("paragraphs", job_id, paragraphs(passages), shown, False)


@router.get(PATH + "/word-search")
def search_words(
    gateway: Gateway, caller: TranscriptCaller, job_id: str, words: Annotated[str, Query(min_length=1, max_length=4000)]
) -> dict[str, Any]:
    passages, _ = _passages(gateway, caller, job_id)
    matches = find_phrases([word for passage in passages for word in passage.words], words.split(","))
    return {"id": job_id, "total_count": sum(match["count"] for match in matches), "matches": matches}


@router.get(PATH + "/redacted-audio")
def show_redacted_audio(caller: TranscriptCaller, job_id: str) -> None:
    del caller, job_id
    raise UnsupportedOption("Not supported: redacted audio.")


def _passages(gateway: Context, caller: Caller, job_id: str) -> tuple[list[Passage], VisibleTranscript]:
    record, shown = find_job(gateway, caller.tenant, job_id), read_transcript(gateway, caller, job_id, METADATA)
    return passages_of(record, shown), shown


def _parts(
    name: str, job_id: str, parts: Sequence[Passage], shown: VisibleTranscript, speakers: bool
) -> dict[str, Any]:
    return {
        "id": job_id,
        name: [show_passage(part, speakers, False) for part in parts],
        "confidence": confidence_of(parts),
        "audio_duration": shown.transcript.recording.duration,
        "speech_model_used": model_of(shown),
    }


def find_phrases(said: Sequence[Word], phrases: Sequence[str]) -> list[dict[str, Any]]:
    """The phrases that are said; an index of words, because a request names up to 2000 phrases."""
    starts: dict[str, list[int]] = {}
    for at, word in enumerate(said):
        starts.setdefault(_bare(word.text), []).append(at)
    return [match for phrase in dict.fromkeys(phrases) if (match := _find(said, starts, phrase))["count"]]


def _find(said: Sequence[Word], starts: Mapping[str, Sequence[int]], phrase: str) -> dict[str, Any]:
    """Where a phrase is said; neither case nor punctuation counts."""
    sought = [bare for word in phrase.split()[:MAX_PHRASE] if (bare := _bare(word))]
    size = len(sought)
    indexes = [
        at
        for at in (starts.get(sought[0], ()) if sought else ())
        if size == 1 or [_bare(word.text) for word in said[at : at + size]] == sought
    ]
    times = [[milliseconds(said[at].start), milliseconds(said[at + size - 1].end)] for at in indexes]
    return {"text": " ".join(sought), "count": len(indexes), "timestamps": times, "indexes": indexes}


def _bare(word: str) -> str:
    return word.casefold().strip(".,;:!?…\"“”'()[]")
