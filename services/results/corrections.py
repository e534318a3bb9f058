"""`PATCH`: what people put right, kept beside the transcript, and the list of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path
from pydantic import Field, JsonValue
from starlette.responses import Response

from services.results.access import caller_with
from services.results.answer import etag_of, matches
from services.results.described import Answers, of_transcript
from services.results.reading_room import ReadingRoom, Shown, seen
from services.results.views import PATH
from shared.domain.correction import (
    Change,
    Correction,
    UtterancePatch,
    corrected,
    patching,
    renaming,
    utterance_of,
)
from shared.domain.error import ChangedMeanwhile, InvalidRequest, NoReading, UndertoneError
from shared.domain.speech import Utterance
from shared.domain.tenant import Scope
from shared.domain.transcript import Speaker, Transcript
from shared.domain.value import Value
from shared.exports.captions import plain
from shared.exports.document import render_json
from shared.infra.web.api_keys import Caller

ATTEMPTS = 5
Reader = Annotated[Caller, Depends(caller_with(Scope.TRANSCRIPTS_READ))]
Corrector = Annotated[Caller, Depends(caller_with(Scope.TRANSCRIPTS_READ, Scope.RECORDINGS_WRITE))]
IfMatch = Annotated[
    str | None, Header(description="The ETag of the transcript as JSON: refused with 412 where it has changed since.")
]
Plan = Callable[[Transcript], tuple[Change, ...]]


class SpeakerPatch(Value):
    name: str = Field(min_length=1, max_length=200)


class Corrections(Value):
    items: tuple[Correction, ...]


def correction_routes(room: ReadingRoom) -> APIRouter:
    routes = APIRouter(tags=["corrections"])

    @routes.get(f"{PATH}/corrections", summary="What people corrected.", responses=of_transcript())
    def list_corrections(caller: Reader, job_id: str) -> Corrections:
        """With author, time and old value, in order. Corrected emotions need the scope `emotions:read`."""
        shown = room.show(caller, job_id)
        room.note(caller, "corrections_read", job_id, emotion=shown.emotion)
        return Corrections(items=shown.corrections)

    @routes.patch(
        f"{PATH}/speakers/{{speaker_id}}",
        summary="Name a speaker.",
        response_class=Response,
        responses=_patched(Speaker, "The speaker as shown from now on."),
    )
    def name_speaker(
        caller: Corrector, job_id: str, speaker_id: str, patch: SpeakerPatch, if_match: IfMatch = None
    ) -> Response:
        """Needs the scopes `transcripts:read` and `recordings:write`."""
        name = _words(patch.name)
        shown = _correct(room, caller, job_id, if_match, lambda given: renaming(given, speaker_id, name))
        return _answer(shown, next(one for one in shown.transcript.speakers if one.id == speaker_id))

    @routes.patch(
        f"{PATH}/utterances/{{index}}",
        summary="Correct an utterance.",
        response_class=Response,
        responses=_patched(Utterance, "The utterance as shown from now on.", NoReading),
    )
    def correct_utterance(
        caller: Corrector,
        job_id: str,
        index: Annotated[int, Path(ge=0)],
        patch: UtterancePatch,
        if_match: IfMatch = None,
    ) -> Response:
        """Needs the scopes `transcripts:read` and `recordings:write`, and for an emotion `emotions:read`."""
        if patch.emotion is not None:
            caller.need(Scope.EMOTIONS_READ)
        if not patch.model_fields_set:
            raise InvalidRequest("Nothing is corrected.", mend="Give text, emotion or speaker.")
        if patch.text is not None:
            patch = patch.model_copy(update={"text": _words(patch.text)})
        shown = _correct(room, caller, job_id, if_match, lambda given: patching(given, index, patch))
        one = utterance_of(shown.transcript, index)
        return _answer(shown, one if shown.emotion else one.model_copy(update={"emotion": None}))

    return routes


def _patched(model: type[Value], description: str, *more: type[UndertoneError]) -> Answers:
    also = of_transcript(*more, ChangedMeanwhile)
    return {200: {"model": model, "description": f"{description} The ETag is that of the transcript."}, **also}


def _words(text: str) -> str:
    cleaned = plain(text)
    if not cleaned:
        raise InvalidRequest("There is nothing to read in what is given.")
    return cleaned


def _correct(room: ReadingRoom, caller: Caller, job_id: str, if_match: str | None, plan: Plan) -> Shown:
    """Whoever corrects at the same moment goes first or next: each change is made to what is there then."""
    for _ in range(ATTEMPTS):
        published = room.published(caller, job_id)
        kept = room.corrections.list(caller.tenant, job_id)
        if if_match is not None:
            _check_unchanged(published, kept, if_match)
        changes = plan(corrected(published, kept))
        try:
            if changes:
                fields: list[JsonValue] = [str(change.field) for change in changes]
                room.corrections.add(
                    caller.tenant,
                    job_id,
                    changes,
                    after=len(kept),
                    shown=corrected(published, (*kept, *changes)),
                    entry=room.entry(caller, "transcript_corrected", job_id, target=changes[0].target, fields=fields),
                )
            return room.show(caller, job_id)
        except ChangedMeanwhile:
            if if_match is not None:
                raise
    raise ChangedMeanwhile("The transcript is being corrected by many at once.", mend="Try again.")


def _check_unchanged(published: Transcript, kept: tuple[Correction, ...], if_match: str) -> None:
    """With readings and without: both are the transcript, to those who may read the one or the other."""
    tags = (
        etag_of(render_json(corrected(published, seen(kept, emotion=emotion)), emotion=emotion))
        for emotion in (True, False)
    )
    if not matches(if_match, *tags):
        raise ChangedMeanwhile(
            "The transcript is no longer the one that was read.", mend="Read it again, then correct what is left."
        )


def _answer(shown: Shown, one: Value) -> Response:
    etag = etag_of(render_json(shown.transcript, emotion=shown.emotion))
    return Response(one.model_dump_json(), media_type="application/json", headers={"ETag": etag})
