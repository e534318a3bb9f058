"""Contract tests of key stores: keys are stored unchanged, and listed and revoked only by their tenant."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain.error import NotFound
from shared.domain.tenant import ApiKey, Scope
from shared.infra.database.engine import Database
from shared.infra.database.keys import SqlKeyStore
from shared.infra.key_verifier import make_key
from tests.service_fakes import MINUTE, MovableClock


@pytest.fixture
def store(database: Database) -> SqlKeyStore:
    return SqlKeyStore(database)


def added(store: SqlKeyStore, clock: MovableClock, tenant: str = "ours") -> ApiKey:
    _text, key = make_key(tenant, set(Scope), clock.now, name="n", expires_at=clock.now + timedelta(days=1))
    key = key.model_copy(update={"defaults": {"purpose": "research"}})
    store.add(key)
    return key


def test_key_is_returned_as_added(store: SqlKeyStore, clock: MovableClock) -> None:
    key = added(store, clock)
    assert store.find(key.id) == key
    assert store.find("unknown") is None


def test_last_use_is_recorded_once_per_minute(store: SqlKeyStore, clock: MovableClock) -> None:
    key = added(store, clock)
    recorded = []
    for _ in range(3):
        store.record_use(key.id)
        found = store.find(key.id)
        assert found is not None
        recorded.append(found.last_used_at)
        clock.move(MINUTE / 2)
    assert recorded == [clock.now - 1.5 * MINUTE, clock.now - 1.5 * MINUTE, clock.now - 0.5 * MINUTE]


def test_keys_are_listed_and_revoked_only_by_their_tenant(store: SqlKeyStore, clock: MovableClock) -> None:
    key, foreign = added(store, clock), added(store, clock, "theirs")
    assert store.list("ours") == (key,)
    for unknown in (foreign.id, "unknown"):
        with pytest.raises(NotFound, match="There is no such key"):
            store.revoke("ours", unknown)
    first = store.revoke("ours", key.id)
    assert first.revoked_at == clock.now
    clock.move(MINUTE)
    assert store.revoke("ours", key.id) == first, "revoking twice changes nothing"
    assert store.find(foreign.id) == foreign


def test_key_requires_an_existing_tenant_and_a_unique_id(store: SqlKeyStore, clock: MovableClock) -> None:
    key = added(store, clock)
    with pytest.raises(NotFound):
        store.add(key)
    with pytest.raises(NotFound):
        added(store, clock, "nobody")
