"""Health, metrics, schema and OpenAPI description; errors are problem responses, and logs contain no content."""

from __future__ import annotations

import json

import httpx
import pytest

from shared.exports.document import transcript_schema
from tests.gateway.conftest import Open
from tests.gateway.serving import MP4, Gateway, eventually, logged
from tests.service_fakes import new_job


def checks(**changed: bool) -> dict[str, bool]:
    return {"database": True, "queue": True, "disk": True, "storage": True} | changed


def test_it_is_ready_while_all_dependencies_respond(gateway: Gateway, client: httpx.Client) -> None:
    assert client.get("/livez").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"ready": True, "checks": checks()}
    gateway.queue.broken = True
    assert eventually(lambda: client.get("/readyz").status_code == 503), "the result of a check is cached briefly"
    assert client.get("/readyz").json() == {"ready": False, "checks": checks(queue=False)}
    gateway.queue.broken = False
    with gateway.database.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE keys RENAME TO other")
    # Requested without a key, because keys cannot be verified now.
    with gateway.client(None) as nobody:
        assert eventually(lambda: nobody.get("/readyz").json()["checks"] == checks(database=False))
        assert nobody.get("/livez").status_code == 200


def test_an_internal_error_is_a_problem_without_its_text(
    gateway: Gateway, client: httpx.Client, capfd: pytest.CaptureFixture[str]
) -> None:
    with gateway.database.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE jobs RENAME TO secret_jobs")
    answer = client.get("/v1/jobs/secret-id")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "jobs" not in answer.json()["detail"] and "secret" not in answer.text
    log = logged(capfd, "request.failed")
    assert "OperationalError" in log and "secret" not in log


def test_metrics_contain_routes_and_no_ids(client: httpx.Client, stranger: httpx.Client) -> None:
    client.get("/v1/jobs/some-id")
    page = client.get("/metrics")
    sample = 'undertone_http_requests_total{method="GET",route="/v1/jobs/{job_id}",status="404"} 1.0'
    assert sample in page.text and "some-id" not in page.text
    assert page.headers["content-type"].startswith("text/plain")
    assert stranger.get("/metrics").status_code == 403


def test_work_metrics_are_on_the_same_page(gateway: Gateway, client: httpx.Client) -> None:
    job_id = gateway.context.jobs.add("ours", new_job()).id
    page = client.get("/metrics").text
    assert 'undertone_jobs{status="queued"} 1.0' in page
    assert 'undertone_queue_stages{queue="cpu",where="database"} 1.0' in page
    assert job_id not in page and "ours" not in page


def test_the_served_transcript_schema_is_the_one_in_use(client: httpx.Client) -> None:
    assert client.get("/v1/schema/transcript.json").json() == transcript_schema()


def test_a_missing_route_is_a_problem_response(client: httpx.Client) -> None:
    for method, path, status, code in (
        ("GET", "/v1/nothing", 404, "not_found"),
        ("PUT", "/v1/jobs", 405, "method_not_allowed"),
        ("GET", "/v1/jobs/", 404, "not_found"),
        ("GET", "/docs", 404, "not_found"),
    ):
        answer = client.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (status, code), path
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_openapi_description_contains_every_response_and_problem(gateway: Gateway) -> None:
    described = gateway.app.openapi()
    text = json.dumps(described)
    schemas = described["components"]["schemas"]
    for reference in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert reference in schemas, reference
    assert "HTTPValidationError" not in schemas, "422 is a problem response too"
    for path, item in described["paths"].items():
        for method, operation in item.items():
            answers = operation["responses"]
            assert any(status.startswith("2") for status in answers), (method, path)
            assert operation["summary"]
            if path in ("/livez", "/readyz", "/errors", "/v1/schema/transcript.json") or method == "options":
                continue
            assert {"401", "403", "429", "500"} <= set(answers), (method, path)
            if "{" in path:
                assert "404" in answers, (method, path)
            for status, answer in answers.items():
                if status.startswith(("4", "5")):
                    assert list(answer["content"]) == ["application/problem+json"], (method, path, status)
    bodies = described["paths"]["/v1/recordings"]["post"]["requestBody"]["content"]
    assert {"multipart/form-data", "application/json", "application/octet-stream"} <= set(bodies)


def test_cors_origins_may_use_the_api_and_resume_uploads(opened: Open) -> None:
    with opened(cors_origins=("https://app.example",)) as gateway, gateway.client() as client:
        ours = {"Origin": "https://app.example"}
        answer = client.get("/v1/jobs", headers=ours)
        assert answer.headers["access-control-allow-origin"] == "https://app.example"
        assert "Upload-Offset" in answer.headers["access-control-expose-headers"]
        preflight = {**ours, "Access-Control-Request-Method": "PATCH"}
        with gateway.client(None) as page:
            assert page.options("/v1/uploads", headers=preflight).status_code == 200
        assert (
            "access-control-allow-origin" not in client.get("/v1/jobs", headers={"Origin": "https://b.example"}).headers
        )


def test_logs_contain_only_ids_and_codes(
    gateway: Gateway, client: httpx.Client, capfd: pytest.CaptureFixture[str]
) -> None:
    fields = {"metadata": '{"topic": "secret-topic"}', "callback_url": "http://127.0.0.1:9999/secret-token"}
    files = [("file", ("secret-name.mp4", MP4)), ("track", ("secret-speaker.wav", MP4))]
    assert client.post("/v1/recordings?secret-query=1", data=fields, files=files).status_code == 202
    client.post("/v1/recordings", data={"speakers": "secret"}, files=files)
    client.post("/v1/recordings", json={"url": "http://127.0.0.1:9/secret-path"})
    client.get("/v1/jobs/secret-id", headers={"Authorization": "Bearer ut_secret_secret"})
    log = logged(capfd, "request.answered", times=4)
    assert "secret" not in log
    assert gateway.keys["ours"] not in log
