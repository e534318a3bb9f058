"""What every store of keys promises: kept as given, listed and revoked by their tenant only."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain.error import NotFound
from shared.domain.tenant import ApiKey, Scope
from shared.infra.database.engine import Database
from shared.infra.database.keys import SqlKeyStore
from shared.infra.keys import make_key
from shared.ports.keys import KeyStore
from tests.service_fakes import MINUTE, MovableClock


@pytest.fixture
def store(database: Database) -> KeyStore:
    return SqlKeyStore(database)


def added(store: KeyStore, clock: MovableClock, tenant: str = "ours") -> ApiKey:
    _text, key = make_key(tenant, set(Scope), clock.now, name="n", expires_at=clock.now + timedelta(days=1))
    key = key.model_copy(update={"defaults": {"purpose": "research"}})
    store.add(key)
    return key


def test_a_key_comes_back_as_it_was_given(store: KeyStore, clock: MovableClock) -> None:
    key = added(store, clock)
    assert store.find(key.id) == key
    assert store.find("unknown") is None


def test_the_last_use_is_noted_to_the_minute(store: KeyStore, clock: MovableClock) -> None:
    key = added(store, clock)
    noted = []
    for _ in range(3):
        store.record_use(key.id)
        found = store.find(key.id)
        assert found is not None
        noted.append(found.last_used_at)
        clock.move(MINUTE / 2)
    assert noted == [clock.now - 1.5 * MINUTE, clock.now - 1.5 * MINUTE, clock.now - 0.5 * MINUTE]


def test_keys_are_listed_and_revoked_by_their_tenant_only(store: KeyStore, clock: MovableClock) -> None:
    key, foreign = added(store, clock), added(store, clock, "theirs")
    assert store.list("ours") == (key,)
    for unknown in (foreign.id, "unknown"):
        with pytest.raises(NotFound, match="There is no such key"):
            store.revoke("ours", unknown)
    first = store.revoke("ours", key.id)
    assert first.revoked_at == clock.now
    clock.move(MINUTE)
    assert store.revoke("ours", key.id) == first, "doing it again changes nothing"
    assert store.find(foreign.id) == foreign


def test_a_key_needs_a_tenant_and_an_id_of_its_own(store: KeyStore, clock: MovableClock) -> None:
    key = added(store, clock)
    with pytest.raises(NotFound):
        store.add(key)
    with pytest.raises(NotFound):
        added(store, clock, "nobody")
