"""Tests of API key verification."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from shared.domain.error import InvalidApiKey
from shared.domain.tenant import Scope
from shared.infra.database.engine import Database, open_database
from shared.infra.database.keys import SqlKeyStore
from shared.infra.key_verifier import ApiKeyVerifier, make_key
from tests.service_fakes import MovableClock

DAY = timedelta(days=1)
READ = frozenset({Scope.TRANSCRIPTS_READ})


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def database(tmp_path: Path, clock: MovableClock) -> Iterator[Database]:
    opened = open_database(f"sqlite:///{tmp_path / 'undertone.db'}", clock=clock)
    SqlKeyStore(opened).ensure_tenant("ours")
    yield opened
    opened.close()


def test_valid_key_authenticates_its_tenant(database: Database, clock: MovableClock) -> None:
    store = SqlKeyStore(database)
    text, key = make_key("ours", READ, clock.now, name="laptop")
    store.add(key)
    verified = ApiKeyVerifier(store, clock).verify(text)
    assert (verified.tenant, verified.scopes, verified.id) == ("ours", READ, key.id)
    secret = text.split("_", 2)[2]
    assert len(secret) == 43 and secret not in key.model_dump_json()
    assert verified.has_scope(Scope.TRANSCRIPTS_READ) and not verified.has_scope(Scope.EMOTIONS_READ)


def test_every_invalid_key_is_rejected_with_the_same_message(database: Database, clock: MovableClock) -> None:
    store = SqlKeyStore(database)
    verifier = ApiKeyVerifier(store, clock)
    text, key = make_key("ours", READ, clock.now, expires_at=clock.now + DAY)
    store.add(key)
    other, _unknown = make_key("ours", READ, clock.now)
    secret = text.split("_", 2)[2]
    wrong = (f"ut_{key.id}_{secret[:-1]}", f"ut_{key.id}_", f"ut_{key.id}", f"xx_{key.id}_{secret}", secret, "", "ut")
    messages = set()
    for invalid in (other, *wrong, "ut__", "ut_ä_\ud800", "_" * 50):
        with pytest.raises(InvalidApiKey) as refused:
            verifier.verify(invalid)
        messages.add(refused.value.message)
    assert verifier.verify(text).id == key.id
    clock.move(DAY)
    with pytest.raises(InvalidApiKey) as refused:
        verifier.verify(text)
    assert messages == {refused.value.message}


def test_revoked_key_is_rejected_immediately(database: Database, clock: MovableClock) -> None:
    store = SqlKeyStore(database)
    text, key = make_key("ours", READ, clock.now)
    store.add(key)
    ApiKeyVerifier(store, clock).verify(text)
    store.revoke("ours", key.id)
    with pytest.raises(InvalidApiKey):
        ApiKeyVerifier(store, clock).verify(text)
