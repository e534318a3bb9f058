"""The errors and keys of a compatible API: every answer below its paths, from whichever layer, has its form."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, Depends
from fastapi.testclient import TestClient
from pydantic import BaseModel

from shared.domain.tenant import Scope
from shared.infra.database.engine import open_database
from shared.infra.database.keys import SqlKeyStore
from shared.infra.key_verifier import make_key
from shared.infra.web.application import WebService, create_application
from shared.infra.web.authentication import require_scopes
from shared.infra.web.dialect import Dialect, Failure
from shared.infra.web.settings import WebSettings

router = APIRouter()


class Sent(BaseModel):
    number: int


@router.post("/v7/numbers", dependencies=[Depends(require_scopes(Scope.RECORDINGS_WRITE))])
def take(sent: Sent) -> Sent:
    if sent.number < 0:
        raise ZeroDivisionError("a secret")
    return sent


def write_error(failure: Failure) -> tuple[int, dict[str, Any]]:
    assert failure.request_id
    return 418 if failure.status == 404 else failure.status, {"oops": failure.code, "why": failure.message}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    database = open_database(f"sqlite:///{tmp_path / 'undertone.db'}")
    keys = SqlKeyStore(database)
    keys.ensure_tenant("ours")
    text, key = make_key("ours", {Scope.RECORDINGS_WRITE}, database.now)
    keys.add(key)
    dialect = Dialect(prefixes=("/v7",), write_error=write_error, key_header="x-key", key_schemes=("secret",))
    service = WebService(name="seven", context=None, routers=(router,), checks={}, dialects=(dialect,))
    app = create_application([service], WebSettings(requests_per_minute=9), database)
    yield TestClient(app, headers={"X-Key": f"SECRET {text}"}, raise_server_exceptions=False)
    database.close()


def test_every_layer_answers_in_the_dialect(client: TestClient) -> None:
    path = "/v7/numbers"
    assert client.post(path, json={"number": 1}).json() == {"number": 1}
    answers = [
        (client.post(path, json={"number": -1}), 500, "internal_error"),  # the access log
        (client.post(path, json={"number": "x"}), 422, "invalid_request"),  # the validation of the framework
        (client.get(path), 405, "method_not_allowed"),  # its router
        (client.get("/v7/other"), 418, "not_found"),
        (client.post(path, content=bytes(70_000)), 413, "upload_too_large"),  # the limit of bodies
        (client.post(path, headers={"X-Key": "secret ut_wrong"}), 401, "invalid_api_key"),  # authentication
        (client.post(path, headers={"X-Key": "bearer ut_wrong"}), 401, "invalid_api_key"),
    ]
    for answer, status, code in answers:
        assert (answer.status_code, answer.json()["oops"]) == (status, code)
        assert answer.headers["content-type"] == "application/json" and "a secret" not in answer.text
    assert answers[1][0].json()["why"].startswith("Some fields are missing or invalid. number: ")
    limited = [client.post(path, json={"number": 1}) for _ in range(9)][-1]
    assert (limited.status_code, limited.json()["oops"]) == (429, "too_many_requests")
    assert int(limited.headers["retry-after"]) >= 1, "the headers stay"


def test_other_paths_keep_their_form_and_their_key(client: TestClient) -> None:
    answer = client.get("/v70/numbers")
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_api_key")
    assert answer.headers["content-type"].startswith("application/problem+json")
