"""Webhook endpoints: create, change, rotate, test; a secret is returned only when it is created."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from services.gateway.context import Context
from services.gateway.delivery_view import DeliveryView, delivery_view
from services.gateway.idempotency import process_once, request_key
from services.gateway.job_intake import digest_of
from services.gateway.openapi import IDEMPOTENCY_KEY
from shared.domain.error import NotFound, StateConflict
from shared.domain.idempotency import StoredResponse
from shared.domain.tenant import Scope
from shared.domain.webhook import EventType, WebhookEndpoint, rotate_secrets
from shared.infra.secret_encryption import new_webhook_secret
from shared.infra.web.api_keys import Caller
from shared.infra.web.auth_middleware import caller_of
from shared.infra.web.problems import problem_responses

MAX_ENDPOINTS = 50
CREATED = 201
ANSWER = "answer of POST /v1/webhooks"
PATH = "/v1/webhooks"
EventTypes = Annotated[frozenset[EventType], Field(min_length=1, description="Event types to subscribe to")]
Address = Annotated[str, Field(min_length=1, max_length=2000, description="The URL that events are sent to")]
Words = Annotated[str, Field(max_length=200)]


class EndpointRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    url: Address
    events: EventTypes = frozenset({EventType.TRANSCRIPT_READY, EventType.JOB_FAILED})
    description: Words = ""


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
    enabled: bool
    disabled_at: datetime | None
    disabled_reason: str | None
    created_at: datetime


class NewEndpointView(EndpointView):
    secret: str = Field(description="Verifies signatures (Standard Webhooks); it is not shown again")


class EndpointList(BaseModel):
    items: tuple[EndpointView, ...]


def _created(body: str, headers: dict[str, str]) -> Response:
    return Response(body, CREATED, headers, "application/json")


def endpoint_view(endpoint: WebhookEndpoint) -> EndpointView:
    return EndpointView(
        id=endpoint.id,
        url=endpoint.url,
        events=tuple(sorted(endpoint.event_types)),
        description=endpoint.description,
        enabled=endpoint.disabled_at is None,
        disabled_at=endpoint.disabled_at,
        disabled_reason=endpoint.disabled_reason,
        created_at=endpoint.created_at,
    )


def require_webhook_scope(request: Request) -> Caller:
    caller = caller_of(request)
    caller.require_scope(Scope.WEBHOOKS_WRITE)
    return caller


def find_endpoint(context: Context, tenant: str, endpoint_id: str) -> WebhookEndpoint:
    endpoint = context.endpoints.find(tenant, endpoint_id)
    if endpoint is None:
        raise NotFound("There is no such webhook endpoint.")
    return endpoint


def routes(context: Context) -> APIRouter:
    router = APIRouter(tags=["webhooks"])

    @router.post(
        PATH,
        status_code=201,
        response_model=NewEndpointView,
        responses=problem_responses(409, 413),
        openapi_extra={"parameters": [IDEMPOTENCY_KEY]},
        summary="Create an endpoint",
    )
    def add(endpoint_request: EndpointRequest, request: Request) -> Response:
        caller = require_webhook_scope(request)
        key = request_key(request, caller)
        fingerprint = digest_of(
            endpoint_request.url, " ".join(sorted(endpoint_request.events)), endpoint_request.description
        )
        cipher = context.callbacks.cipher
        with process_once(context.requests, key, fingerprint) as first:
            if first.stored is not None:
                return _created(cipher.decrypt(first.stored.body.decode(), ANSWER), {"Idempotency-Replayed": "true"})
            created = _add(caller, endpoint_request).model_dump_json()
            # The response contains the secret, so the stored response is encrypted.
            first.response = StoredResponse(status=CREATED, body=cipher.encrypt(created, ANSWER).encode())
        return _created(created, {})

    def _add(caller: Caller, endpoint_request: EndpointRequest) -> NewEndpointView:
        if len(context.endpoints.list(caller.tenant)) >= MAX_ENDPOINTS:
            raise StateConflict(f"There are {MAX_ENDPOINTS} endpoints already.", hint="Delete one first.")
        endpoint, secret = context.callbacks.make(
            caller.tenant, endpoint_request.url, endpoint_request.events, description=endpoint_request.description
        )
        context.record_audit(caller, "webhook.created", endpoint.id, events=sorted(endpoint_request.events))
        return NewEndpointView(**endpoint_view(endpoint).model_dump(), secret=secret)

    @router.get(PATH, responses=problem_responses(422), summary="List the endpoints")
    def list_endpoints(request: Request) -> EndpointList:
        return EndpointList(
            items=tuple(map(endpoint_view, context.endpoints.list(require_webhook_scope(request).tenant)))
        )

    @router.get(PATH + "/{endpoint_id}", responses=problem_responses(404, 422), summary="Show an endpoint")
    def look(endpoint_id: str, request: Request) -> EndpointView:
        return endpoint_view(find_endpoint(context, require_webhook_scope(request).tenant, endpoint_id))

    @router.patch(
        PATH + "/{endpoint_id}", responses=problem_responses(404, 413, 422), summary="Change or re-enable an endpoint"
    )
    def change(endpoint_id: str, endpoint_request: EndpointPatch, request: Request) -> EndpointView:
        caller = require_webhook_scope(request)
        find_endpoint(context, caller.tenant, endpoint_id)
        if endpoint_request.url is not None:
            context.callbacks.check(endpoint_request.url)
        changed = context.endpoints.change(
            caller.tenant,
            endpoint_id,
            url=endpoint_request.url,
            event_types=endpoint_request.events,
            description=endpoint_request.description,
            enabled=endpoint_request.enabled,
        )
        context.record_audit(caller, "webhook.changed", endpoint_id, fields=sorted(endpoint_request.model_fields_set))
        return endpoint_view(changed)

    @router.delete(
        PATH + "/{endpoint_id}",
        status_code=204,
        responses=problem_responses(404, 422),
        summary="Delete an endpoint",
    )
    def delete(endpoint_id: str, request: Request) -> Response:
        caller = require_webhook_scope(request)
        context.endpoints.delete(caller.tenant, endpoint_id)
        context.record_audit(caller, "webhook.deleted", endpoint_id)
        return Response(status_code=204)

    @router.post(
        PATH + "/{endpoint_id}/rotate",
        responses=problem_responses(404, 422),
        summary="Rotate the secret; the old one still signs for a limited time",
    )
    def rotate_secret(endpoint_id: str, request: Request) -> NewEndpointView:
        caller = require_webhook_scope(request)
        endpoint = find_endpoint(context, caller.tenant, endpoint_id)
        now, secret = context.clock(), new_webhook_secret()
        until = now + timedelta(hours=context.settings.secret_overlap_hours)
        secrets = rotate_secrets(endpoint.secrets, context.callbacks.cipher.encrypt(secret, endpoint_id), now, until)
        changed = context.endpoints.set_secrets(caller.tenant, endpoint_id, secrets)
        context.record_audit(caller, "webhook.rotated", endpoint_id)
        return NewEndpointView(**endpoint_view(changed).model_dump(), secret=secret)

    @router.post(
        PATH + "/{endpoint_id}/test",
        status_code=202,
        responses=problem_responses(404, 409, 422),
        summary="Send a test event",
    )
    def ping(endpoint_id: str, request: Request) -> DeliveryView:
        return delivery_view(context.deliveries.ping(require_webhook_scope(request).tenant, endpoint_id))

    return router
