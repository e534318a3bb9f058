"""`PATCH`: corrections that people make, stored separately from the transcript, and the list of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Header, Path
from pydantic import Field, JsonValue
from starlette.responses import Response

from services.results.content_response import etag_of, matches
from services.results.dependencies import Editor, Reader, Transcripts
from services.results.openapi import transcript_responses
from services.results.transcript_reader import TranscriptReader, VisibleTranscript, visible_corrections
from services.results.views import PATH
from shared.domain.correction import (
    Change,
    Correction,
    UtterancePatch,
    apply_changes,
    patch_changes,
    rename_changes,
    utterance_of,
)
from shared.domain.error import InvalidRequest, NoEmotionReading, PreconditionFailed, UndertoneError
from shared.domain.speech import Utterance
from shared.domain.tenant import Scope
from shared.domain.transcript import Speaker, Transcript
from shared.domain.value import Value
from shared.exports.captions import plain
from shared.exports.document import render_json
from shared.infra.web.api_keys import Caller
from shared.infra.web.openapi import Responses

ATTEMPTS = 5
IfMatch = Annotated[
    str | None, Header(description="The ETag of the transcript as JSON: rejected with 412 if it has changed since.")
]
PlanChanges = Callable[[Transcript], tuple[Change, ...]]

router = APIRouter(tags=["corrections"])


class SpeakerPatch(Value):
    name: str = Field(min_length=1, max_length=200)


class Corrections(Value):
    items: tuple[Correction, ...]


def _patched(model: type[Value], description: str, *more: type[UndertoneError]) -> Responses:
    also = transcript_responses(*more, PreconditionFailed)
    return {200: {"model": model, "description": f"{description} The ETag is that of the transcript."}, **also}


@router.get(f"{PATH}/corrections", summary="List the corrections.", responses=transcript_responses())
def list_corrections(transcripts: Transcripts, caller: Reader, job_id: str) -> Corrections:
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
    name = _words(patch.name)
    shown = _correct(transcripts, caller, job_id, if_match, lambda current: rename_changes(current, speaker_id, name))
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
    if patch.text is not None:
        patch = patch.model_copy(update={"text": _words(patch.text)})
    shown = _correct(transcripts, caller, job_id, if_match, lambda current: patch_changes(current, index, patch))
    one = utterance_of(shown.transcript, index)
    return _answer(shown, one if shown.emotion else one.model_copy(update={"emotion": None}))


def _words(text: str) -> str:
    cleaned = plain(text)
    if not cleaned:
        raise InvalidRequest("The text has no visible characters.")
    return cleaned


def _correct(
    transcripts: TranscriptReader, caller: Caller, job_id: str, if_match: str | None, plan: PlanChanges
) -> VisibleTranscript:
    """Apply a change to the latest corrections; retry if somebody else corrected the transcript meanwhile."""
    for _ in range(ATTEMPTS):
        published = transcripts.published(caller, job_id)
        stored = transcripts.corrections.list(caller.tenant, job_id)
        if if_match is not None:
            _check_unchanged(published, stored, if_match)
        changes = plan(apply_changes(published, stored))
        try:
            if changes:
                fields: list[JsonValue] = [str(change.field) for change in changes]
                transcripts.corrections.add(
                    caller.tenant,
                    job_id,
                    changes,
                    after=len(stored),
                    shown=apply_changes(published, (*stored, *changes)),
                    entry=caller.audit_entry(
                        transcripts.clock(),
                        "transcript.corrected",
                        job_id,
                        target=changes[0].target,
                        fields=fields,
                    ),
                )
            return transcripts.read(caller, job_id)
        except PreconditionFailed:
            if if_match is not None:
                raise
    raise PreconditionFailed("The transcript has too many simultaneous corrections.", hint="Try again.")


def _check_unchanged(published: Transcript, stored: tuple[Correction, ...], if_match: str) -> None:
    """Accept the ETag with or without readings, because a caller may have read either version."""
    tags = (
        etag_of(render_json(apply_changes(published, visible_corrections(stored, emotion=emotion)), emotion=emotion))
        for emotion in (True, False)
    )
    if not matches(if_match, *tags):
        raise PreconditionFailed(
            "The transcript has changed since it was read.", hint="Read it again, then repeat the correction."
        )


def _answer(shown: VisibleTranscript, one: Value) -> Response:
    etag = etag_of(render_json(shown.transcript, emotion=shown.emotion))
    return Response(one.model_dump_json(), media_type="application/json", headers={"ETag": etag})
