"""A job's trace across all services, as a collector receives it: one trace without content and names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from pydantic import SecretStr

from services.courier.deliver import Deliverer
from shared.engines.catalog import Setup
from shared.infra.address_rule import OutboundSettings
from shared.infra.database.outbox import SqlOutbox
from shared.infra.outbound import Outbound
from shared.infra.telemetry import TelemetrySettings, make_tracer
from tests.gateway.conftest import Open
from tests.gateway.serving import MP4, eventually
from tests.local_server import LocalServer, Reply, serving
from tests.service_fakes import MINUTE
from tests.worker.worker_harness import WorkerHarness

ROOT = Path(__file__).parents[2]
COLLECTED = Reply(200, {"Content-Type": "application/x-protobuf"}, b"")


def spans(collector: LocalServer) -> list[tuple[str, Span]]:
    """The received spans in order of time, each with its service."""
    found = []
    for request in collector.asked:
        assert (request.method, request.path) == ("POST", "/v1/traces")
        for whole in ExportTraceServiceRequest.FromString(request.body).resource_spans:
            names = {one.key: one.value.string_value for one in whole.resource.attributes}
            found += [(names["service.name"], span) for scope in whole.scope_spans for span in scope.spans]
    return sorted(found, key=lambda one: one[1].start_time_unix_nano)


def facts(span: Span) -> dict[str, str | int]:
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


def test_one_trace_follows_a_job_from_the_upload_to_its_webhook(opened: Open, tmp_path: Path, setup: Setup) -> None:
    with serving(COLLECTED) as collector, serving() as receiver:
        settings = TelemetrySettings(endpoint=collector.url + "/", headers=SecretStr("x-token=abc, x-more=d=e"))
        gateway_tracer, worker_tracer, courier_tracer = (
            make_tracer(settings, name) for name in ("gateway", "worker", "courier")
        )
        with opened(tracer=gateway_tracer) as gateway, gateway.client() as client:
            form = {
                "modalities": "none",
                "metadata": '{"topic": "secret-topic"}',
                "callback_url": f"{receiver.url}/t0ken",
            }
            media = {"file": ("secret-name.mp4", MP4)}
            upload: dict[str, Any] = {"data": form, "files": media, "headers": {"Idempotency-Key": "k"}}
            job_id = client.post("/v1/recordings", **upload).json()["id"]
            assert client.post("/v1/recordings", **upload).headers["Idempotency-Replayed"] == "true"
            assert client.get(f"/v1/jobs/{job_id}").json()["status"] == "queued"
            with gateway.client("theirs") as stranger:
                assert stranger.get(f"/v1/jobs/{job_id}").status_code == 404
            client.get("/livez")
            harness = WorkerHarness.at(tmp_path / "state", setup)
            harness.runner = harness.changed(tracer=worker_tracer)
            assert eventually(lambda: bool(gateway.queue.sent))
            harness.queue.tickets += gateway.queue.sent
            ran = harness.run_all()
            assert harness.record(job_id).status == "done"
            outbox = SqlOutbox(gateway.database)
            outbound = Outbound(OutboundSettings(allow=("127.0.0.0/8",), plain_http=True))
            deliverer = Deliverer(
                outbox, outbound, gateway.context.callbacks.cipher, gateway.database.clock, tracer=courier_tracer
            )
            outbox.fan_out()
            for outgoing in outbox.due(limit=9, lease=MINUTE, slots=100):
                deliverer.deliver(outgoing)
            harness.database.close()
        for tracer in (gateway_tracer, worker_tracer, courier_tracer):
            tracer.close()
        received = spans(collector)
    assert len(receiver.asked) == 1
    assert all(
        request.headers["x-token"] == "abc" and request.headers["x-more"] == "d=e" for request in collector.asked
    )
    ours = [(service, span) for service, span in received if span.trace_id.hex() == job_id]
    first = ours[0][1]
    assert (first.name, first.parent_span_id, first.kind) == ("POST /v1/recordings", b"", Span.SPAN_KIND_SERVER)
    assert {span.parent_span_id for _, span in ours[1:]} == {first.span_id}
    assert len({span.span_id for _, span in ours}) == len(ours)
    stages = [span for service, span in ours if service == "undertone-worker"]
    assert [span.name for span in stages] == ran and all(facts(span)["undertone.outcome"] == "done" for span in stages)
    *_, (service, webhook) = ours
    assert (service, webhook.name, facts(webhook)["http.response.status_code"]) == ("undertone-courier", "webhook", 200)
    rest = [span for _, span in received if span.trace_id.hex() != job_id]
    assert [(span.name, facts(span)["http.response.status_code"]) for span in rest] == [
        ("POST /v1/recordings", 202),  # the repeated request, which only returned the stored response
        ("GET /v1/jobs/{job_id}", 404),  # another tenant's request is not in the job's trace
    ]
    everything = b"".join(request.body for request in collector.asked)
    for word in ("secret", "hello", "there", "t0ken", "127.0.0.1", str(tmp_path), "Bearer"):
        assert word.encode() not in everything, word


def test_a_failed_stage_is_marked_in_the_trace(tmp_path: Path, setup: Setup) -> None:
    with serving(COLLECTED) as collector:
        tracer = make_tracer(TelemetrySettings(endpoint=collector.url), "worker")
        harness = WorkerHarness.at(tmp_path, setup)
        harness.runner = harness.changed(tracer=tracer, max_seconds=1)
        job_id = harness.submit(transcript=b"no words at all")
        harness.run_all()
        assert harness.record(job_id).status == "failed"
        tracer.close()
        marked = [span.name for _, span in spans(collector) if span.status.code == Status.STATUS_CODE_ERROR]
        harness.database.close()
    assert marked == ["transcribe"]


def test_an_unavailable_collector_delays_nothing(tmp_path: Path, setup: Setup) -> None:
    tracer = make_tracer(TelemetrySettings(endpoint="http://127.0.0.1:9"), "worker")
    harness = WorkerHarness.at(tmp_path, setup)
    harness.runner = harness.changed(tracer=tracer)
    job_id = harness.submit()
    began = time.monotonic()
    harness.run_all()
    assert harness.record(job_id).status == "done" and time.monotonic() - began < 20
    harness.database.close()


def start(module: str, blocked: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the program in an environment where these modules cannot be imported."""
    code = f"import runpy, sys; sys.modules.update(dict.fromkeys({list(blocked)})); "
    code += f"runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
    inherited = {name: value for name, value in os.environ.items() if "__" not in name}
    ours = {"STORAGE__FOLDER": str(folder), "TELEMETRY__ENDPOINT": "http://127.0.0.1:9", "RESULTS__KEYLESS": "true"}
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, cwd=ROOT, env={**inherited, **ours}, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("module", ["services.results", "services.courier", "services.worker"])
def test_without_the_extra_no_service_starts_with_a_telemetry_endpoint(module: str, tmp_path: Path) -> None:
    ended = start(module, ["opentelemetry.sdk.trace"], tmp_path)
    assert ended.returncode == 78, ended.stderr
    line = json.loads(ended.stderr)
    assert line["code"] == "invalid_setting" and "pip install 'undertone[telemetry]'" in line["hint"]


def test_headers_are_pairs() -> None:
    with pytest.raises(ValueError, match="name=value"):
        TelemetrySettings(headers=SecretStr("only-a-name"))
