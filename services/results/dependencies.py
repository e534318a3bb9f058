"""What the routes of the results service depend on: the transcripts, and the caller with the required scopes."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from shared.domain.tenant import Scope
from shared.infra.transcript_reader import TranscriptReader
from shared.infra.web.application import context_of
from shared.infra.web.authentication import require_scopes
from shared.infra.web.authenticator import Caller

Transcripts = Annotated[TranscriptReader, context_of("results")]
TranscriptCaller = Annotated[Caller, Depends(require_scopes(Scope.TRANSCRIPTS_READ))]
Editor = Annotated[Caller, Depends(require_scopes(Scope.TRANSCRIPTS_READ, Scope.RECORDINGS_WRITE))]
