"""A recording goes through a running service with the unmodified SDKs of other services."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.journeys.test_serve import Served, served, until
from tests.running_service import cut

__all__ = ["served"]
# The SDK calls pydantic by its old names.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")]


@pytest.fixture
def recording(served: Served, tmp_path: Path) -> Path:
    until(lambda: "services.worker" in served.children(), "the worker")
    return cut(tmp_path / "short.mp4", seconds=4.0)


def test_assemblyai(served: Served, recording: Path) -> None:
    aai: Any = pytest.importorskip("assemblyai", reason="the SDKs are missing (make sdks)")
    client = aai.Client(settings=aai.Settings(base_url=served.address, api_key="any", polling_interval=0.5))
    config = aai.TranscriptionConfig(speaker_labels=True, sentiment_analysis=True)
    done = aai.Transcriber(client=client, config=config).transcribe(str(recording))
    assert done.status is aai.TranscriptStatus.completed, done.error
    assert done.text and done.utterances and done.sentiment_analysis and done.audio_duration == 4
    assert done.export_subtitles_vtt().startswith("WEBVTT")
    client.http_client.close()
