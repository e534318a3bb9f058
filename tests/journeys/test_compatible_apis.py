"""A running service transcribes a recording for the unmodified SDKs of other services; all tests share one service."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import OpenAI

from tests.local_server import LocalServer, Reply, serving
from tests.running_service import cut, spread
from tests.served import Served, serving_undertone, until

pytestmark = [
    pytest.mark.slow,
    # The SDKs use old names of these packages.
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20"),
    pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning"),
]
PATIENCE = 300.0  # seconds for a job or a callback


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    local = {"OUTBOUND__ALLOW": "127.0.0.0/8", "OUTBOUND__PLAIN_HTTP": "true"}
    with serving_undertone(tmp_path_factory.mktemp("served"), **local) as one:
        until(lambda: "services.worker" in one.children(), "the worker")
        yield one


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cut(tmp_path_factory.mktemp("media") / "short.mp4", seconds=4.0)


@pytest.fixture
def elsewhere(recording: Path) -> Iterator[LocalServer]:
    """A server that has the recording, and takes callbacks."""
    with serving(Reply(200, body=recording.read_bytes())) as server:
        yield server


def called(server: LocalServer, path: str, logs: str) -> Any:
    """The body of the callback."""
    until(lambda: any(one.path == path for one in server.asked), logs, PATIENCE)
    (request,) = (one for one in server.asked if one.path == path)
    return request, json.loads(request.body)


def test_openai(served: Served, recording: Path, tmp_path: Path) -> None:
    """A short clip is answered while the other worker is busy with a batch."""
    long = spread(tmp_path / "long.wav", starts=range(0, 600, 5), length=600.0).read_bytes()
    with (
        httpx.Client(base_url=served.address, timeout=30) as native,
        OpenAI(base_url=f"{served.address}/v1", api_key="any") as client,
    ):
        create: Any = client.audio.transcriptions.create
        for _ in range(3):
            native.post("/v1/recordings", content=long, headers={"content-type": "audio/wav"}).raise_for_status()
        said = create(file=recording, model="undertone-1", response_format="diarized_json", chunking_strategy="auto")
        unfinished = native.get("/v1/jobs", params={"status": ["queued", "running"]}).json()["items"]
        assert len(unfinished) == 3, "before the batch is done"
        for one in unfinished:
            native.delete(f"/v1/jobs/{one['id']}").raise_for_status()
        assert said.text and said.segments[0].speaker == "A" and said.segments[0].emotion["label"]
        assert said.duration == pytest.approx(4.0, abs=0.2)
        events = list(create(file=recording, model="undertone-1", stream=True))
        assert "".join(one.delta for one in events[:-1]) == events[-1].text == said.text
        assert said.text in create(file=recording, model="undertone-1", response_format="vtt")


def test_deepgram(served: Served, recording: Path, elsewhere: LocalServer) -> None:
    deepgram: Any = pytest.importorskip("deepgram", reason="the SDKs are missing (make sdks)")
    environment: Any = pytest.importorskip("deepgram.environment")
    here = environment.DeepgramClientEnvironment(
        base=served.address, production="wss://unused", agent="wss://unused", agent_rest="https://unused"
    )
    options: Any = {"diarize": True, "utterances": True, "sentiment": True, "paragraphs": True}
    with httpx.Client(timeout=PATIENCE) as connection:
        media = deepgram.DeepgramClient(api_key="any", environment=here, httpx_client=connection).listen.v1.media
        said = media.transcribe_file(request=recording.read_bytes(), **options)
        back = f"{elsewhere.url.replace('//', '//ana:secret@')}/hook"
        accepted = media.transcribe_url(url=f"{elsewhere.url}/a.mp4", callback=back, callback_method="PUT", **options)
    (alternative,) = said.results.channels[0].alternatives
    assert alternative.transcript and alternative.words[0].speaker == 0 and alternative.paragraphs.paragraphs
    assert said.results.utterances[0].emotion["label"] and said.results.sentiments.segments
    assert said.metadata.duration == pytest.approx(4.0, abs=0.2)
    request, answer = called(elsewhere, "/hook", served.logs())
    assert (request.method, request.headers["authorization"]) == ("PUT", "Basic YW5hOnNlY3JldA==")
    assert answer["metadata"]["request_id"] == accepted.request_id
    assert answer["results"]["channels"][0]["alternatives"][0]["transcript"] == alternative.transcript


def test_hume(served: Served, elsewhere: LocalServer) -> None:
    hume: Any = pytest.importorskip("hume", reason="the SDKs are missing (make sdks)")
    with httpx.Client(timeout=60) as connection:
        client = hume.HumeClient(api_key="any", base_url=served.address, httpx_client=connection)
        batch = client.expression_measurement.batch
        job_id = batch.start_inference_job(urls=[f"{elsewhere.url}/a.mp4"], callback_url=f"{elsewhere.url}/hook")
        until(lambda: batch.get_job_details(job_id).state.status == "COMPLETED", served.logs(), PATIENCE)
        (source,) = batch.get_job_predictions(job_id)
        assert batch.list_jobs(sort_by="ended", status=["COMPLETED"])[0].job_id == job_id
        with zipfile.ZipFile(io.BytesIO(b"".join(batch.get_job_artifacts(job_id)))) as archive:
            predictions = json.loads(archive.read("predictions.json"))
    (prediction,) = source.results.predictions
    for model in (prediction.models.prosody, prediction.models.language):
        emotions = model.grouped_predictions[0].predictions[0].emotions
        assert sum(one.score for one in emotions) == pytest.approx(1, abs=1e-3)
    _, answer = called(elsewhere, "/hook", served.logs())
    assert (answer["job_id"], answer["predictions"]) == (job_id, predictions)


def test_assemblyai(served: Served, recording: Path, elsewhere: LocalServer) -> None:
    aai: Any = pytest.importorskip("assemblyai", reason="the SDKs are missing (make sdks)")
    client = aai.Client(settings=aai.Settings(base_url=served.address, api_key="any", polling_interval=0.5))
    config = aai.TranscriptionConfig(speaker_labels=True, sentiment_analysis=True, speech_threshold=0.1)
    config.set_webhook(f"{elsewhere.url}/hook", "X-Proof", "secret")
    transcriber = aai.Transcriber(client=client, config=config)
    done = transcriber.transcribe(str(recording))
    assert done.status is aai.TranscriptStatus.completed, done.error
    assert done.text and done.utterances and done.sentiment_analysis and done.audio_duration == 4
    assert done.export_subtitles_vtt().startswith("WEBVTT") and done.export_subtitles_srt(20).startswith("1\n")
    assert [one.speaker for one in done.get_sentences()] == ["A"] and done.get_paragraphs()[0].text == done.text
    (match,) = done.word_search([done.words[0].text])
    assert match.indexes[0] == 0 and match.timestamps[0][0] == done.words[0].start
    request, answer = called(elsewhere, "/hook", served.logs())
    assert answer == {"transcript_id": done.id, "status": "completed"} and request.headers["x-proof"] == "secret"
    assert transcriber.list_transcripts(aai.ListTranscriptParameters(limit=1)).transcripts[0].id == done.id
    assert client.http_client.delete(f"/v2/transcript/{done.id}").json()["text"] == "Deleted by user."
    assert done.id not in [one.id for one in transcriber.list_transcripts().transcripts]
    client.http_client.close()


def test_sagemaker(served: Served, recording: Path, elsewhere: LocalServer) -> None:
    boto3: Any = pytest.importorskip("boto3", reason="the SDKs are missing (make sdks)")
    client = boto3.client(
        "sagemaker-runtime",
        endpoint_url=served.address,
        region_name="eu-west-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",  # noqa: S106 - the service takes every key on a loopback address
    )
    address = json.dumps({"video_path": f"{elsewhere.url}/a.mp4"})
    answers = [
        json.loads(client.invoke_endpoint(EndpointName="meetings", **body)["Body"].read())
        for body in ({"Body": recording.read_bytes()}, {"Body": address, "ContentType": "application/json"})
    ]
    first = answers[0]["utterances"][0]
    assert first["text"] and first["speaker"] and first["emotions"][0]["label"] and len(first["sentiments"]) == 3
    assert answers[0] == answers[1], "the same recording joins the job"


def test_a_transcript_alone(served: Served) -> None:
    with httpx.Client(base_url=served.address, timeout=30) as client:
        lines = "Ana: We lost the customer, I am so sad.\nBen: That is wonderful news!\n"
        sent = client.post("/v1/recordings", content=lines, headers={"content-type": "text/plain"})
        job = f"/v1/jobs/{sent.raise_for_status().json()['id']}"
        until(lambda: client.get(job).json()["status"] not in ("queued", "running"), served.logs(), PATIENCE)
        shown = client.get(f"/v1/transcripts/{job.rpartition('/')[2]}").raise_for_status().json()
        assert client.get(f"{job}/media").json()["code"] == "no_recording"
    assert [speaker["name"] for speaker in shown["speakers"]] == ["Ana", "Ben"]
    readings = [utterance["emotion"]["modalities"] for utterance in shown["utterances"]]
    assert [(one["text"]["status"], one["voice"]["reason"], one["face"]["reason"]) for one in readings] == [
        ("ok", "no_recording", "no_recording")
    ] * 2
