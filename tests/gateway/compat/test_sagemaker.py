"""The unmodified boto3 client of SageMaker's runtime against the gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from shared.domain.tenant import Scope
from shared.infra.database.keys import SqlKeyStore
from shared.infra.key_verifier import make_key
from tests.gateway.compat.finished_jobs import Ends, fail, finish, job_ids, while_ending
from tests.gateway.conftest import Open
from tests.gateway.serving import MP4, Gateway, eventually
from tests.local_server import LocalServer, Reply, serving

boto3 = pytest.importorskip("boto3", reason="the SDKs are missing (make sdks)")
config = pytest.importorskip("botocore.config")
exceptions = pytest.importorskip("botocore.exceptions")

PATH = "/endpoints/meetings/invocations"
OBJECT = {"ETag": '"1"', "Last-Modified": datetime(2026, 11, 1, tzinfo=UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")}


def client_of(gateway: Gateway, key: str | None = None) -> Any:
    return boto3.client(
        "sagemaker-runtime",
        endpoint_url=gateway.url,
        region_name="eu-west-1",
        aws_access_key_id=key or gateway.keys["ours"],
        aws_secret_access_key="unused",  # noqa: S106 - only the access key id counts
        config=config.Config(retries={"max_attempts": 0}),
    )


def invoked(gateway: Gateway, end: Ends = finish, key: str | None = None, **request: Any) -> Any:
    """What the client gets when the job ends while it waits."""

    def ask() -> Any:
        answer = client_of(gateway, key).invoke_endpoint(EndpointName="meetings", **request)
        assert answer["ContentType"] == "application/json"
        return json.loads(answer["Body"].read())

    return while_ending(gateway, ask, end)


def test_the_bytes_of_a_recording_are_read(gateway: Gateway) -> None:
    said = invoked(gateway, Body=MP4, ContentType="video/mp4", Accept="application/json")
    first, second = said["utterances"]
    assert (first["text"], first["start_time"], first["end_time"]) == (
        "We lost the customer --> yesterday.",
        0.48,
        3.92,
    )
    assert first["emotions"][0]["label"] == "sadness" and len(first["emotions"]) == 7
    confidences = [one["confidence"] for one in first["emotions"]]
    assert confidences == sorted(confidences, reverse=True)
    assert first["sentiments"][0] == {"label": "neutral", "confidence": 0.7}
    assert second["emotions"] == second["sentiments"] == [], "an utterance without a reading"
    assert said["undertone"]["job_id"] == job_ids(gateway)[0]


def test_a_repeated_request_joins_its_job(gateway: Gateway) -> None:
    first = invoked(gateway, Body=MP4)
    again = json.loads(client_of(gateway).invoke_endpoint(EndpointName="other", Body=MP4)["Body"].read())
    assert again == first and len(job_ids(gateway)) == 1


def with_path(address: str, **options: Any) -> dict[str, Any]:
    return {"Body": json.dumps({"video_path": address, **options}), "ContentType": "application/json"}


def test_a_recording_at_an_address_is_downloaded_with_native_options(gateway: Gateway) -> None:
    with serving(Reply(200, body=MP4)) as server:
        said = invoked(gateway, **with_path(f"{server.url}/a.mp4", language="de", speakers=2, modalities=["text"]))
    record = gateway.context.jobs.find("ours", said["undertone"]["job_id"])
    assert record is not None and record.job.recording.name == "a.mp4"
    options = record.job.options
    assert (options.language, options.speakers, options.modalities) == ("de", 2, ("text",))


@pytest.fixture
def bucket() -> Iterator[LocalServer]:
    with serving(Reply(200, OBJECT, MP4)) as server:
        yield server


def storage_at(server: LocalServer) -> dict[str, Any]:
    return {"endpoint": server.url, "access_key": "storage", "secret_key": "hidden"}


def test_an_object_is_read_with_the_storage_settings(opened: Open, bucket: LocalServer) -> None:
    with opened(storage=storage_at(bucket), input_buckets="meetings,more") as gateway:
        said = invoked(gateway, **with_path("s3://meetings/2026/stand up #1?.mp4"))
        record = gateway.context.jobs.find("ours", said["undertone"]["job_id"])
    assert record is not None and record.job.recording.name == "stand up #1?.mp4"
    (asked,) = bucket.asked
    assert asked.path == "/meetings/2026/stand%20up%20%231%3F.mp4"
    assert "Credential=storage/" in asked.headers["authorization"]


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("s3://other/a.mp4", "INPUT_BUCKETS"),
        ("s3://meetings/", "INPUT_BUCKETS"),
        ("s3://meetings", "INPUT_BUCKETS"),
        ("file:///etc/passwd", "s3://bucket/key"),
        ("/etc/passwd", "s3://bucket/key"),
        ("gs://meetings/a.mp4", "s3://bucket/key"),
        ("http://169.254.169.254/latest", "not allowed"),
    ],
)
def test_other_addresses_are_refused(opened: Open, bucket: LocalServer, address: str, named: str) -> None:
    with opened(storage=storage_at(bucket), input_buckets="meetings") as gateway:
        with pytest.raises(exceptions.ClientError) as refused:
            client_of(gateway).invoke_endpoint(EndpointName="meetings", **with_path(address))
        assert refused.value.response["Error"]["Code"] == "ValidationError" and named in str(refused.value)
        assert job_ids(gateway) == [] and bucket.asked == []


def test_a_missing_object_is_final(opened: Open) -> None:
    with (
        serving(Reply(404, body=b"<Error><Code>NoSuchKey</Code></Error>")) as server,
        opened(storage=storage_at(server), input_buckets="meetings") as gateway,
        pytest.raises(exceptions.ClientError, match="object does not exist") as missing,
    ):
        client_of(gateway).invoke_endpoint(EndpointName="meetings", **with_path("s3://meetings/a.mp4"))
    assert missing.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_failed_job_is_a_model_error(gateway: Gateway) -> None:
    client = client_of(gateway)
    with pytest.raises(exceptions.ClientError) as failed:
        invoked(gateway, fail, Body=MP4)
    assert failed.value.__class__.__name__ == client.exceptions.ModelError.__name__ == "ModelError"
    assert failed.value.response["OriginalStatusCode"] == 422
    assert "no sound" in failed.value.response["OriginalMessage"]


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"TargetVariant": "b"}, "target-variant"),
        ({"Accept": "text/csv"}, "Accept"),
        (with_path("https://a.example/a.mp4", redact=True), "redact"),
        ({"Body": b"{}", "ContentType": "application/json"}, "video_path"),
        ({"Body": b"hello", "ContentType": "text/plain"}, "recording"),
    ],
)
def test_unsupported_options_are_refused_by_name(gateway: Gateway, more: dict[str, Any], named: str) -> None:
    client = client_of(gateway)
    with pytest.raises(client.exceptions.ValidationError, match=named):
        client.invoke_endpoint(EndpointName="meetings", **{"Body": MP4, **more})
    with pytest.raises(client.exceptions.ValidationError, match="asynchronous"):
        client.invoke_endpoint_async(EndpointName="meetings", InputLocation="s3://meetings/a.mp4")
    assert job_ids(gateway) == []


def test_the_access_key_id_is_the_key(gateway: Gateway) -> None:
    reader, key = make_key("ours", {Scope.TRANSCRIPTS_READ}, gateway.context.clock())
    SqlKeyStore(gateway.database).add(key)
    for given, code in (("ut_wrong", "UnrecognizedClientException"), (reader, "AccessDeniedException")):
        with pytest.raises(exceptions.ClientError) as refused:
            client_of(gateway, given).invoke_endpoint(EndpointName="meetings", Body=MP4)
        assert refused.value.response["Error"]["Code"] == code
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    blind, key = make_key("ours", {Scope.RECORDINGS_WRITE, Scope.TRANSCRIPTS_READ}, gateway.context.clock())
    SqlKeyStore(gateway.database).add(key)
    said = invoked(gateway, key=blind, Body=MP4)
    assert [one["emotions"] for one in said["utterances"]] == [[], []]


def test_a_container_answers_ping_and_invocations(gateway: Gateway) -> None:
    """SageMaker passes on the custom attributes of a caller, and no credentials."""
    with httpx.Client(base_url=gateway.url, timeout=20) as platform:
        assert platform.get("/ping").status_code == 200
        assert platform.post("/invocations", content=MP4, headers=gateway.headers()).status_code == 403
        first = invoked(gateway, Body=MP4)
        attributes = {"X-Amzn-SageMaker-Custom-Attributes": gateway.keys["ours"]}
        answer = platform.post("/invocations", content=MP4, headers=attributes)
        assert answer.json() == first
        gateway.queue.broken = True
        assert eventually(lambda: platform.get("/ping").status_code == 503)
    assert httpx.post(gateway.url + PATH, content=MP4).status_code == 403
