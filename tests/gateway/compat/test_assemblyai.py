"""The unmodified Python SDK of AssemblyAI against the gateway."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from datetime import timedelta
from typing import Any

import httpx
import pytest

from shared.domain.job_record import JobFailure
from shared.domain.tenant import Scope
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.outbox import SqlOutbox
from shared.infra.key_verifier import make_key
from tests.gateway.compat.assemblyai_sdk import aai, sdk, submitted
from tests.gateway.compat.finished_jobs import fail, finish
from tests.gateway.serving import MP4, Gateway, eventually
from tests.local_server import serving

__all__ = ["sdk"]
# The SDK calls pydantic by its old names.
pytestmark = pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecatedSince20")


def test_a_recording_is_uploaded_submitted_polled_and_read(gateway: Gateway, sdk: Any) -> None:
    queued = submitted(sdk, speaker_labels=True, sentiment_analysis=True, speakers_expected=2)
    assert queued.status is aai.TranscriptStatus.queued
    assert eventually(lambda: bool(gateway.queue.sent)), "the first stage is sent after the response"
    record = gateway.context.jobs.find("ours", queued.id)
    assert record is not None and record.job.options.speakers == 2
    finish(gateway, queued.id)
    done = queued.wait_for_completion()
    assert done.status is aai.TranscriptStatus.completed and done.error is None
    assert done.text.startswith("We lost the customer")
    first, second = done.utterances
    assert (first.speaker, first.start, first.end, second.speaker) == ("A", 480, 3920, "B")
    assert first.words[0].text == "We" and first.words[0].confidence == 0.9 and first.words[1].confidence == 0.0
    (sentiment,) = done.sentiment_analysis
    assert (sentiment.sentiment, sentiment.confidence) == (aai.SentimentType.neutral, 0.7)
    assert done.audio_duration == 60 and done.confidence > 0
    assert done.config.speaker_labels and done.config.sentiment_analysis
    raw = sdk.http_client.get(f"/v2/transcript/{done.id}").json()
    assert raw["utterances"][0]["emotion"]["label"] == "sadness" and "emotion" not in raw["utterances"][1]


def test_a_key_without_the_scope_sees_no_readings(gateway: Gateway, sdk: Any) -> None:
    job_id = submitted(sdk, sentiment_analysis=True, speaker_labels=True).id
    finish(gateway, job_id)
    text, key = make_key("ours", {Scope.TRANSCRIPTS_READ}, gateway.context.clock())
    SqlKeyStore(gateway.database).add(key)
    read = httpx.get(f"{gateway.url}/v2/transcript/{job_id}", headers={"authorization": text}).json()
    assert read["sentiment_analysis_results"] is None and "emotion" not in json.dumps(read["utterances"])
    assert "emotions:read" in read["metadata"]["warnings"][-1]["message"]
    assert gateway.context.audit.list("ours").items[0].details == {"format": "assemblyai", "emotion": False}


def test_words_outside_the_requested_times_are_left_out(gateway: Gateway, sdk: Any) -> None:
    job = submitted(sdk, audio_start_from=3_000, audio_end_at=4_000)
    finish(gateway, job.id)
    done = job.wait_for_completion()
    assert done.text == "yesterday. She said"
    assert done.utterances is None and [word.speaker for word in done.words] == [None] * 3
    assert all(3_000 <= word.start < 4_000 for word in done.words)


def test_a_transcript_is_exported_and_searched(gateway: Gateway, sdk: Any) -> None:
    job = submitted(sdk, speaker_labels=True)
    finish(gateway, job.id)
    done = job.wait_for_completion()
    assert done.export_subtitles_srt().startswith("1\n00:00:00,480 --> 00:00:03,920\nWe lost the customer")
    vtt = done.export_subtitles_vtt(chars_per_caption=12)
    assert vtt.startswith("WEBVTT\n\n00:00:00.480 --> ") and "\nWe lost the\n" in vtt
    sentences = done.get_sentences()
    assert [one.text for one in sentences] == [
        "We lost the customer --> yesterday.",
        'She said "no" & left <there> at once.',
    ]
    assert [one.speaker for one in sentences] == ["A", "B"]
    assert [len(one.words) for one in done.get_paragraphs()] == [6, 8]
    found = done.word_search(["LOST", "the customer", "nothing"])
    assert [(one.text, one.count, one.indexes) for one in found] == [("lost", 1, [1]), ("the customer", 1, [2])]
    assert found[1].timestamps[0][0] == done.words[2].start and found[1].timestamps[0][1] == done.words[3].end


def test_the_asyncio_client_works_too(gateway: Gateway) -> None:
    settings = aai.Settings(base_url=gateway.url, api_key=gateway.keys["ours"], polling_interval=0.1)

    async def transcribed() -> Any:
        async with aai.AsyncClient(settings=settings) as client:
            transcriber = aai.AsyncTranscriber(client=client)
            url = await transcriber.upload_file(MP4)
            queued = await transcriber.submit(url, config=aai.TranscriptionConfig(speaker_labels=True))
            finish(gateway, queued.id)
            done = await queued.wait_for_completion()
            sentences = await done.get_sentences()
            srt = await done.export_subtitles_srt()
            again = await transcriber.get_by_id(queued.id)
            gone = await transcriber.delete_by_id(queued.id)
            return done, sentences, srt, again, gone

    done, sentences, srt, again, gone = asyncio.run(transcribed())
    assert [one.speaker for one in done.utterances] == ["A", "B"] and len(sentences) == 2
    assert srt.startswith("1\n") and again.text == done.text
    assert (gone.text, gone.status) == ("Deleted by user.", aai.TranscriptStatus.completed)


OLD_PYDANTIC = """
import json, sys, warnings
warnings.simplefilter("ignore")
sys.modules["pydantic_settings"] = None  # the SDK then validates with pydantic's old layer
from assemblyai import types
assert not types.pydantic_v2
for name, answers in json.load(sys.stdin).items():
    for answer in answers:
        getattr(types, name).parse_obj(answer)
