"""Jobs of OpenAI's route: failed, repeated and abandoned jobs, and jobs that bypass a full queue."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from shared.domain.error import AudioTooLong
from shared.domain.job_record import JobFailure
from shared.infra.web.rate_limit import ConcurrencyLimit
from tests.gateway.compat.finished_jobs import fail, finish, job_ids, spoken
from tests.gateway.compat.test_openai import PATH, sdk, transcribed
from tests.gateway.conftest import Open
from tests.gateway.serving import MP4, Gateway, eventually
from tests.service_fakes import ONE_STAGE, new_job

__all__ = ["sdk"]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    threads = ThreadPoolExecutor(4)
    yield threads
    threads.shutdown(wait=False, cancel_futures=True)  # a failed test leaves requests that wait


def post(gateway: Gateway, patience: float, tenant: str = "ours", stream: bool = False) -> httpx.Response:
    """The response to a client with this read timeout in seconds."""
    return httpx.post(
        gateway.url + PATH,
        files={"file": MP4},
        data={"model": "undertone-1", "stream": str(stream).lower()},
        headers=gateway.headers(tenant),
        timeout=httpx.Timeout(20, read=patience),
    )


def test_a_failed_job_is_final(gateway: Gateway, sdk: OpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError) as failed:
        transcribed(gateway, sdk, fail)
    assert (failed.value.code, "no sound" in failed.value.message) == ("no_audio", True)
    assert len(job_ids(gateway)) == 1, "the client does not repeat it"


@pytest.mark.parametrize("stream", [False, True])
def test_a_long_recording_is_refused_permanently(opened: Open, stream: bool) -> None:
    too_long = JobFailure(code=AudioTooLong.code, message="It is longer than a minute.")

    def end(gateway: Gateway, job_id: str) -> None:
        fail(gateway, job_id, too_long)

    with (
        opened(openai_max_minutes=1) as gateway,
        OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.keys["ours"]) as sdk,
    ):
        with pytest.raises(openai.APIError, match="POST /v1/recordings") as refused:
            list(transcribed(gateway, sdk, end, stream=stream))
        (job_id,) = job_ids(gateway)
        record = gateway.context.jobs.find("ours", job_id)
        assert record is not None and record.job.options.max_seconds == 60
    assert refused.value.code == "audio_too_long"
    assert stream or isinstance(refused.value, openai.BadRequestError)


def test_a_failed_job_ends_its_stream_with_an_error(gateway: Gateway, sdk: OpenAI) -> None:
    with pytest.raises(openai.APIError, match="no sound"):
        list(transcribed(gateway, sdk, fail, stream=True))


@pytest.mark.parametrize("stream", [False, True])
def test_a_disconnected_client_releases_its_slot(gateway: Gateway, stream: bool) -> None:
    def leaves() -> bool:
        """Whether the request waited until its client left; without a free slot it is refused at once."""
        try:
            post(gateway, patience=1.0, stream=stream)
        except httpx.ReadTimeout:
            return True
        return False

    gateway.context.waiting_requests = ConcurrencyLimit(1, "requests that wait")
    assert leaves() and eventually(lambda: len(job_ids(gateway)) == 1, 20)
    assert eventually(leaves), "the slot of the first request was not released"
    assert len(job_ids(gateway)) == 1
    finish(gateway, job_ids(gateway)[0])
    assert eventually(lambda: "We lost" in post(gateway, patience=20, stream=stream).text)


def test_the_same_upload_of_another_tenant_is_a_separate_job(gateway: Gateway, pool: ThreadPoolExecutor) -> None:
    answers = {tenant: pool.submit(post, gateway, 20, tenant) for tenant in ("ours", "theirs")}

    def ids() -> dict[str, list[str]]:
        return {tenant: [one.id for one in gateway.context.jobs.list(tenant).items] for tenant in answers}

    assert eventually(lambda: all(ids().values()), 20)
    ours, theirs = spoken(), spoken().model_copy(update={"language": "de"})
    for (tenant, (job_id,)), published in zip(ids().items(), (ours, theirs), strict=True):
        finish(gateway, job_id, published, tenant)
    said = {tenant: answer.result(20).json() for tenant, answer in answers.items()}
    assert {tenant: [one["undertone"]["job_id"]] for tenant, one in said.items()} == ids()
    assert [one["languages"] for one in said.values()] == [[{"code": "en"}], [{"code": "de"}]]


def test_a_repeated_upload_joins_the_running_job(gateway: Gateway, sdk: OpenAI, pool: ThreadPoolExecutor) -> None:
    def ask(**more: Any) -> Any:
        return sdk.audio.transcriptions.create(file=("a.mp4", MP4), model="undertone-1", **more)

    with pytest.raises(httpx.ReadTimeout):
        post(gateway, patience=2.0)
    assert eventually(lambda: len(job_ids(gateway)) == 1, 20)
    (job_id,) = job_ids(gateway)
    repeated = pool.submit(ask, response_format="diarized_json")
    other = pool.submit(ask, language="de")
    assert eventually(lambda: len(job_ids(gateway)) == 2, 20), "other options are another job"
    for one in job_ids(gateway):
        finish(gateway, one)
    assert repeated.result(20).undertone["job_id"] == job_id
    assert other.result(20).undertone["job_id"] != job_id
    assert ask().undertone["job_id"] == job_id, "also when it has just ended"
    assert len(job_ids(gateway)) == 2


def test_a_full_quota_is_final_too(opened: Open) -> None:
    with opened(quota_mb=1) as gateway, OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.keys["ours"]) as sdk:
        with pytest.raises(openai.APIStatusError) as full:
            sdk.audio.transcriptions.create(file=("a.mp4", MP4 + bytes(1 << 20)), model="undertone-1")
        assert (full.value.status_code, full.value.code) == (413, "quota_exceeded")


@pytest.mark.parametrize(("seconds", "queue"), [(29.0, "fast"), (31.0, "cpu")])
def test_a_short_clip_passes_the_full_queue(
    gateway: Gateway, sdk: OpenAI, pool: ThreadPoolExecutor, seconds: float, queue: str
) -> None:
    for _ in range(12):
        gateway.context.jobs.add("ours", new_job(ONE_STAGE))
    gateway.context.send_tickets()
    assert len(gateway.queue.sent) == 8, "the batch queue is full"
    answer = pool.submit(sdk.audio.transcriptions.create, file=("a.wav", clip(seconds)), model="whisper-1")
    assert eventually(lambda: len(job_ids(gateway)) == 13, 20)
    record = gateway.context.jobs.find("ours", job_ids(gateway)[0])
    assert record is not None and {stage.queue for stage in record.stages} == {queue}

    def sent() -> list[tuple[str, str]]:
        return [(ticket.stage, ticket.queue) for ticket in gateway.queue.sent if ticket.job_id == record.id]

    if queue == "fast":
        assert eventually(lambda: sent() == [("decode", "fast"), ("track_faces", "fast")])
    finish(gateway, record.id)
    answer.result(20)
    assert bool(sent()) == (queue == "fast")


def clip(seconds: float) -> bytes:
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(round(seconds * 32_000)))
    return content.getvalue()
