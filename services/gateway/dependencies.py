"""What the gateway's routes depend on: its context, and the caller with the required scopes."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from services.gateway.context import Context
from shared.domain.tenant import Scope
from shared.infra.web.application import context_of
from shared.infra.web.authentication import caller_of, require_scopes
from shared.infra.web.authenticator import Caller

Gateway = Annotated[Context, context_of("gateway")]
UploadCaller = Annotated[Caller, Depends(require_scopes(Scope.RECORDINGS_WRITE))]
TranscriptCaller = Annotated[Caller, Depends(require_scopes(Scope.TRANSCRIPTS_READ))]
WebhookWriter = Annotated[Caller, Depends(require_scopes(Scope.WEBHOOKS_WRITE))]
Admin = Annotated[Caller, Depends(require_scopes(Scope.ADMIN))]


async def _job_reader(request: Request) -> Caller:
    """Both scopes may see jobs: writing recordings and reading transcripts."""
    caller = caller_of(request)
    caller.require_scope(Scope.RECORDINGS_WRITE, Scope.TRANSCRIPTS_READ)
    return caller


JobReader = Annotated[Caller, Depends(_job_reader)]
