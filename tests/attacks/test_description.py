"""The OpenAPI description says what the service does, so that no client relies on something else."""

from __future__ import annotations

import re

import httpx
import pytest

from shared.infra.web.system_routes import OPEN_PATHS
from tests.gateway.serving import Gateway
from tests.results.conftest import ResultsHarness

TUS = {"Tus-Resumable": "1.0.0"}
ID = "0" * 32


def test_only_open_routes_are_described_without_a_key(gateway: Gateway) -> None:
    with gateway.client(None) as nobody:
        for path, item in gateway.app.openapi()["paths"].items():
            for method, operation in item.items():
                answer = nobody.request(method, re.sub(r"{\w+}", ID, path), headers=TUS)
                is_open = answer.status_code != 401
                assert (operation.get("security") == []) is is_open, (method, path)
                open_path = path in (*OPEN_PATHS, "/v1/schema/transcript.json")
                assert is_open is (open_path or method == "options"), (method, path)


def test_a_405_names_every_method_of_the_path(gateway: Gateway, client: httpx.Client) -> None:
    for path, item in gateway.app.openapi()["paths"].items():
        answer = client.request("PUT", re.sub(r"{\w+}", ID, path), headers=TUS)
        assert answer.status_code == 405, path
        assert {method.upper() for method in item} <= set(answer.headers["allow"].split(", ")), path


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[1]", b""])
def test_the_responses_to_broken_bodies_are_described(gateway: Gateway, client: httpx.Client, body: bytes) -> None:
    for path, item in gateway.app.openapi()["paths"].items():
        for method, operation in item.items():
            if "application/json" not in operation.get("requestBody", {}).get("content", {}):
                continue
            kind = {"Content-Type": "application/json"}
            answer = client.request(method, re.sub(r"{\w+}", ID, path), content=body, headers=kind)
            assert str(answer.status_code) in operation["responses"], (method, path, answer.status_code)
            assert "400" in operation["responses"] and "408" in operation["responses"]


def test_headers_of_resumable_uploads_are_described(gateway: Gateway, client: httpx.Client) -> None:
    paths = gateway.app.openapi()["paths"]
    created = client.post("/v1/uploads", headers={**TUS, "Upload-Length": "3"})
    path = created.headers["location"]
    append = {**TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    answers = {
        ("/v1/uploads", "post"): created,
        ("/v1/uploads", "options"): client.options("/v1/uploads"),
        ("/v1/uploads/{upload_id}", "head"): client.head(path, headers=TUS),
        ("/v1/uploads/{upload_id}", "patch"): client.patch(path, content=b"abc", headers=append),
        ("/v1/uploads/{upload_id}", "delete"): client.delete(path, headers=TUS),
    }
    for (route, method), answer in answers.items():
        described = paths[route][method]["responses"][str(answer.status_code)]
        sent = {name for name in described["headers"] if name in answer.headers}
        assert sent == set(described["headers"]) - {"Upload-Metadata"}, (route, method)
        assert "content" not in described and answer.content == b""


def test_json_is_not_described_as_bytes(results: ResultsHarness) -> None:
    for path, item in results.app.openapi()["paths"].items():
        for operation in item.values():
            content = operation["responses"].get("200", {}).get("content", {})
            if "application/json" in content:
                assert content["application/json"]["schema"].get("format") != "binary", path
