"""Contract tests of the session store: a session ends with its time, with its key, and when its user signs out."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain.tenant import ApiKey, Scope
from shared.infra.database.engine import Database
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.sessions import DURATION, SqlSessionStore
from shared.infra.key_verifier import make_key
from tests.service_fakes import MINUTE, MovableClock


@pytest.fixture
def sessions(database: Database) -> SqlSessionStore:
    return SqlSessionStore(database)


@pytest.fixture
def key(database: Database, clock: MovableClock) -> ApiKey:
    _text, made = make_key("ours", {Scope.TRANSCRIPTS_READ}, clock.now, expires_at=clock.now + timedelta(days=9))
    SqlKeyStore(database).add(made)
    return made


def test_a_session_has_the_key_that_started_it(sessions: SqlSessionStore, key: ApiKey) -> None:
    first, second = sessions.start(key), sessions.start(key)
    assert first != second
    assert sessions.find(first) == sessions.find(second) == key
    assert sessions.find(first[:-1]) is None and sessions.find("") is None and sessions.find("\ud800") is None


def test_a_session_expires(sessions: SqlSessionStore, key: ApiKey, clock: MovableClock) -> None:
    token = sessions.start(key)
    clock.move(DURATION - MINUTE)
    assert sessions.find(token) == key
    clock.move(MINUTE)
    assert sessions.find(token) is None


def test_signing_out_ends_one_session(sessions: SqlSessionStore, key: ApiKey) -> None:
    ended, other = sessions.start(key), sessions.start(key)
    sessions.end(ended)
    assert sessions.find(ended) is None
    assert sessions.find(other) == key


def test_revoking_the_key_ends_its_sessions(sessions: SqlSessionStore, key: ApiKey, database: Database) -> None:
    token = sessions.start(key)
    SqlKeyStore(database).revoke("ours", key.id)
    assert sessions.find(token) is None


def test_a_session_does_not_outlive_its_key(sessions: SqlSessionStore, database: Database, clock: MovableClock) -> None:
    _text, brief = make_key("ours", {Scope.ADMIN}, clock.now, expires_at=clock.now + MINUTE)
    SqlKeyStore(database).add(brief)
    token = sessions.start(brief)
    clock.move(MINUTE)
    assert sessions.find(token) is None
