"""The unmodified Python SDK of Hume against the gateway."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.gateway.compat.hume.api import render_callbacks
from shared.domain.emotion import Modality, ModalityReading, ModalityStatus
from shared.domain.tenant import Scope
from shared.domain.transcript import disclose
from shared.domain.webhook import DueDelivery
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.outbox import SqlOutbox
from shared.infra.key_verifier import make_key
from tests.gateway.compat.finished_jobs import fail, finish, spoken
from tests.gateway.conftest import Open
from tests.gateway.serving import MP4, WAV, Gateway, clean, eventually
from tests.local_server import Reply, serving

hume = pytest.importorskip("hume", reason="the SDKs are missing (make sdks)")
types = pytest.importorskip("hume.expression_measurement.batch.types")
api_error = pytest.importorskip("hume.core.api_error")

PATH = "/v0/batch/jobs"
UNKNOWN = "0" * 32


@pytest.fixture
def batch(gateway: Gateway) -> Iterator[Any]:
    with httpx.Client(timeout=60) as connection:
        client = hume.HumeClient(api_key=gateway.keys["ours"], base_url=gateway.url, httpx_client=connection)
        yield client.expression_measurement.batch


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Any]:
    path = tmp_path / "a.mp4"
    path.write_bytes(MP4)
    with path.open("rb") as file:
        yield file


def wanted(**more: Any) -> Any:
    models = types.Models(prosody=types.Prosody(), language=types.Language(sentiment={}))
    return types.InferenceBaseRequest(models=models, **more)


def test_a_file_is_measured(gateway: Gateway, batch: Any, recording: Any) -> None:
    transcription = types.Transcription(identify_speakers=True)
    job_id = batch.start_inference_job_from_local_file(file=[recording], json=wanted(transcription=transcription))
    queued = batch.get_job_details(job_id)
    assert (queued.state.status, queued.job_id) == ("QUEUED", job_id)
    (file,) = queued.request.files
    assert (file.filename, file.md_5_sum) == ("a.mp4", hashlib.md5(MP4, usedforsecurity=False).hexdigest())
    with pytest.raises(api_error.ApiError) as early:
        batch.get_job_predictions(job_id)
    assert early.value.status_code == 400 and "no transcript yet" in early.value.body["message"]
    finish(gateway, job_id)
    done = batch.get_job_details(job_id).state
    assert (done.status, done.num_predictions, done.num_errors) == ("COMPLETED", 1, 0)
    (source,) = batch.get_job_predictions(job_id)
    assert source.error is None and source.source.filename == "a.mp4"
    (prediction,) = source.results.predictions
    assert prediction.models.prosody is None and prediction.models.face is None, "the voice has no reading"
    (group,) = prediction.models.language.grouped_predictions
    (said,) = group.predictions
    assert (group.id, said.text, said.time.begin, said.position.begin) == (
        "spk_0",
        "We lost the customer --> yesterday.",
        0.48,
        0,
    )
    emotions = {one.name: one.score for one in said.emotions}
    assert emotions["Sadness"] == 0.6 and sum(emotions.values()) == pytest.approx(1, abs=1e-6)
    assert emotions["Surprise (negative)"] == pytest.approx(2 * emotions["Surprise (positive)"])
    assert [one.name for one in said.sentiment] == list("123456789")
    assert sum(one.score for one in said.sentiment[:3]) == pytest.approx(0.2)
    with zipfile.ZipFile(io.BytesIO(b"".join(batch.get_job_artifacts(job_id)))) as archive:
        assert sorted(archive.namelist()) == ["predictions.json", "transcript.json", "transcript.vtt"]


@pytest.mark.parametrize("request_models", [{}, {"models": types.Models()}], ids=["absent", "empty"])
def test_a_url_is_measured_and_the_default_is_every_model(
    gateway: Gateway, batch: Any, request_models: dict[str, Any]
) -> None:
    with serving(Reply(200, body=MP4)) as server:
        job_id = batch.start_inference_job(urls=[f"{server.url}/a.mp4"], **request_models)
    record = gateway.context.jobs.find("ours", job_id)
    assert record is not None and record.job.options.modalities == ("text", "voice", "face")
    assert batch.get_job_details(job_id).request.urls == [f"{server.url}/a.mp4"]
    finish(gateway, job_id)
    (source,) = batch.get_job_predictions(job_id)
    (group,) = source.results.predictions[0].models.language.grouped_predictions
    assert group.id == "unknown" and group.predictions[0].sentiment is None


def test_faces_are_predicted_for_each_utterance(gateway: Gateway, batch: Any, recording: Any) -> None:
    models = types.Models(face=types.Face(identify_faces=True, fps_pred=3, prob_threshold=0.9))
    request = types.InferenceBaseRequest(models=models)
    job_id = batch.start_inference_job_from_local_file(file=[recording], json=request)
    record = gateway.context.jobs.find("ours", job_id)
    assert record is not None and record.job.options.modalities == ("face",)
    published = spoken()
    reading = published.utterances[0].emotion
    assert reading is not None
    seen = {**reading.modalities, Modality.FACE: ModalityReading(status=ModalityStatus.OK, scores=reading.scores)}
    utterance = published.utterances[0].model_copy(update={"emotion": reading.model_copy(update={"modalities": seen})})
    disclosure = disclose((Modality.TEXT, Modality.FACE))
    published = published.model_copy(update={"utterances": (utterance,), "disclosure": disclosure})
    finish(gateway, job_id, published)
    (source,) = batch.get_job_predictions(job_id)
    models = source.results.predictions[0].models
    assert models.language is None and models.prosody is None, "only what was asked for"
    (group,) = models.face.grouped_predictions
    (face,) = group.predictions
    assert (group.id, face.time, face.frame) == ("face_0", 2.2, 7)
    assert max(face.emotions, key=lambda one: one.score).name == "Sadness"


@pytest.mark.parametrize("ended", [finish, fail], ids=["done", "failed"])
def test_a_callback_gets_the_predictions_once(gateway: Gateway, batch: Any, recording: Any, ended: Any) -> None:
    with serving() as receiver:
        request = wanted(callback_url=f"{receiver.url}/hook", notify=True)
        job_id = batch.start_inference_job_from_local_file(file=[recording], json=request)
        assert batch.get_job_details(job_id).request.callback_url == f"{receiver.url}/hook"
        ended(gateway, job_id)
        outbox = SqlOutbox(gateway.database)
        due: list[DueDelivery] = []

        def arrived() -> bool:
            outbox.fan_out()
            due.extend(outbox.due(limit=5, lease=timedelta(minutes=1), slots=100))
            return bool(due)

        assert eventually(arrived, 20)
        render_callbacks(gateway.context)
        assert outbox.due(limit=5, lease=timedelta(minutes=1), slots=100) == ()
    (delivery,) = due
    body = json.loads(delivery.delivery.body)
    if ended is fail:
        assert body == {"job_id": job_id, "status": "FAILED", "message": "It has no sound."}
        return
    assert (body["job_id"], body["status"]) == (job_id, "COMPLETED")
    shown = httpx.get(
        f"{gateway.url}{PATH}/{job_id}/predictions", headers={"X-Hume-Api-Key": gateway.keys["ours"]}
    ).json()
    assert body["predictions"] == shown


def test_several_recordings_are_one_job(gateway: Gateway, batch: Any, recording: Any, tmp_path: Path) -> None:
    other = tmp_path / "b.wav"
    other.write_bytes(WAV)
    with serving() as receiver, serving(Reply(200, body=MP4)) as media, other.open("rb") as second:
        request = wanted(urls=[f"{media.url}/c.mp4"], callback_url=f"{receiver.url}/hook")
        job_id = batch.start_inference_job_from_local_file(file=[recording, second], json=request)
        details = batch.get_job_details(job_id)
        assert [one.filename for one in details.request.files] == ["a.mp4", "b.wav"]
        assert details.request.urls == [f"{media.url}/c.mp4"] and details.state.status == "QUEUED"
        jobs = sorted(gateway.context.jobs.list("ours").items, key=lambda one: one.job.recording.name)
        assert [one.job.recording.name for one in jobs] == ["a.mp4", "b.wav", "c.mp4"] and jobs[0].id == job_id
        assert [one.job_id for one in batch.list_jobs(status=["QUEUED"])] == [job_id], "the others are part of it"
        finish(gateway, job_id)
        fail(gateway, jobs[1].id)
        assert batch.get_job_details(job_id).state.status == "IN_PROGRESS"
        assert batch.list_jobs(status=["COMPLETED"]) == []
        render_callbacks(gateway.context)
        assert SqlOutbox(gateway.database).due(limit=5, lease=timedelta(minutes=1), slots=100) == ()
        with pytest.raises(api_error.ApiError) as early:
            batch.get_job_predictions(job_id)
        assert early.value.status_code == 400
        finish(gateway, jobs[2].id)
        state = batch.get_job_details(job_id).state
        assert (state.status, state.num_predictions, state.num_errors) == ("COMPLETED", 2, 1)
        first, failed, third = batch.get_job_predictions(job_id)
        assert (failed.error, failed.results, failed.source.filename) == ("It has no sound.", None, "b.wav")
        assert first.results.predictions[0].file == "a.mp4" and third.source.url.endswith("/c.mp4")
        with zipfile.ZipFile(io.BytesIO(b"".join(batch.get_job_artifacts(job_id)))) as archive:
            assert "1/transcript.vtt" in archive.namelist() and "2/transcript.vtt" not in archive.namelist()
        render_callbacks(gateway.context)
        (due,) = SqlOutbox(gateway.database).due(limit=5, lease=timedelta(minutes=1), slots=100)
        assert len(json.loads(due.delivery.body)["predictions"]) == 3
        gateway.context.jobs.erase("ours", jobs[1].id, by="test", reason="asked")
        assert len(batch.get_job_predictions(job_id)) == 2


def test_without_space_for_all_recordings_none_is_kept(opened: Open) -> None:
    with opened(quota_mb=1) as gateway:
        half = MP4 + bytes(600_000)
        files = [("file", ("a.mp4", half)), ("file", ("b.mp4", half + b"b"))]
        form = httpx.Request("POST", gateway.url, files=files)
        headers = {"X-Hume-Api-Key": gateway.keys["ours"], "Content-Type": form.headers["Content-Type"]}
        response = httpx.post(gateway.url + PATH, content=iter([form.read()]), headers=headers)  # of unknown length
        assert response.status_code == 413 and "quota of 1 MB" in response.json()["message"], response.text
        assert eventually(lambda: clean(gateway))


def test_a_refused_callback_leaves_no_job(gateway: Gateway, batch: Any, recording: Any) -> None:
    with serving(Reply(200, body=MP4)) as media:
        request = wanted(urls=[f"{media.url}/c.mp4"], callback_url="http://169.254.169.254/hook")
        with pytest.raises(api_error.ApiError) as refused:
            batch.start_inference_job_from_local_file(file=[recording], json=request)
    assert refused.value.status_code == 400
    assert gateway.context.jobs.list("ours").items == ()


@pytest.mark.parametrize("metadata", [{"hume": {}}, {"hume": {"source": 1, "others": 5}}, {"hume": "x"}])
def test_metadata_of_another_client_do_no_harm(gateway: Gateway, batch: Any, metadata: dict[str, Any]) -> None:
    with gateway.client() as client:
        options = {"metadata": json.dumps(metadata)}
        added = client.post("/v1/recordings", files={"file": ("a.mp4", MP4)}, data=options)
        assert added.status_code == 202, added.text
    assert [one.job_id for one in batch.list_jobs()] == [added.json()["id"]]


def test_a_callback_needs_the_scope_of_what_it_gets(gateway: Gateway) -> None:
    text, key = make_key("ours", {Scope.RECORDINGS_WRITE, Scope.TRANSCRIPTS_READ}, gateway.context.clock())
    SqlKeyStore(gateway.database).add(key)
    sent: Any = {"json": (None, '{"callback_url": "http://127.0.0.1:9999/"}'), "file": ("a.mp4", MP4)}
    refused = httpx.post(gateway.url + PATH, files=sent, headers={"X-Hume-Api-Key": text})
    assert (refused.status_code, "emotions:read" in refused.json()["message"]) == (403, True)


def test_jobs_are_listed_by_state(gateway: Gateway, batch: Any, recording: Any) -> None:
    failed = batch.start_inference_job_from_local_file(file=[recording])
    fail(gateway, failed)
    recording.seek(0)
    queued = batch.start_inference_job_from_local_file(file=[recording])
    assert [one.job_id for one in batch.list_jobs()] == [queued, failed]
    (only,) = batch.list_jobs(status=["FAILED"])
    assert (only.job_id, only.state.message) == (failed, "It has no sound.")
    assert batch.list_jobs(limit=1, when="created_before", timestamp_ms=0) == []
    assert [one.job_id for one in batch.list_jobs(sort_by="ended", direction="asc")] == [failed, queued]
    assert [one.job_id for one in batch.list_jobs(sort_by="created", direction="asc", limit=1)] == [failed]
    with pytest.raises(api_error.ApiError) as far:
        batch.list_jobs(timestamp_ms=10**18)
    assert far.value.status_code == 400 and "timestamp_ms" in far.value.body["message"]


@pytest.mark.parametrize(
    ("models", "named"),
    [
        ({"face": {"facs": {}}}, "facs"),
        ({"face": {"save_faces": True}}, "save_faces"),
        ({"burst": {}}, "burst"),
        ({"language": {"toxicity": {}}}, "toxicity"),
        ({"prosody": {"window": {"length": 4.0}}}, "window"),
        ({"language": {"granularity": "word"}}, "granularity"),
    ],
)
def test_unsupported_options_are_refused_by_name(batch: Any, models: dict[str, Any], named: str) -> None:
    with pytest.raises(api_error.ApiError) as refused:
        batch.start_inference_job(urls=["https://a.example/a.mp4"], models=types.Models(**models))
    assert refused.value.status_code == 400 and named in refused.value.body["message"]


def test_null_is_the_default_except_for_the_transcription(gateway: Gateway, batch: Any) -> None:
    with serving(Reply(200, body=MP4)) as server:
        job_id = batch.start_inference_job(
            urls=[f"{server.url}/a.mp4"], models=None, text=None, callback_url=None, notify=None
        )
    assert [one.job_id for one in batch.list_jobs()] == [job_id]
    for request, named in (({"urls": None}, "recording"), ({"transcription": None}, "transcription")):
        with pytest.raises(api_error.ApiError) as refused:
            batch.start_inference_job(**request)
        assert refused.value.status_code == 400 and named in refused.value.body["message"]


def test_errors_have_the_vendors_form(gateway: Gateway, batch: Any, recording: Any) -> None:
    job_id = batch.start_inference_job_from_local_file(file=[recording])
    finish(gateway, job_id)
    for call in (batch.get_job_details, batch.get_job_predictions):
        with pytest.raises(api_error.ApiError) as missing:
            call(UNKNOWN)
        assert (missing.value.status_code, set(missing.value.body)) == (404, {"message"})
    with pytest.raises(api_error.ApiError) as letters:
        batch.start_inference_job_from_local_file(file=["a.wav"])
    assert letters.value.status_code == 400 and "recording" in letters.value.body["message"]
    text, key = make_key("ours", {Scope.TRANSCRIPTS_READ}, gateway.context.clock())
    SqlKeyStore(gateway.database).add(key)
    with httpx.Client(base_url=gateway.url) as client:
        assert client.get(PATH, headers={"Authorization": f"Bearer {gateway.keys['ours']}"}).status_code == 401
        denied = client.get(f"{PATH}/{job_id}/predictions", headers={"X-Hume-Api-Key": text})
        assert denied.status_code == 403 and "emotions:read" in denied.json()["message"]
        theirs = client.get(f"{PATH}/{job_id}", headers={"X-Hume-Api-Key": gateway.keys["theirs"]})
        assert theirs.status_code == 404
