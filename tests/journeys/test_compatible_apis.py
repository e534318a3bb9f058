"""A recording goes through a running service with the unmodified SDKs of other services."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import OpenAI

from tests.running_service import cut, spread
from tests.served import Served, served, until

__all__ = ["served"]
pytestmark = [
    pytest.mark.slow,
    # The SDKs use old names of these packages.
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20"),
    pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning"),
]


@pytest.fixture
def recording(served: Served, tmp_path: Path) -> Path:
    until(lambda: "services.worker" in served.children(), "the worker")
    return cut(tmp_path / "short.mp4", seconds=4.0)


def test_openai(served: Served, recording: Path, tmp_path: Path) -> None:
    """A short clip is answered while the other worker is busy with a batch."""
    long = spread(tmp_path / "long.wav", starts=range(0, 600, 5), length=600.0).read_bytes()
    clip = spread(tmp_path / "clip.wav", starts=[0.5], length=6.0)
    with httpx.Client(base_url=served.address, timeout=30) as native:
        for _ in range(3):
            native.post("/v1/recordings", content=long, headers={"content-type": "audio/wav"}).raise_for_status()
        with OpenAI(base_url=f"{served.address}/v1", api_key="any") as client, clip.open("rb") as file:
            assert client.audio.transcriptions.create(file=file, model="whisper-1", response_format="text").strip()
        unfinished = native.get("/v1/jobs", params={"status": ["queued", "running"]}).json()["items"]
        assert len(unfinished) == 3, "before the batch is done"
        for one in unfinished:
            native.delete(f"/v1/jobs/{one['id']}").raise_for_status()
    with OpenAI(base_url=f"{served.address}/v1", api_key="any") as client, recording.open("rb") as file:
        said: Any = client.audio.transcriptions.create(file=file, model="undertone-1", response_format="diarized_json")
    assert said.text and said.segments[0].speaker == "A" and said.segments[0].emotion["label"]
    assert said.duration == pytest.approx(4.0, abs=0.2)


def test_deepgram(served: Served, recording: Path) -> None:
    deepgram: Any = pytest.importorskip("deepgram", reason="the SDKs are missing (make sdks)")
    environment: Any = pytest.importorskip("deepgram.environment")
    here = environment.DeepgramClientEnvironment(
        base=served.address, production="wss://unused", agent="wss://unused", agent_rest="https://unused"
    )
    with httpx.Client(timeout=300) as connection:
        client = deepgram.DeepgramClient(api_key="any", environment=here, httpx_client=connection)
        said = client.listen.v1.media.transcribe_file(
            request=recording.read_bytes(), diarize=True, utterances=True, sentiment=True, paragraphs=True
        )
    (alternative,) = said.results.channels[0].alternatives
    assert alternative.transcript and alternative.words[0].speaker == 0 and alternative.paragraphs.paragraphs
    assert said.results.utterances[0].emotion["label"] and said.results.sentiments.segments
    assert said.metadata.duration == pytest.approx(4.0, abs=0.2)


def test_hume(served: Served, recording: Path) -> None:
    hume: Any = pytest.importorskip("hume", reason="the SDKs are missing (make sdks)")
    with httpx.Client(timeout=60) as connection, recording.open("rb") as file:
        client = hume.HumeClient(api_key="any", base_url=served.address, httpx_client=connection)
        batch = client.expression_measurement.batch
        job_id = batch.start_inference_job_from_local_file(file=[file])
        until(lambda: batch.get_job_details(job_id).state.status in ("COMPLETED", "FAILED"), served.logs())
        (source,) = batch.get_job_predictions(job_id)
    (prediction,) = source.results.predictions
    for model in (prediction.models.prosody, prediction.models.language):
        emotions = model.grouped_predictions[0].predictions[0].emotions
        assert sum(one.score for one in emotions) == pytest.approx(1, abs=1e-3)


def test_assemblyai(served: Served, recording: Path) -> None:
    aai: Any = pytest.importorskip("assemblyai", reason="the SDKs are missing (make sdks)")
    client = aai.Client(settings=aai.Settings(base_url=served.address, api_key="any", polling_interval=0.5))
    config = aai.TranscriptionConfig(speaker_labels=True, sentiment_analysis=True)
    done = aai.Transcriber(client=client, config=config).transcribe(str(recording))
    assert done.status is aai.TranscriptStatus.completed, done.error
    assert done.text and done.utterances and done.sentiment_analysis and done.audio_duration == 4
    assert done.export_subtitles_vtt().startswith("WEBVTT")
    client.http_client.close()


def test_sagemaker(served: Served, recording: Path) -> None:
    boto3: Any = pytest.importorskip("boto3", reason="the SDKs are missing (make sdks)")
    client = boto3.client(
        "sagemaker-runtime",
        endpoint_url=served.address,
        region_name="eu-west-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",  # noqa: S106 - the service takes every key on a loopback address
    )
    body = recording.read_bytes()
    said = json.loads(client.invoke_endpoint(EndpointName="meetings", Body=body)["Body"].read())
    first = said["utterances"][0]
    assert first["text"] and first["speaker"] and first["emotions"][0]["label"] and len(first["sentiments"]) == 3


def test_a_transcript_alone(served: Served) -> None:
    with httpx.Client(base_url=served.address, timeout=30) as client:
        lines = "Ana: We lost the customer, I am so sad.\nBen: That is wonderful news!\n"
        sent = client.post("/v1/recordings", content=lines, headers={"content-type": "text/plain"})
        job = f"/v1/jobs/{sent.raise_for_status().json()['id']}"
        until(lambda: client.get(job).json()["status"] not in ("queued", "running"), served.logs())
        shown = client.get(f"/v1/transcripts/{job.rpartition('/')[2]}").raise_for_status().json()
        assert client.get(f"{job}/media").json()["code"] == "no_recording"
    assert [speaker["name"] for speaker in shown["speakers"]] == ["Ana", "Ben"]
    readings = [utterance["emotion"]["modalities"] for utterance in shown["utterances"]]
    assert [(one["text"]["status"], one["voice"]["reason"], one["face"]["reason"]) for one in readings] == [
        ("ok", "no_recording", "no_recording")
    ] * 2
