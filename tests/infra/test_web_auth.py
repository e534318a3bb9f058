"""Who is let in, as whom, and that every refusal looks the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from shared.domain.error import SettingUnusable
from shared.domain.tenant import Scope
from shared.infra.database.engine import open_database
from shared.infra.database.keys import SqlKeyStore
from shared.infra.keys import make_key
from shared.infra.web_auth import LOCAL_TENANT, Admission, Caller, caller, caller_with, check_keyless
from shared.infra.web_problems import install_problems
from tests.service_twins import MINUTE, MovableClock

WHO = Depends(caller)
READER = Depends(caller_with(Scope.TRANSCRIPTS_READ))


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def keys(tmp_path: Path, clock: MovableClock) -> Iterator[SqlKeyStore]:
    database = open_database(f"sqlite:///{tmp_path / 'u.db'}", clock=clock)
    store = SqlKeyStore(database)
    store.ensure_tenant("ours")
    yield store
    database.close()


def client(keys: SqlKeyStore, clock: MovableClock, *, keyless: bool = False) -> TestClient:
    app = FastAPI()
    install_problems(app)
    app.state.admission = Admission(keys, keyless=keyless, clock=clock)

    @app.api_route("/who", methods=["GET", "POST"])
    def who(found: Annotated[Caller, WHO]) -> dict[str, object]:
        return {"tenant": found.tenant, "key": found.key_id, "scopes": len(found.scopes)}

    @app.get("/read")
    def read(found: Annotated[Caller, READER]) -> str:
        return found.tenant

    return TestClient(app, base_url="http://localhost:8000")


def with_key(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def test_a_key_is_its_tenant_and_is_noted(keys: SqlKeyStore, clock: MovableClock) -> None:
    text, key = make_key("ours", {Scope.WEBHOOKS_WRITE}, clock.now)
    keys.add(key)
    web = client(keys, clock)
    assert web.get("/who", headers=with_key(text)).json() == {
        "tenant": "ours",
        "key": key.id,
        "scopes": 1,
    }
    found = keys.find(key.id)
    assert found is not None and found.last_used_at == clock.now
    assert key.secret_sha256 not in repr(key) + repr(found)


def test_every_key_that_opens_nothing_gets_the_same_answer(keys: SqlKeyStore, clock: MovableClock) -> None:
    revoked_text, revoked = make_key("ours", set(Scope), clock.now)
    expired_text, expired = make_key("ours", set(Scope), clock.now, expires_at=clock.now + MINUTE)
    for key in (revoked, expired):
        keys.add(key)
    keys.revoke("ours", revoked.id)
    clock.move(timedelta(hours=1))
    wrong_secret = f"ut_{revoked.id}_{'x' * 43}"
    texts = [revoked_text, expired_text, wrong_secret, "ut_0_" + "x" * 43, "sk-1"]
    answers = [client(keys, clock).get("/who", headers=with_key(text)) for text in texts]
    assert {answer.status_code for answer in answers} == {401}
    assert {answer.text for answer in answers} == {answers[0].text}
    assert answers[0].headers["www-authenticate"] == "Bearer"
    assert client(keys, clock).get("/who").json()["code"] == "key_refused"


def test_a_scope_that_is_missing_is_named(keys: SqlKeyStore, clock: MovableClock) -> None:
    poor_text, poor = make_key("ours", {Scope.EMOTIONS_READ}, clock.now)
    admin_text, admin = make_key("ours", {Scope.ADMIN}, clock.now)
    for key in (poor, admin):
        keys.add(key)
    web = client(keys, clock)
    refused = web.get("/read", headers=with_key(poor_text))
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    assert "transcripts:read" in refused.json()["mend"]
    assert web.get("/read", headers=with_key(admin_text)).json() == "ours"


def test_without_keys_this_machines_programs_are_its_user(keys: SqlKeyStore, clock: MovableClock) -> None:
    web = client(keys, clock, keyless=True)
    for headers in ({}, with_key("anything"), {"Origin": "http://localhost:8000", "Sec-Fetch-Site": "same-origin"}):
        assert web.post("/who", headers=headers).json()["tenant"] == LOCAL_TENANT
    for host in ("127.0.0.1:9", "[::1]:9", "localhost"):
        assert web.get("/who", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "localhost.evil.example:8000"},
        {"Host": "10.0.0.5"},
        {"Host": "["},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_without_keys_no_page_from_elsewhere_drives_it(
    keys: SqlKeyStore, clock: MovableClock, headers: dict[str, str]
) -> None:
    refused = client(keys, clock, keyless=True).post("/who", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "access_refused")


def test_without_keys_a_service_listens_on_loopback_or_does_not_start() -> None:
    for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost"):
        check_keyless(True, host)
    for host in ("0.0.0.0", "::", "192.168.1.2", "undertone.example", ""):  # noqa: S104
        check_keyless(False, host)
        with pytest.raises(SettingUnusable, match="loopback"):
            check_keyless(True, host)
