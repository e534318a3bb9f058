"""`/v1/transcripts/{id}/notes`: summary, decisions and actions, written by the operator's language model."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field
from typing import Annotated

import structlog
from fastapi import APIRouter

from services.results.dependencies import Editor, TranscriptCaller
from services.results.openapi import transcript_responses
from services.results.views import PATH
from shared.domain.error import NotFound, StateConflict, TooManyRequests, UndertoneError
from shared.domain.notes import Notes, NotesRecord, NotesStatus, parts, prompt, read_answer
from shared.domain.tenant import Scope
from shared.domain.transcript import Transcript
from shared.infra.database.notes import SqlNotesStore
from shared.infra.language_model import LanguageModel, NotesSettings
from shared.infra.transcript_reader import TranscriptReader
from shared.infra.web.application import context_of
from shared.infra.web.authenticator import Caller

log = structlog.get_logger()

MAX_RUNNING = 4  # in this process
INVALID = "The language model's answer does not have the requested form."

router = APIRouter(tags=["notes"])


@dataclass(frozen=True, slots=True)
class NotesWriter:
    """Writes notes in threads, because a model may take minutes; without an address it writes none."""

    transcripts: TranscriptReader
    store: SqlNotesStore
    settings: NotesSettings
    model: LanguageModel | None
    running: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(MAX_RUNNING))

    def find(self, caller: Caller, job_id: str) -> NotesRecord | None:
        """The notes that the caller may see: those of a model that was given readings need the right to see them."""
        self.transcripts.record(caller, job_id)
        record = self.store.find(caller.tenant, job_id)
        if record is not None and record.emotion:
            caller.require_scope(Scope.EMOTIONS_READ)
        return record

    def start(self, caller: Caller, job_id: str) -> NotesRecord:
        if self.model is None:
            raise StateConflict("This deployment writes no notes.", hint="The operator sets NOTES__URL.")
        shown = self.transcripts.read(caller, job_id, emotion=None if self.settings.emotion else False)
        record = NotesRecord(
            status=NotesStatus.RUNNING,
            model=self.model.name,
            emotion=shown.emotion,
            corrections=len(self.transcripts.corrections.list(caller.tenant, job_id)),
            requested_at=self.transcripts.clock(),
        )
        if not self.running.acquire(blocking=False):
            raise TooManyRequests("Too many notes are being written.", retry_after=30, hint="Try again later.")
        try:
            entry = caller.audit_entry(
                record.requested_at, "notes.requested", job_id, model=record.model, emotion=record.emotion
            )
            self.store.begin(caller.tenant, job_id, record, entry)
            arguments = (self.model, caller.tenant, shown.transcript, record)
            threading.Thread(target=self._run, args=arguments, daemon=True).start()
        except BaseException:
            self.running.release()
            raise
        return record

    def _run(self, model: LanguageModel, tenant: str, transcript: Transcript, record: NotesRecord) -> None:
        try:
            finished = {"finished_at": self.transcripts.clock(), **self._result(model, transcript, record)}
            self.store.finish(tenant, transcript.job_id, record.model_copy(update=finished))
        except UndertoneError as error:  # the job was erased, or the database cannot be reached
            log.warning("notes.lost", job=transcript.job_id, code=error.code)
        finally:
            self.running.release()

    def _result(self, model: LanguageModel, transcript: Transcript, record: NotesRecord) -> dict[str, object]:
        try:
            notes = Notes()
            for part in parts(transcript.utterances, self.settings.part_characters):
                mark = f"=== {secrets.token_hex(16)} ==="
                answer = model.answer(prompt(part, transcript.names, emotion=record.emotion, mark=mark))
                notes += read_answer(answer, {one.index for one in part})
        except UndertoneError as error:
            return {"status": NotesStatus.FAILED, "error": error.message}
        except ValueError:
            return {"status": NotesStatus.FAILED, "error": INVALID}
        return {"status": NotesStatus.DONE, "notes": notes}


Writer = Annotated[NotesWriter, context_of("notes")]


@router.post(
    f"{PATH}/notes", status_code=202, responses=transcript_responses(TooManyRequests), summary="Request the notes."
)
def request_notes(writer: Writer, caller: Editor, job_id: str) -> NotesRecord:
    """Sends the transcript to the operator's language model. Needs `transcripts:read` and `recordings:write`."""
    return writer.start(caller, job_id)


@router.get(f"{PATH}/notes", responses=transcript_responses(), summary="The notes, written by software.")
def show_notes(writer: Writer, caller: TranscriptCaller, job_id: str) -> NotesRecord:
    """Each claim names the utterances that it rests on. With `emotion` they need the scope `emotions:read`."""
    record = writer.find(caller, job_id)
    if record is None:
        raise NotFound("There are no notes of this meeting.", hint=f"POST {PATH}/notes requests them.")
    writer.transcripts.record_audit(caller, "notes.read", job_id, emotion=record.emotion)
    return record
