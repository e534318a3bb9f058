"""What the routes of the results service depend on: the transcripts, and the caller with the required scopes."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from services.results.transcript_reader import TranscriptReader
from shared.domain.tenant import Scope
from shared.infra.web.api_keys import Caller
from shared.infra.web.application import context_of
from shared.infra.web.authentication import require_scopes

Transcripts = Annotated[TranscriptReader, context_of("results")]
Reader = Annotated[Caller, Depends(require_scopes(Scope.TRANSCRIPTS_READ))]
Editor = Annotated[Caller, Depends(require_scopes(Scope.TRANSCRIPTS_READ, Scope.RECORDINGS_WRITE))]
