"""Webhook endpoints: made, changed, rotated, tested; a secret is told when it is made, and never again."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from services.gateway.context import Context
from services.gateway.delivery_view import DeliveryView, delivery_view
from services.gateway.described import IDEMPOTENCY_KEY
from services.gateway.repeats import once, request_key
from shared.domain.error import NotFound, StateConflict
from shared.domain.idempotency import StoredAnswer
from shared.domain.tenant import Scope
from shared.domain.webhook import Topic, WebhookEndpoint, rotate
from shared.infra.intake import digest_of
from shared.infra.sealing import new_webhook_secret
from shared.infra.web.api_keys import Caller
from shared.infra.web.door import caller_of
from shared.infra.web.problems import answers

MOST_ENDPOINTS = 50
CREATED = 201
ANSWER = "answer of POST /v1/webhooks"
PATH = "/v1/webhooks"
Topics = Annotated[frozenset[Topic], Field(min_length=1, description="What to hear of")]
Address = Annotated[str, Field(min_length=1, max_length=2000, description="Where events are sent")]
Words = Annotated[str, Field(max_length=200)]


class EndpointWish(BaseModel):
    model_config = ConfigDict(extra="forbid")

    url: Address
    events: Topics = frozenset({Topic.TRANSCRIPT_READY, Topic.JOB_FAILED})
    description: Words = ""


class EndpointChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    url: Address | None = None
    events: Topics | None = None
    description: Words | None = None
    enabled: bool | None = None


class EndpointView(BaseModel):
    id: str
    url: str
    events: tuple[Topic, ...]
    description: str
    enabled: bool
    disabled_at: datetime | None
    disabled_reason: str | None
    created_at: datetime


class NewEndpointView(EndpointView):
    secret: str = Field(description="Verifies signatures (Standard Webhooks); it is not shown again")


class EndpointList(BaseModel):
    items: tuple[EndpointView, ...]


def _made(body: str, headers: dict[str, str]) -> Response:
    return Response(body, CREATED, headers, "application/json")


def endpoint_view(endpoint: WebhookEndpoint) -> EndpointView:
    return EndpointView(
        id=endpoint.id,
        url=endpoint.url,
        events=tuple(sorted(endpoint.topics)),
        description=endpoint.description,
        enabled=endpoint.disabled_at is None,
        disabled_at=endpoint.disabled_at,
        disabled_reason=endpoint.disabled_reason,
        created_at=endpoint.created_at,
    )


def owner(request: Request) -> Caller:
    caller = caller_of(request)
    caller.need(Scope.WEBHOOKS_WRITE)
    return caller


def found_endpoint(context: Context, tenant: str, endpoint_id: str) -> WebhookEndpoint:
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
        responses=answers(409, 413),
        openapi_extra={"parameters": [IDEMPOTENCY_KEY]},
        summary="Listen to events",
    )
    def add(wish: EndpointWish, request: Request) -> Response:
        caller = owner(request)
        key = request_key(request, caller)
        fingerprint = digest_of(wish.url, " ".join(sorted(wish.events)), wish.description)
        sealer = context.callbacks.sealer
        with once(context.requests, key, fingerprint) as first:
            if first.stored is not None:
                return _made(sealer.open(first.stored.body.decode(), ANSWER), {"Idempotency-Replayed": "true"})
            told = _add(caller, wish).model_dump_json()
            # The secret stands in the answer, so the answer is kept encrypted.
            first.answer = StoredAnswer(status=CREATED, body=sealer.seal(told, ANSWER).encode())
        return _made(told, {})

    def _add(caller: Caller, wish: EndpointWish) -> NewEndpointView:
        if len(context.endpoints.list(caller.tenant)) >= MOST_ENDPOINTS:
            raise StateConflict(f"There are {MOST_ENDPOINTS} endpoints already.", mend="Delete one first.")
        endpoint, secret = context.callbacks.make(caller.tenant, wish.url, wish.events, description=wish.description)
        context.note(caller, "webhook.created", endpoint.id, events=sorted(wish.events))
        return NewEndpointView(**endpoint_view(endpoint).model_dump(), secret=secret)

    @router.get(PATH, responses=answers(422), summary="The endpoints")
    def list_endpoints(request: Request) -> EndpointList:
        return EndpointList(items=tuple(map(endpoint_view, context.endpoints.list(owner(request).tenant))))

    @router.get(PATH + "/{endpoint_id}", responses=answers(404, 422), summary="One endpoint")
    def look(endpoint_id: str, request: Request) -> EndpointView:
        return endpoint_view(found_endpoint(context, owner(request).tenant, endpoint_id))

    @router.patch(PATH + "/{endpoint_id}", responses=answers(404, 413, 422), summary="Change it, or enable it again")
    def change(endpoint_id: str, wish: EndpointChange, request: Request) -> EndpointView:
        caller = owner(request)
        found_endpoint(context, caller.tenant, endpoint_id)
        if wish.url is not None:
            context.callbacks.check(wish.url)
        changed = context.endpoints.change(
            caller.tenant,
            endpoint_id,
            url=wish.url,
            topics=wish.events,
            description=wish.description,
            enabled=wish.enabled,
        )
        context.note(caller, "webhook.changed", endpoint_id, fields=sorted(wish.model_fields_set))
        return endpoint_view(changed)

    @router.delete(
        PATH + "/{endpoint_id}", status_code=204, responses=answers(404, 422), summary="Stop listening, and forget"
    )
    def delete(endpoint_id: str, request: Request) -> Response:
        caller = owner(request)
        context.endpoints.delete(caller.tenant, endpoint_id)
        context.note(caller, "webhook.deleted", endpoint_id)
        return Response(status_code=204)

    @router.post(
        PATH + "/{endpoint_id}/rotate",
        responses=answers(404, 422),
        summary="A new secret; the old one signs for a while",
    )
    def rotate_secret(endpoint_id: str, request: Request) -> NewEndpointView:
        caller = owner(request)
        endpoint = found_endpoint(context, caller.tenant, endpoint_id)
        now, secret = context.clock(), new_webhook_secret()
        until = now + timedelta(hours=context.settings.secret_overlap_hours)
        kept = rotate(endpoint.secrets, context.callbacks.sealer.seal(secret, endpoint_id), now, until)
        changed = context.endpoints.set_secrets(caller.tenant, endpoint_id, kept)
        context.note(caller, "webhook.rotated", endpoint_id)
        return NewEndpointView(**endpoint_view(changed).model_dump(), secret=secret)

    @router.post(
        PATH + "/{endpoint_id}/test", status_code=202, responses=answers(404, 409, 422), summary="Send a test event"
    )
    def ping(endpoint_id: str, request: Request) -> DeliveryView:
        return delivery_view(context.deliveries.ping(owner(request).tenant, endpoint_id))

    return router
