"""Webhook deliveries: list them, show their attempts, send one again."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from services.gateway.context import Context
from services.gateway.delivery_view import DeliveryLog, DeliveryPage, DeliveryView, delivery_log, delivery_view
from services.gateway.webhooks import PATH, find_endpoint, require_webhook_scope
from shared.domain.error import NotFound
from shared.infra.web.problems import problem_responses


def routes(context: Context) -> APIRouter:
    router = APIRouter(tags=["webhooks"])

    @router.get(
        PATH + "/{endpoint_id}/deliveries", responses=problem_responses(404, 422), summary="What was sent, new to old"
    )
    def list_deliveries(
        endpoint_id: str,
        request: Request,
        cursor: Annotated[str | None, Query(max_length=500)] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> DeliveryPage:
        tenant = require_webhook_scope(request).tenant
        find_endpoint(context, tenant, endpoint_id)
        page = context.deliveries.list(tenant, endpoint_id=endpoint_id, cursor=cursor, limit=limit)
        return DeliveryPage(items=tuple(map(delivery_view, page.items)), next_cursor=page.next_cursor)

    @router.get(
        "/v1/deliveries/{delivery_id}", responses=problem_responses(404, 422), summary="One delivery with its attempts"
    )
    def look(delivery_id: str, request: Request) -> DeliveryLog:
        tenant = require_webhook_scope(request).tenant
        delivery = context.deliveries.find(tenant, delivery_id)
        if delivery is None:
            raise NotFound("There is no such delivery.")
        return delivery_log(delivery, context.deliveries.attempts(tenant, delivery_id))

    @router.post(
        "/v1/deliveries/{delivery_id}/replay",
        status_code=202,
        responses=problem_responses(404, 409, 422),
        summary="Send it again, under the same id",
    )
    def replay(delivery_id: str, request: Request) -> DeliveryView:
        caller = require_webhook_scope(request)
        delivery = context.deliveries.replay(caller.tenant, delivery_id)
        context.record_audit(caller, "delivery.replayed", delivery_id)
        return delivery_view(delivery)

    return router