"""


def test_the_answers_are_valid_for_the_old_pydantic_too(gateway: Gateway, sdk: Any) -> None:
    job = submitted(sdk, speaker_labels=True, sentiment_analysis=True, multichannel=True)
    path = f"/v2/transcript/{job.id}"

    def read(more: str = "") -> Any:
        return sdk.http_client.get(path + more).json()

    queued = read()
    finish(gateway, job.id)
    answers = {
        "TranscriptResponse": [queued, read()],
        "ListTranscriptResponse": [sdk.http_client.get("/v2/transcript").json()],
        "SentencesResponse": [read("/sentences")],
        "ParagraphsResponse": [read("/paragraphs")],
        "WordSearchMatchResponse": [read("/word-search?words=customer")],
    }
    assert [one["channel"] for one in answers["TranscriptResponse"][1]["utterances"]] == ["1", "2"]
    answers["TranscriptResponse"].append(sdk.http_client.delete(path).json())
    command = [sys.executable, "-c", OLD_PYDANTIC]
    parsed = subprocess.run(command, input=json.dumps(answers), text=True, capture_output=True, check=False)
    assert parsed.returncode == 0, parsed.stderr


def test_a_list_is_read_page_by_page_in_both_directions(gateway: Gateway, sdk: Any) -> None:
    transcriber = aai.Transcriber(client=sdk)
    url = transcriber.upload_file(MP4)
    ids = [transcriber.submit(url).id for _ in range(5)][::-1]
    finish(gateway, ids[2])
    pages = [transcriber.list_transcripts(aai.ListTranscriptParameters(limit=2))]
    while (last := pages[-1].page_details).before_id_of_prev_url:
        pages.append(
            transcriber.list_transcripts(aai.ListTranscriptParameters(limit=2, before_id=last.before_id_of_prev_url))
        )
    assert [[one.id for one in page.transcripts] for page in pages] == [ids[:2], ids[2:4], ids[4:]]
    assert pages[0].page_details.next_url is None and pages[1].page_details.next_url.endswith(f"after_id={ids[2]}")
    newer = transcriber.list_transcripts(aai.ListTranscriptParameters(limit=2, after_id=ids[4]))
    assert [one.id for one in newer.transcripts] == ids[2:4]
    completed = transcriber.list_transcripts(aai.ListTranscriptParameters(status=aai.TranscriptStatus.completed))
    assert [one.id for one in completed.transcripts] == [ids[2]] and completed.transcripts[0].completed
    past = transcriber.list_transcripts(aai.ListTranscriptParameters(created_on="2020-01-01"))
    assert past.transcripts == []
    with pytest.raises(aai.AssemblyAIError, match="throttled_only"):
        transcriber.list_transcripts(aai.ListTranscriptParameters(throttled_only=True))
    with pytest.raises(aai.AssemblyAIError, match="limit"):
        transcriber.list_transcripts(aai.ListTranscriptParameters(limit=201))


@pytest.mark.parametrize("ended", [True, False], ids=["finished", "queued"])
def test_a_deleted_transcript_stays_as_a_tombstone(gateway: Gateway, sdk: Any, ended: bool) -> None:
    job = submitted(sdk, speaker_labels=True, webhook_url="http://127.0.0.1:9999/hook")
    if ended:
        finish(gateway, job.id)
    for _ in range(2):
        gone = sdk.http_client.delete(f"/v2/transcript/{job.id}")
        assert gone.status_code == 200
        deleted = sdk.http_client.get(f"/v2/transcript/{job.id}").json()
        assert deleted == gone.json()
        parsed = aai.types.TranscriptResponse.parse_obj(deleted)
        assert (parsed.status, parsed.text) == (aai.TranscriptStatus.completed, "Deleted by user.")
        assert parsed.audio_url == parsed.webhook_url == "http://deleted_by_user" and parsed.words is None
    assert gateway.context.jobs.find("ours", job.id) is None
    assert not list((gateway.folder / "uploads").glob("*/*")), "the upload goes too"


def test_a_failed_job_ends_with_its_reason(gateway: Gateway, sdk: Any) -> None:
    job = submitted(sdk)
    fail(gateway, job.id)
    failed = job.wait_for_completion()
    assert (failed.status, failed.error) == (aai.TranscriptStatus.error, "It has no sound.")


def test_a_recording_with_too_little_speech_is_an_error(gateway: Gateway, sdk: Any) -> None:
    job = submitted(sdk, speech_threshold=0.5)
    record = gateway.context.jobs.find("ours", job.id)
    assert record is not None and record.job.options.min_speech == 0.5
    fail(gateway, job.id, JobFailure(code="too_little_speech", message="The share of speech is 0.1."))
    failed = job.wait_for_completion()
    assert (failed.status, failed.error) == (aai.TranscriptStatus.error, "The share of speech is 0.1.")
    assert failed.config.speech_threshold == 0.5


def test_a_webhook_has_the_vendors_body_and_the_clients_header(gateway: Gateway, sdk: Any) -> None:
    with serving() as receiver:
        job = submitted(
            sdk,
            webhook_url=f"{receiver.url}/hook",
            webhook_auth_header_name="X-Proof",
            webhook_auth_header_value="s3cret",
        )
        finish(gateway, job.id)
        outbox = SqlOutbox(gateway.database)
        assert outbox.fan_out() == 1
        (due,) = outbox.due(limit=5, lease=timedelta(minutes=1), slots=100)
    assert json.loads(due.delivery.body) == {"transcript_id": job.id, "status": "completed"}
    assert due.endpoint.header is not None and "s3cret" not in due.endpoint.header
    assert gateway.context.callbacks.cipher.decrypt(due.endpoint.header, due.endpoint.id) == "X-Proof: s3cret"
    done = job.wait_for_completion()
    assert "s3cret" not in done.json_response["webhook_url"] and done.json_response["webhook_auth"] is True
