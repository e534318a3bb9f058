"""The pages for managing: webhooks, keys, retention, the audit trail, and engines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import RedirectResponse, Response

from services.results.manage_context import Admin, ManageContext, Managed, WebhookWriter
from services.results.page.days import day
from services.results.page.render import error_page, page
from shared.domain.error import InvalidRequest, NotFound
from shared.domain.tenant import AuditFilter, Scope
from shared.domain.webhook import EventType
from shared.infra.web.authenticator import Caller

PATH = "/manage"
PER_PAGE = 50
# What each scope allows, for the form that creates a key.
SCOPES = {
    Scope.RECORDINGS_WRITE: "upload, correct and delete",
    Scope.TRANSCRIPTS_READ: "read meetings",
    Scope.EMOTIONS_READ: "see perceived emotion",
    Scope.WEBHOOKS_WRITE: "manage webhooks",
    Scope.ADMIN: "everything",
}
EVENTS = {EventType.TRANSCRIPT_READY: "a meeting is ready", EventType.JOB_FAILED: "a meeting has failed"}

router = APIRouter(include_in_schema=False, prefix=PATH)
Text = Annotated[str, Query(max_length=200)]
Cursor = Annotated[str | None, Query(max_length=500)]


@dataclass(frozen=True, slots=True)
class Tab:
    name: str
    title: str
    scope: Scope

    @property
    def path(self) -> str:
        return f"{PATH}/{self.name}"


TABS = (
    Tab("webhooks", "Webhooks", Scope.WEBHOOKS_WRITE),
    Tab("keys", "Keys", Scope.ADMIN),
    Tab("retention", "Retention", Scope.ADMIN),
    Tab("audit", "Audit trail", Scope.ADMIN),
    Tab("engines", "Engines", Scope.ADMIN),
)


def _page(managed: ManageContext, caller: Caller, name: str, **values: Any) -> Response:
    tabs = [tab for tab in TABS if caller.has_scope(tab.scope)]
    return page(f"manage_{name}.html", tabs=tabs, keyless=managed.keyless, **values)


@router.get("")
def open_first(caller: WebhookWriter) -> Response:
    del caller  # anyone who may manage something may manage webhooks
    return RedirectResponse(TABS[0].path, 303)


@router.get("/webhooks")
def show_webhooks(managed: Managed, caller: WebhookWriter) -> Response:
    endpoints = managed.endpoints.list(caller.tenant)
    return _page(managed, caller, "webhooks", here="webhooks", endpoints=endpoints, events=EVENTS)


@router.get("/webhooks/{endpoint_id}")
def show_webhook(managed: Managed, caller: WebhookWriter, endpoint_id: str, cursor: Cursor = None) -> Response:
    endpoint = managed.endpoints.find(caller.tenant, endpoint_id)
    if endpoint is None:
        return error_page(NotFound("There is no such webhook endpoint."))
    found = managed.deliveries.list(caller.tenant, endpoint_id=endpoint_id, cursor=cursor, limit=PER_PAGE)
    attempts = {one.id: managed.deliveries.attempts(caller.tenant, one.id) for one in found.items}
    return _page(
        managed,
        caller,
        "webhook",
        here="webhooks",
        endpoint=endpoint,
        deliveries=found.items,
        attempts=attempts,
        next_cursor=found.next_cursor,
    )


@router.get("/keys")
def show_keys(managed: Managed, caller: Admin) -> Response:
    keys = sorted(managed.keys.list(caller.tenant), key=lambda key: key.created_at, reverse=True)
    now = managed.clock()
    return _page(managed, caller, "keys", here="keys", keys=keys, own=caller.key_id, now=now, scopes=SCOPES)


@router.get("/retention")
def show_periods(managed: Managed, caller: Admin) -> Response:
    own = managed.periods.find(caller.tenant)
    return _page(managed, caller, "retention", here="retention", longest=managed.retention, own=own)


@router.get("/audit")
def show_audit(
    managed: Managed,
    caller: Admin,
    action: Text = "",
    key: Text = "",
    subject: Text = "",
    first: Text = "",
    last: Text = "",
    cursor: Cursor = None,
) -> Response:
    try:
        only = AuditFilter(
            action=action.strip() or None,
            key_id=key.strip() or None,
            subject=subject.strip() or None,
            at_from=day(first),
            at_before=day(last, after=1),
        )
        found = managed.audit.list(caller.tenant, only=only, cursor=cursor, limit=PER_PAGE)
    except InvalidRequest as error:
        return error_page(error)
    asked = {"action": action, "key": key, "subject": subject, "first": first, "last": last}
    return _page(
        managed, caller, "audit", here="audit", entries=found.items, next_cursor=found.next_cursor, asked=asked
    )


@router.get("/engines")
def show_engines(managed: Managed, caller: Admin) -> Response:
    return _page(managed, caller, "engines", here="engines", reports=managed.engines.list())
