"""The unmodified Python SDK of AssemblyAI; a test module that imports this is skipped without the SDK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.gateway.serving import MP4, Gateway

aai = pytest.importorskip("assemblyai", reason="the SDKs are missing (make sdks)")


@pytest.fixture
def sdk(gateway: Gateway) -> Iterator[Any]:
    yield from opened_sdk(gateway, gateway.keys["ours"])


def opened_sdk(gateway: Gateway, key: str) -> Iterator[Any]:
    client = aai.Client(settings=aai.Settings(base_url=gateway.url, api_key=key, polling_interval=0.1))
    yield client
    client.http_client.close()


def submitted(client: Any, **config: Any) -> Any:
    transcriber = aai.Transcriber(client=client)
    return transcriber.submit(transcriber.upload_file(MP4), config=aai.TranscriptionConfig(**config))
