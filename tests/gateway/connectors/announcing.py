"""What the tests of the connectors share: the jobs and imports of a gateway, and the refusals of a webhook."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import httpx

from shared.domain.job_record import JobRecord
from tests.gateway.serving import Gateway, eventually

VTT = b"WEBVTT\n\n00:00.000 --> 00:02.000\nAna: Hello.\n"


def soon(true: Callable[[], bool], seconds: float = 60) -> bool:
    """Wait for an effect of the background: long, because a busy machine may delay it."""
    return eventually(true, seconds)


def jobs(gateway: Gateway, tenant: str = "ours") -> tuple[JobRecord, ...]:
    return gateway.context.jobs.list(tenant).items


def imported(gateway: Gateway, count: int = 1) -> tuple[JobRecord, ...]:
    assert soon(lambda: len(jobs(gateway)) >= count), imports(gateway)
    return jobs(gateway)


def imports(gateway: Gateway) -> list[dict[str, Any]]:
    with gateway.client() as client:
        items: list[dict[str, Any]] = client.get("/v1/imports").json()["items"]
        return items


def post(gateway: Gateway, path: str, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
    raw = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    return httpx.post(gateway.url + path, content=body, headers=raw, timeout=20)


def refused(gateway: Gateway, answer: httpx.Response, status: int = 401, code: str = "invalid_signature") -> bool:
    """Whether the webhook got this problem, and left neither a job nor an import."""
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    return not jobs(gateway) and not imports(gateway)
