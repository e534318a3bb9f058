"""Webhook endpoints: create, change, rotate, test; a secret is returned only when it is created."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.responses import Response

from services.gateway.context import Context
from services.gateway.delivery_view import DeliveryView, delivery_view
from services.gateway.dependencies import Gateway, WebhookWriter
from services.gateway.idempotency import RequestKeyHeader, process_once
from services.gateway.job_intake import digest_of
from shared.domain.error import AddressBlocked, IdempotencyKeyInUse, IdempotencyKeyReused, NotFound, StateConflict
from shared.domain.idempotency import StoredResponse
from shared.domain.webhook import EventType, WebhookEndpoint, rotate_secrets
from shared.domain.webhook_template import write_template
from shared.infra.secret_encryption import new_webhook_secret
from shared.infra.web.authenticator import Caller
from shared.infra.web.openapi import error_responses

MAX_ENDPOINTS = 50
CREATED = 201
ANSWER = "answer of POST /v1/webhooks"
PATH = "/v1/webhooks"
EventTypes = Annotated[frozenset[EventType], Field(min_length=1, description="Event types to subscribe to")]
Address = Annotated[str, Field(min_length=1, max_length=2000, description="The URL that events are sent to")]
Template = Annotated[
    dict[str, JsonValue],
    Field(description="Replaces the event as the body; its texts may contain {page_url} and others"),
]
Words = Annotated[str, Field(max_length=200)]

router = APIRouter(tags=["webhooks"])


class EndpointRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    url: Address
    events: EventTypes = frozenset({EventType.TRANSCRIPT_READY, EventType.JOB_FAILED})
    description: Words = ""
    template: Template | None = None


class EndpointPatch(BaseModel):
    model_config = ConfigDict(extra="forbid")

    url: Address | None = None
    events: EventTypes | None = None
    description: Words | None = None
    enabled: bool | None = None


class EndpointView(BaseModel):
    id: str
    url: str
    events: tuple[EventType, ...]
    description: str
    template: dict[str, JsonValue] | None
    enabled: bool
    disabled_at: datetime | None
    disabled_reason: str | None
    created_at: datetime


class NewEndpointView(EndpointView):
    secret: str = Field(description="Verifies signatures (Standard Webhooks); it is not shown again")


class EndpointList(BaseModel):
    items: tuple[EndpointView, ...]


def endpoint_view(endpoint: WebhookEndpoint) -> EndpointView:
    return EndpointView(
        id=endpoint.id,
        url=endpoint.url,
        events=tuple(sorted(endpoint.event_types)),
        description=endpoint.description,
        template=None if endpoint.template is None else json.loads(endpoint.template),
        enabled=endpoint.disabled_at is None,
        disabled_at=endpoint.disabled_at,
        disabled_reason=endpoint.disabled_reason,
        created_at=endpoint.created_at,
    )


def find_endpoint(context: Context, tenant: str, endpoint_id: str) -> WebhookEndpoint:
    endpoint = context.endpoints.find(tenant, endpoint_id)
    if endpoint is None:
        raise NotFound("There is no such webhook endpoint.")
    return endpoint


@router.post(
    PATH,
    status_code=CREATED,
    response_model=NewEndpointView,
    responses=error_responses(IdempotencyKeyInUse, IdempotencyKeyReused, StateConflict, AddressBlocked),
    summary="Create an endpoint",
)
def add_endpoint(gateway: Gateway, caller: WebhookWriter, key: RequestKeyHeader, wanted: EndpointRequest) -> Response:
    # The response contains a secret, which another key of the tenant must not read by repeating the request.
    template = None if wanted.template is None else write_template(wanted.template)
    events = " ".join(sorted(wanted.events))
    fingerprint = digest_of(caller.id, wanted.url, events, wanted.description, *([template] if template else []))
    cipher = gateway.callbacks.cipher
    with process_once(gateway.requests, key, fingerprint) as first:
        if first.stored is not None:
            created = cipher.decrypt(first.stored.body.decode(), ANSWER)
            return Response(created, CREATED, {"Idempotency-Replayed": "true"}, "application/json")
        created = _add(gateway, caller, wanted, template).model_dump_json()
        # The response contains the secret, so the stored response is encrypted.
        first.response = StoredResponse(status=CREATED, body=cipher.encrypt(created, ANSWER).encode())
    return Response(created, CREATED, media_type="application/json")


def _add(gateway: Context, caller: Caller, wanted: EndpointRequest, template: str | None) -> NewEndpointView:
    if len(gateway.endpoints.list(caller.tenant)) >= MAX_ENDPOINTS:
        raise StateConflict(f"There are {MAX_ENDPOINTS} endpoints already.", hint="Delete one first.")
    endpoint, secret = gateway.callbacks.make(
        caller.tenant, wanted.url, wanted.events, description=wanted.description, template=template
    )
    gateway.record_audit(caller, "webhook.created", endpoint.id, events=[*sorted(wanted.events)])
    return NewEndpointView(**endpoint_view(endpoint).model_dump(), secret=secret)


@router.get(PATH, summary="List the endpoints")
def list_endpoints(gateway: Gateway, caller: WebhookWriter) -> EndpointList:
    return EndpointList(items=tuple(map(endpoint_view, gateway.endpoints.list(caller.tenant))))


@router.get(PATH + "/{endpoint_id}", responses=error_responses(NotFound), summary="Show an endpoint")
def show_endpoint(gateway: Gateway, caller: WebhookWriter, endpoint_id: str) -> EndpointView:
    return endpoint_view(find_endpoint(gateway, caller.tenant, endpoint_id))


@router.patch(
    PATH + "/{endpoint_id}",
    responses=error_responses(NotFound, AddressBlocked),
    summary="Change or re-enable an endpoint",
)
def change_endpoint(gateway: Gateway, caller: WebhookWriter, endpoint_id: str, patch: EndpointPatch) -> EndpointView:
    find_endpoint(gateway, caller.tenant, endpoint_id)
    if patch.url is not None:
        gateway.callbacks.check(patch.url)
    changed = gateway.endpoints.change(
        caller.tenant,
        endpoint_id,
        url=patch.url,
        event_types=patch.events,
        description=patch.description,
        enabled=patch.enabled,
    )
    gateway.record_audit(caller, "webhook.changed", endpoint_id, fields=[*sorted(patch.model_fields_set)])
    return endpoint_view(changed)


@router.delete(
    PATH + "/{endpoint_id}", status_code=204, responses=error_responses(NotFound), summary="Delete an endpoint"
)
def delete_endpoint(gateway: Gateway, caller: WebhookWriter, endpoint_id: str) -> None:
    gateway.endpoints.delete(caller.tenant, endpoint_id)
    gateway.record_audit(caller, "webhook.deleted", endpoint_id)


@router.post(
    PATH + "/{endpoint_id}/rotate",
    responses=error_responses(NotFound),
    summary="Rotate the secret; the old one still signs for a limited time",
)
def rotate_secret(gateway: Gateway, caller: WebhookWriter, endpoint_id: str) -> NewEndpointView:
    endpoint = find_endpoint(gateway, caller.tenant, endpoint_id)
    now, secret = gateway.clock(), new_webhook_secret()
    until = now + timedelta(hours=gateway.settings.secret_overlap_hours)
    secrets = rotate_secrets(endpoint.secrets, gateway.callbacks.cipher.encrypt(secret, endpoint_id), now, until)
    changed = gateway.endpoints.set_secrets(caller.tenant, endpoint_id, secrets)
    gateway.record_audit(caller, "webhook.rotated", endpoint_id)
    return NewEndpointView(**endpoint_view(changed).model_dump(), secret=secret)


@router.post(
    PATH + "/{endpoint_id}/test",
    status_code=202,
    responses=error_responses(NotFound, StateConflict),
    summary="Send a test event",
)
def send_test_event(gateway: Gateway, caller: WebhookWriter, endpoint_id: str) -> DeliveryView:
    return delivery_view(gateway.deliveries.ping(caller.tenant, endpoint_id))
