"""`GET` and `PATCH /v1/retention`: how long the data of a tenant's jobs are stored after their end."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from services.results.manage_context import Admin, Managed
from shared.domain.error import InvalidRequest
from shared.domain.retention import Retention, RetentionCategory
from shared.infra.web.openapi import error_responses

PATH = "/v1/retention"

router = APIRouter(tags=["retention"])


class DeploymentRetention(BaseModel):
    media_hours: float = Field(description="The recording and its captioned video")
    artifacts_days: float = Field(description="Results of the stages: audio, faces, voices")
    transcript_days: float | None = Field(description="The whole job; None: until it is deleted")


class RetentionView(BaseModel):
    deployment: DeploymentRetention = Field(description="The maximum, which the operator sets")
    tenant: Retention = Field(description="Shorter periods of this tenant; a job may request still shorter ones")


@router.get(PATH, summary="Show the retention periods")
def show_retention(managed: Managed, caller: Admin) -> RetentionView:
    settings = managed.retention
    deployment = DeploymentRetention(
        media_hours=settings.media_hours,
        artifacts_days=settings.artifacts_days,
        transcript_days=settings.transcript_days or None,
    )
    return RetentionView(deployment=deployment, tenant=managed.periods.find(caller.tenant))


@router.patch(
    PATH,
    responses=error_responses(InvalidRequest),
    summary="Shorten the periods, also of jobs that have ended; `null` returns to the deployment's",
)
def change_retention(managed: Managed, caller: Admin, patch: Retention) -> RetentionView:
    changes = patch.model_dump(include=patch.model_fields_set)
    wanted = managed.periods.find(caller.tenant).model_copy(update=changes)
    for category in RetentionCategory:
        own, longest = wanted.period_of(category), managed.retention.periods[category]
        if own is not None and longest is not None and own > longest:
            raise InvalidRequest(
                f"The period of {category} would be longer than the deployment's.",
                hint="Only the operator can extend it: RETENTION__….",
            )
    managed.periods.set(caller.tenant, wanted)
    managed.record_audit(caller, "retention.changed", caller.tenant, **changes)
    return show_retention(managed, caller)
