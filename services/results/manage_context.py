"""What managing depends on: the stores of a tenant's keys, webhooks, retention periods and audit trail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from pydantic import JsonValue

from shared.domain.tenant import Scope
from shared.infra.database.audit_log import SqlAuditLog
from shared.infra.database.engine import Clock, Database
from shared.infra.database.engine_reports import SqlEngineReportStore
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.retention import SqlRetentionStore
from shared.infra.database.webhooks import SqlDeliveryStore, SqlEndpointStore
from shared.infra.retention_settings import RetentionSettings
from shared.infra.web.application import context_of
from shared.infra.web.authentication import require_scopes
from shared.infra.web.authenticator import Caller


@dataclass(frozen=True, slots=True)
class ManageContext:
    keys: SqlKeyStore
    endpoints: SqlEndpointStore
    deliveries: SqlDeliveryStore
    audit: SqlAuditLog
    periods: SqlRetentionStore
    engines: SqlEngineReportStore
    retention: RetentionSettings
    clock: Clock
    keyless: bool

    def record_audit(self, caller: Caller, action: str, subject: str, **details: JsonValue) -> None:
        self.audit.record(caller.audit_entry(self.clock(), action, subject, **details))


def open_manage(database: Database, retention: RetentionSettings, *, keyless: bool) -> ManageContext:
    return ManageContext(
        keys=SqlKeyStore(database),
        endpoints=SqlEndpointStore(database),
        deliveries=SqlDeliveryStore(database),
        audit=SqlAuditLog(database),
        periods=SqlRetentionStore(database),
        engines=SqlEngineReportStore(database),
        retention=retention,
        clock=database.clock,
        keyless=keyless,
    )


Managed = Annotated[ManageContext, context_of("manage")]
Admin = Annotated[Caller, Depends(require_scopes(Scope.ADMIN))]
WebhookWriter = Annotated[Caller, Depends(require_scopes(Scope.WEBHOOKS_WRITE))]
