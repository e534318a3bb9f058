"""`/v1/transcripts/{id}/links`: create, list and revoke links that show one meeting to people without a key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from services.results.dependencies import Editor
from services.results.openapi import TRANSCRIPT_ERRORS
from services.results.settings import SharingSettings
from services.results.views import PATH
from shared.domain.error import InvalidRequest, NotFound, StateConflict
from shared.domain.share_link import ShareLink
from shared.domain.tenant import Scope
from shared.domain.value import Value
from shared.infra.database.share_links import SqlShareLinkStore
from shared.infra.transcript_reader import TranscriptReader
from shared.infra.web.application import context_of
from shared.infra.web.openapi import error_responses
from shared.infra.web.share_links import PREFIX

MAX_LINKS = 50  # of one meeting

router = APIRouter(tags=["links"])


@dataclass(frozen=True, slots=True)
class Sharing:
    transcripts: TranscriptReader
    links: SqlShareLinkStore
    settings: SharingSettings


SharingContext = Annotated[Sharing, context_of("sharing")]


class LinkRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    expires_in_hours: float | None = Field(default=None, gt=0, description="Default: `SHARING__DEFAULT_HOURS`")
    sound: bool = Field(default=False, description="The recording can be played")
    emotion: bool = Field(default=False, description="Readings are shown; needs the scope `emotions:read`")


class NewLink(ShareLink):
    url: str = Field(description="The address of the shared meeting on this service; it is not shown again")


class Links(Value):
    items: tuple[ShareLink, ...]
    default_hours: float
    max_hours: float


@router.post(
    f"{PATH}/links",
    status_code=201,
    responses=error_responses(*TRANSCRIPT_ERRORS, StateConflict),
    summary="Create a link.",
)
def create_link(sharing: SharingContext, caller: Editor, job_id: str, wanted: LinkRequest) -> NewLink:
    """Needs the scopes `transcripts:read` and `recordings:write`. The link ends with the key that created it."""
    if wanted.emotion:
        caller.require_scope(Scope.EMOTIONS_READ)
    hours = wanted.expires_in_hours or sharing.settings.default_hours
    if hours > sharing.settings.max_hours:
        raise InvalidRequest(
            f"A link may be valid for {sharing.settings.max_hours:g} hours at most.",
            hint="The operator sets this limit with SHARING__MAX_HOURS; 0 forbids links.",
        )
    sharing.transcripts.record(caller, job_id)
    if len(sharing.links.list(caller.tenant, job_id)) >= MAX_LINKS:
        raise StateConflict(f"This meeting has {MAX_LINKS} links already.", hint="Revoke one first.")
    now = sharing.transcripts.clock()
    link = ShareLink(
        id=uuid4().hex,
        tenant=caller.tenant,
        job_id=job_id,
        key_id=caller.key_id,
        sound=wanted.sound,
        emotion=wanted.emotion,
        created_at=now,
        expires_at=now + timedelta(hours=hours),
    )
    entry = caller.audit_entry(
        now,
        "link.created",
        job_id,
        link=link.id,
        sound=link.sound,
        emotion=link.emotion,
        expires_at=link.expires_at.isoformat(),
    )
    token = sharing.links.add(link, entry)
    return NewLink(**link.model_dump(), url=f"{PREFIX}{token}")


@router.get(f"{PATH}/links", responses=error_responses(*TRANSCRIPT_ERRORS), summary="List the links.")
def list_links(sharing: SharingContext, caller: Editor, job_id: str) -> Links:
    """The links that have not ended, without their addresses."""
    sharing.transcripts.record(caller, job_id)
    return Links(
        items=sharing.links.list(caller.tenant, job_id),
        default_hours=min(sharing.settings.default_hours, sharing.settings.max_hours),
        max_hours=sharing.settings.max_hours,
    )


@router.delete(
    f"{PATH}/links/{{link_id}}",
    status_code=204,
    response_class=Response,
    responses=error_responses(NotFound),
    summary="Revoke a link.",
)
def revoke_link(sharing: SharingContext, caller: Editor, job_id: str, link_id: str) -> Response:
    sharing.transcripts.record(caller, job_id)
    entry = caller.audit_entry(sharing.transcripts.clock(), "link.revoked", job_id, link=link_id)
    sharing.links.revoke(caller.tenant, job_id, link_id, entry)
    return Response(status_code=204)
