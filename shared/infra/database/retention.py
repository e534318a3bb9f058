"""Stores the retention periods that a tenant has set for all its jobs."""

from __future__ import annotations

from sqlalchemy import select, update

from shared.domain.retention import Retention
from shared.infra.database.engine import Database
from shared.infra.database.schema import tenants


class SqlRetentionStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, tenant: str) -> Retention:
        """The tenant's periods; a field is None where the deployment's period applies."""
        with self._database.reading() as connection:
            text = connection.execute(select(tenants.c.retention).where(tenants.c.id == tenant)).scalar_one()
        return Retention.model_validate_json(text) if text else Retention()

    def set(self, tenant: str, retention: Retention) -> None:
        text = None if retention == Retention() else retention.model_dump_json()
        with self._database.writing() as connection:
            connection.execute(update(tenants).where(tenants.c.id == tenant).values(retention=text))
