"""The order of webhook deliveries: tenants take turns, and neither a tenant nor slow endpoints can occupy all slots."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, and_, case, exists, func, or_, select

from shared.domain.webhook import DeliveryStatus
from shared.infra.database.schema import attempts, deliveries, endpoints

MAX_PARALLEL_PER_ENDPOINT = 4
TENANT_SHARE = 2  # one tenant may use the slots divided by this
SLOW_SHARE = 4  # all slow endpoints together may use the slots divided by this
SLOW_SECONDS = 3.0  # an endpoint is slow after an attempt that took longer,
SLOW_FOR = timedelta(minutes=15)  # for this time


def due_deliveries(now: datetime, slots: int) -> Select[Any]:
    """Ids of the deliveries that may be attempted now, those of tenants with the fewest attempts in progress first."""
    due = _due(now)
    busy_tenants, busy_slow = _in_progress(now, deliveries.c.tenant), _slow_in_progress(now)
    # A tenant's slow deliveries come last, so that they do not use up its share while they wait for a slow slot.
    next_of_tenant = (due.c.slow, due.c.turn, due.c.next_attempt_at, due.c.id)
    rank = func.row_number().over(partition_by=due.c.tenant, order_by=next_of_tenant)
    by_tenant = (
        select(due, (rank + func.coalesce(busy_tenants.c.number, 0)).label("tenant_turn"))
        .outerjoin(busy_tenants, busy_tenants.c.name == due.c.tenant)
        .where(due.c.turn <= MAX_PARALLEL_PER_ENDPOINT)
        .subquery()
    )
    next_in_lane = (by_tenant.c.tenant_turn, by_tenant.c.next_attempt_at, by_tenant.c.id)
    rank = func.row_number().over(partition_by=by_tenant.c.slow, order_by=next_in_lane)
    by_lane = (
        select(by_tenant, (rank + busy_slow).label("slow_turn"))
        .where(by_tenant.c.tenant_turn <= max(1, slots // TENANT_SHARE))
        .subquery()
    )
    return (
        select(by_lane.c.id)
        .where(or_(by_lane.c.slow == 0, by_lane.c.slow_turn <= max(1, slots // SLOW_SHARE)))
        .order_by(by_lane.c.tenant_turn, by_lane.c.next_attempt_at, by_lane.c.id)
    )


def not_leased(now: datetime) -> ColumnElement[bool]:
    return or_(deliveries.c.lease_until.is_(None), deliveries.c.lease_until <= now)


def _due(now: datetime) -> Subquery:
    """The due deliveries, each with its turn at its endpoint and whether that is slow."""
    busy = _in_progress(now, deliveries.c.endpoint_id)
    order = (deliveries.c.next_attempt_at, deliveries.c.id)
    rank = func.row_number().over(partition_by=deliveries.c.endpoint_id, order_by=order)
    return (
        select(
            deliveries.c.id,
            deliveries.c.tenant,
            deliveries.c.next_attempt_at,
            (rank + func.coalesce(busy.c.number, 0)).label("turn"),
            case((_is_slow(now), 1), else_=0).label("slow"),
        )
        .join(endpoints, endpoints.c.id == deliveries.c.endpoint_id)
        .outerjoin(busy, busy.c.name == deliveries.c.endpoint_id)
        .where(deliveries.c.status == DeliveryStatus.PENDING, deliveries.c.next_attempt_at <= now, not_leased(now))
        .where(endpoints.c.disabled_at.is_(None))
        .where(or_(endpoints.c.slow_until.is_(None), endpoints.c.slow_until <= now))
        .subquery()
    )


def _is_slow(now: datetime) -> ColumnElement[bool]:
    return exists().where(
        attempts.c.endpoint_id == deliveries.c.endpoint_id,
        attempts.c.at > now - SLOW_FOR,
        attempts.c.seconds > SLOW_SECONDS,
    )


def _leased(now: datetime) -> ColumnElement[bool]:
    return and_(deliveries.c.status == DeliveryStatus.PENDING, deliveries.c.lease_until > now)


def _in_progress(now: datetime, by: ColumnElement[str]) -> Subquery:
    """Counts the attempts in progress of each tenant or endpoint."""
    return select(by.label("name"), func.count().label("number")).where(_leased(now)).group_by(by).subquery()


def _slow_in_progress(now: datetime) -> ColumnElement[int]:
    return select(func.count()).select_from(deliveries).where(_leased(now), _is_slow(now)).scalar_subquery()
