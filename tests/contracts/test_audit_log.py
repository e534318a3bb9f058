"""Contract tests of the audit log."""

from __future__ import annotations

import pytest

from shared.domain.tenant import AuditEntry
from shared.infra.database.audit_log import SqlAuditLog
from shared.infra.database.engine import Database
from tests.service_fakes import MINUTE, MovableClock


@pytest.fixture
def audit_log(database: Database) -> SqlAuditLog:
    return SqlAuditLog(database)


def test_audit_log_is_listed_newest_first_for_its_tenant_only(audit_log: SqlAuditLog, clock: MovableClock) -> None:
    entries = []
    for number in range(5):
        clock.move(MINUTE)
        entry = AuditEntry(
            tenant="ours", at=clock.now, key_id="k", action="job.created", subject=str(number), details={"n": number}
        )
        audit_log.record(entry)
        entries.append(entry)
    first = audit_log.list("ours", limit=3)
    second = audit_log.list("ours", limit=3, cursor=first.next_cursor)
    assert [*first.items, *second.items] == entries[::-1]
    assert second.next_cursor is None
    assert audit_log.list("theirs").items == ()
    assert audit_log.delete_before(entries[2].at) == 2
    assert len(audit_log.list("ours").items) == 3
