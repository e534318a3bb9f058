"""`PATCH`: single corrections that people make, stored separately from the transcript, and the list of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Header, Path
from pydantic import Field
from starlette.responses import Response

from services.results.content_response import etag_of, matches
from services.results.correction_writer import CorrectedState, visible_words, write_corrections
from services.results.dependencies import Editor, TranscriptCaller, Transcripts
from services.results.openapi import transcript_responses
from services.results.views import PATH
from shared.domain.corrected_transcript import apply_corrections
from shared.domain.correction import Change, Correction
from shared.domain.edit import MAX_NAME, MAX_TEXT, Operation, Rename, SetEmotion, SetSpeaker, SetText
from shared.domain.emotion import Emotion
from shared.domain.error import (
    InvalidRequest,
    NoEmotionReading,
    PreconditionFailed,
    TooManyCorrections,
    UndertoneError,
)
from shared.domain.speech import Utterance
from shared.domain.tenant import Scope
from shared.domain.transcript import Speaker
from shared.domain.value import Value
from shared.exports.document import render_json
from shared.infra.transcript_reader import TranscriptReader, VisibleTranscript, visible_corrections
from shared.infra.web.authenticator import Caller
from shared.infra.web.openapi import Responses

IfMatch = Annotated[
    str | None, Header(description="The ETag of the transcript as JSON: rejected with 412 if it has changed since.")
]

router = APIRouter(tags=["corrections"])


class SpeakerPatch(Value):
    name: str = Field(min_length=1, max_length=MAX_NAME)


class UtterancePatch(Value):
    """The fields of an utterance that may be corrected; omitted fields stay unchanged."""

    text: str | None = Field(default=None, min_length=1, max_length=MAX_TEXT)
    emotion: Emotion | None = None
    speaker: str | None = Field(default=None, min_length=1, max_length=64, description="The id of a speaker")


class Corrections(Value):
    items: tuple[Correction, ...]


def _patched(model: type[Value], description: str, *more: type[UndertoneError]) -> Responses:
    also = transcript_responses(*more, PreconditionFailed, TooManyCorrections)
    return {200: {"model": model, "description": f"{description} The ETag is that of the transcript."}, **also}


@router.get(f"{PATH}/corrections", summary="List the corrections.", responses=transcript_responses())
def list_corrections(transcripts: Transcripts, caller: TranscriptCaller, job_id: str) -> Corrections:
    """With author, time and old value, in order. Corrected emotions need the scope `emotions:read`."""
    shown = transcripts.read(caller, job_id)
    transcripts.record_audit(caller, "corrections.read", job_id, emotion=shown.emotion)
    return Corrections(items=shown.corrections)


@router.patch(
    f"{PATH}/speakers/{{speaker_id}}",
    summary="Name a speaker.",
    response_class=Response,
    responses=_patched(Speaker, "The speaker as shown from now on."),
)
def name_speaker(
    transcripts: Transcripts,
    caller: Editor,
    job_id: str,
    speaker_id: str,
    patch: SpeakerPatch,
    if_match: IfMatch = None,
) -> Response:
    """Needs the scopes `transcripts:read` and `recordings:write`."""
    rename = Rename(speaker=speaker_id, name=visible_words(patch.name))
    shown = _correct(transcripts, caller, job_id, if_match, [rename])
    return _answer(shown, next(one for one in shown.transcript.speakers if one.id == speaker_id))


@router.patch(
    f"{PATH}/utterances/{{index}}",
    summary="Correct an utterance.",
    response_class=Response,
    responses=_patched(Utterance, "The utterance as shown from now on.", NoEmotionReading),
)
def correct_utterance(
    transcripts: Transcripts,
    caller: Editor,
    job_id: str,
    index: Annotated[int, Path(ge=0)],
    patch: UtterancePatch,
    if_match: IfMatch = None,
) -> Response:
    """Needs the scopes `transcripts:read` and `recordings:write`, and for an emotion `emotions:read`."""
    if patch.emotion is not None:
        caller.require_scope(Scope.EMOTIONS_READ)
    if not patch.model_fields_set:
        raise InvalidRequest("The correction is empty.", hint="Give text, emotion or speaker.")
    operations: list[Operation] = []
    if patch.text is not None:
        operations.append(SetText(utterance=index, text=visible_words(patch.text)))
    if patch.emotion is not None:
        operations.append(SetEmotion(utterance=index, emotion=patch.emotion))
    if patch.speaker is not None:
        operations.append(SetSpeaker(utterances=(index,), speaker=patch.speaker))
    shown = _correct(transcripts, caller, job_id, if_match, operations)
    one = shown.transcript.utterance(index)
    return _answer(shown, one if shown.emotion else one.model_copy(update={"emotion": None}))


def _correct(
    transcripts: TranscriptReader,
    caller: Caller,
    job_id: str,
    if_match: str | None,
    operations: Sequence[Operation],
) -> VisibleTranscript:
    def plan(state: CorrectedState) -> tuple[Change, ...]:
        if if_match is not None:
            _check_unchanged(state, if_match)
        return state.plan.changes(operations)

    write_corrections(transcripts, caller, job_id, plan, retry=if_match is None)
    return transcripts.read(caller, job_id)


def _check_unchanged(state: CorrectedState, if_match: str) -> None:
    """Accept the ETag with or without readings, because a caller may have read either version."""
    tags = (
        etag_of(
            render_json(
                apply_corrections(state.published, visible_corrections(state.corrections, emotion=emotion)),
                emotion=emotion,
            )
        )
        for emotion in (True, False)
    )
    if not matches(if_match, *tags):
        raise PreconditionFailed(
            "The transcript has changed since it was read.", hint="Read it again, then repeat the correction."
        )


def _answer(shown: VisibleTranscript, one: Value) -> Response:
    etag = etag_of(render_json(shown.transcript, emotion=shown.emotion))
    return Response(one.model_dump_json(), media_type="application/json", headers={"ETag": etag})
