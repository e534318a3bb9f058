"""Errors of AssemblyAI's route, received by the unmodified Python SDK."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.gateway.compat.assemblyai_sdk import aai, sdk, submitted
from tests.gateway.compat.finished_jobs import finish
from tests.gateway.conftest import Open
from tests.gateway.serving import Gateway

__all__ = ["sdk"]
# The SDK calls pydantic by its old names.
pytestmark = pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")
UNKNOWN = "0" * 32


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"redact_pii": True, "redact_pii_policies": ["person_name"]}, "redact_pii"),
        ({"auto_chapters": True}, "auto_chapters"),
        ({"summarization": True}, "summarization"),
        ({"audio_start_from": 2_000, "audio_end_at": 2_000}, "audio_end_at"),
        (
            {"webhook_url": "https://a.example/", "webhook_auth_header_name": "Host", "webhook_auth_header_value": "x"},
            "header",
        ),
        ({"webhook_url": "http://169.254.169.254/"}, "address"),
        ({"speakers_expected": 900}, "speakers_expected"),
        ({"word_boost": ["<|x|>"]}, "keyterms_prompt"),
    ],
)
def test_unsupported_options_are_refused_by_name(sdk: Any, config: dict[str, Any], named: str) -> None:
    with pytest.raises(aai.TranscriptError, match=named) as refused:
        submitted(sdk, **config)
    assert refused.value.status_code in (400, 403)


def test_options_that_tune_the_vendors_model_give_a_warning(gateway: Gateway, sdk: Any) -> None:
    job = submitted(sdk, disfluencies=True, format_text=False, keyterms_prompt=["Undertone"])
    finish(gateway, job.id)
    shown = job.wait_for_completion().json_response
    expected = [f"The option {name} has no effect here." for name in ("disfluencies", "format_text")]
    assert [one["message"] for one in shown["metadata"]["warnings"]] == expected
    record = gateway.context.jobs.find("ours", job.id)
    assert record is not None and record.job.options.vocabulary == ("Undertone",)


def test_errors_have_the_vendors_form_and_tenants_are_separate(gateway: Gateway, sdk: Any) -> None:
    job = submitted(sdk)
    mine = {"authorization": gateway.keys["ours"]}
    theirs = {"authorization": gateway.keys["theirs"]}
    with httpx.Client(base_url=gateway.url) as client:
        upload = job.json_response["audio_url"] if job.json_response else ""
        lookup = {"error": "Transcript lookup error, transcript id not found"}
        for path in (job.id, UNKNOWN, "../x", f"{job.id}/srt", f"{job.id}/sentences"):
            answer = client.get(f"/v2/transcript/{path}", headers=theirs)
            assert (answer.status_code, answer.json()) == (400, lookup), path
        for answer in (client.delete(f"/v2/transcript/{job.id}", headers=theirs), client.get("/v2/x", headers=mine)):
            assert (answer.status_code, answer.json()) == (400, lookup)
        url = upload or sdk.http_client.get(f"/v2/transcript/{job.id}").json()["audio_url"]
        stolen = client.post("/v2/transcript", headers=theirs, json={"audio_url": url})
        assert (stolen.status_code, stolen.json()) == (403, {"error": "Cannot access uploaded file"})
        for bad in ({}, {"authorization": "x"}, {"authorization": f"Bearer {gateway.keys['ours']}"}):
            answer = client.get("/v2/transcript", headers=bad)
            expected = {"error": "Authentication error, API token missing/invalid"}
            assert (answer.status_code, answer.json()) == (401, expected)
        bodies: tuple[dict[str, Any], ...] = (
            {"json": {}},
            {"content": b"{"},
            {"json": {"audio_url": "file:///etc/passwd"}},
        )
        for sent in bodies:
            answer = client.post("/v2/transcript", headers=mine | {"content-type": "application/json"}, **sent)
            assert answer.status_code in (400, 403) and set(answer.json()) == {"error"}
        text = client.post("/v2/transcript", headers=mine, json={"audio_url": "x" * 70_000})
        assert text.status_code == 413 and set(text.json()) == {"error"}
        early = client.get(f"/v2/transcript/{job.id}/srt", headers=mine)
        assert early.status_code == 400 and "no transcript yet" in early.json()["error"]
        assert client.get(f"/v2/transcript/{job.id}/redacted-audio", headers=mine).status_code == 400
        assert client.get("/v1/jobs", headers=mine).json()["code"] == "invalid_api_key", "only below /v2"


def test_a_switched_off_api_has_no_routes_and_no_dialect(opened: Open) -> None:
    with opened(compatible_apis="") as gateway, gateway.client() as client:
        answer = client.get("/v2/transcript")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_uploads_are_limited_and_a_broken_one_leaves_nothing(opened: Open) -> None:
    with opened(max_upload_mb=1) as gateway:
        headers = {"authorization": gateway.keys["ours"]}
        chunks = (bytes(600_000) for _ in range(2))
        answer = httpx.post(f"{gateway.url}/v2/upload", headers=headers, content=chunks)
        assert answer.status_code == 413 and set(answer.json()) == {"error"}
        assert not list((gateway.folder / "uploads").glob("*/*"))
        assert httpx.post(f"{gateway.url}/v2/upload", headers=headers, content=iter([b"a", b"b"])).status_code == 200
