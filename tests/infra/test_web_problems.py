"""Refusals say what, where and what helps, and never a word that was sent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from pydantic import field_validator

from shared.domain.error import NotFound, StorageFull
from shared.domain.value import Value
from shared.infra.web_headers import HEADERS, SecurityHeaders
from shared.infra.web_problems import MEDIA_TYPE, answers, install_problems

SAID = "Wednesday"


class Body(Value):
    number: int
    word: str = ""

    @field_validator("word")
    @classmethod
    def _never(cls, word: str) -> str:
        if word:
            raise ValueError(f"{word} is not a word")
        return word


@pytest.fixture
def web() -> TestClient:
    app = FastAPI()
    install_problems(app)
    app.add_middleware(SecurityHeaders)

    @app.get("/full", responses=answers(StorageFull, NotFound))
    def full() -> None:
        raise StorageFull("No room.", mend="Make some.")

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError(SAID)

    @app.get("/half")
    def half() -> StreamingResponse:
        def blocks() -> Iterator[bytes]:
            yield b"begun"
            raise RuntimeError(SAID)

        return StreamingResponse(blocks())

    @app.post("/body")
    def body(body: Body) -> int:
        return body.number

    return TestClient(app)


def test_an_error_of_ours_is_a_problem(web: TestClient) -> None:
    answer = web.get("/full")
    assert (answer.status_code, answer.headers["content-type"]) == (507, MEDIA_TYPE)
    assert answer.json() == {
        "type": "urn:undertone:problem:storage_full",
        "title": "Storage full",
        "status": 507,
        "code": "storage_full",
        "detail": "No room.",
        "mend": "Make some.",
    }
    assert (
        "`storage_full`" in web.get("/openapi.json").json()["paths"]["/full"]["get"]["responses"]["507"]["description"]
    )


@pytest.mark.parametrize(
    ("sent", "where"),
    [
        ({"number": SAID}, "body.number"),
        ({"number": 1, "word": SAID}, "body.word"),
        ({"number": 1, SAID: 1}, "body.…"),
        ([SAID], "body"),
    ],
)
def test_what_was_not_understood_is_not_repeated(web: TestClient, sent: object, where: str) -> None:
    answer = web.post("/body", json=sent)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["errors"][0]["where"] == where
    assert SAID not in answer.text


def test_broken_json_is_not_repeated(web: TestClient) -> None:
    answer = web.post("/body", content=f'{{"number": {SAID}', headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert SAID not in answer.text


def test_what_nobody_foresaw_is_answered_and_logged_without_its_words(
    web: TestClient, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = web.get("/broken")
    logged = capsys.readouterr().out
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "RuntimeError" in logged
    assert SAID not in answer.text + logged
    with pytest.raises(RuntimeError, match="half-way") as broken:
        web.get("/half")
    assert broken.value.__suppress_context__


def test_the_frameworks_refusals_are_problems_too(web: TestClient) -> None:
    assert web.get("/nowhere").json()["code"] == "not_found"
    wrong = web.post("/full")
    assert (wrong.json()["code"], wrong.headers["allow"]) == ("method_not_allowed", "GET")


def test_every_answer_carries_the_security_headers(web: TestClient) -> None:
    for path in ("/full", "/broken", "/nowhere", "/openapi.json"):
        assert web.get(path).headers.items() >= {name.lower(): value for name, value in HEADERS.items()}.items()
