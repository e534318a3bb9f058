"""Webhook deliveries: list them, show their attempts, send one again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from services.gateway.delivery_view import DeliveryLog, DeliveryPage, DeliveryView, delivery_log, delivery_view
from services.gateway.dependencies import Gateway, WebhookWriter
from services.gateway.webhooks import PATH, find_endpoint
from shared.domain.error import NotFound, StateConflict
from shared.infra.web.openapi import error_responses

router = APIRouter(tags=["webhooks"])


@router.get(
    PATH + "/{endpoint_id}/deliveries", responses=error_responses(NotFound), summary="What was sent, new to old"
)
def list_deliveries(
    gateway: Gateway,
    caller: WebhookWriter,
    endpoint_id: str,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> DeliveryPage:
    find_endpoint(gateway, caller.tenant, endpoint_id)
    page = gateway.deliveries.list(caller.tenant, endpoint_id=endpoint_id, cursor=cursor, limit=limit)
    return DeliveryPage(items=tuple(map(delivery_view, page.items)), next_cursor=page.next_cursor)


@router.get(
    "/v1/deliveries/{delivery_id}", responses=error_responses(NotFound), summary="One delivery with its attempts"
)
def show_delivery(gateway: Gateway, caller: WebhookWriter, delivery_id: str) -> DeliveryLog:
    delivery = gateway.deliveries.find(caller.tenant, delivery_id)
    if delivery is None:
        raise NotFound("There is no such delivery.")
    return delivery_log(delivery, gateway.deliveries.attempts(caller.tenant, delivery_id))


@router.post(
    "/v1/deliveries/{delivery_id}/replay",
    status_code=202,
    responses=error_responses(NotFound, StateConflict),
    summary="Send it again, under the same id",
)
def replay_delivery(gateway: Gateway, caller: WebhookWriter, delivery_id: str) -> DeliveryView:
    delivery = gateway.deliveries.replay(caller.tenant, delivery_id)
    gateway.record_audit(caller, "delivery.replayed", delivery_id)
    return delivery_view(delivery)
