"""The unmodified Python SDK of Deepgram against the gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.gateway.compat.deepgram.callbacks import render_callbacks
from shared.domain.tenant import Scope
from shared.domain.webhook import DueDelivery
from shared.infra.database.erasure import SqlErasureStore
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.outbox import SqlOutbox
from shared.infra.key_verifier import make_key
from tests.gateway.compat.finished_jobs import Ends, fail, finish, job_ids, while_ending
from tests.gateway.serving import MP4, Gateway, eventually
from tests.local_server import Reply, serving

deepgram = pytest.importorskip("deepgram", reason="the SDKs are missing (make sdks)")
environment = pytest.importorskip("deepgram.environment")
api_error = pytest.importorskip("deepgram.core.api_error")

# The SDK imports old names of websockets.
pytestmark = pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning")
PATH = "/v1/listen"
BAD_REQUEST = pytest.importorskip("deepgram.errors").BadRequestError


@contextmanager
def media_of(gateway: Gateway, key: str | None = None) -> Iterator[Any]:
    here = environment.DeepgramClientEnvironment(
        base=gateway.url, production="wss://unused", agent="wss://unused", agent_rest="https://unused"
    )
    with httpx.Client(timeout=60) as connection:
        client = deepgram.DeepgramClient(api_key=key or gateway.keys["ours"], environment=here, httpx_client=connection)
        yield client.listen.v1.media


def listened(gateway: Gateway, end: Ends = finish, **options: Any) -> Any:
    with media_of(gateway) as media:
        return while_ending(gateway, lambda: media.transcribe_file(request=MP4, **options), end)


def test_speakers_utterances_and_sentiment(gateway: Gateway) -> None:
    said = listened(
        gateway, diarize=True, utterances=True, sentiment=True, detect_language=True, extra=["room:7"], tag="standup"
    )
    assert said.metadata.duration == 60.0 and said.metadata.extra == {"room": "7"}
    record = gateway.context.jobs.find("ours", said.metadata.request_id)
    assert record is not None and said.metadata.sha256 == "0" * 64
    (channel,) = said.results.channels
    (alternative,) = channel.alternatives
    assert channel.detected_language == "en" and alternative.transcript.startswith("We lost")
    first, last = alternative.words[0], alternative.words[-1]
    assert (first.word, first.punctuated_word, first.speaker, first.start) == ("we", "We", 0, 0.48)
    assert (last.word, last.punctuated_word, last.speaker, last.confidence) == ("once", "once.", 1, 0.0)
    lost, left = said.results.utterances
    assert (lost.transcript, lost.speaker, lost.start, lost.end, len(lost.words)) == (
        "We lost the customer --> yesterday.",
        0,
        0.48,
        3.92,
        6,
    )
    assert lost.emotion["label"] == "sadness" and left.speaker == 1 and "emotion" not in left.model_dump()
    (segment,) = said.results.sentiments.segments
    assert (segment.start_word, segment.end_word, segment.sentiment) == (0, 5, "neutral")
    assert segment.sentiment_score == said.results.sentiments.average.sentiment_score == pytest.approx(-0.1)


def test_without_options_there_is_only_the_text(gateway: Gateway) -> None:
    said = listened(gateway)
    assert said.results.utterances is None and said.results.sentiments is None
    (alternative,) = said.results.channels[0].alternatives
    assert alternative.paragraphs is None and alternative.words[0].speaker is None
    assert not said.metadata.model_dump().get("warnings")


def test_paragraphs_and_pauses(gateway: Gateway) -> None:
    said = listened(gateway, paragraphs=True, sentiment=True, utterances=True, utt_split=0.1, diarize=True)
    (alternative,) = said.results.channels[0].alternatives
    shown = alternative.paragraphs.paragraphs
    assert [(one.speaker, one.num_words, len(one.sentences)) for one in shown] == [(0, 6, 1), (1, 8, 1)]
    assert shown[0].sentences[0].text == "We lost the customer --> yesterday."
    assert (shown[0].sentiment, shown[0].sentiment_score) == ("neutral", pytest.approx(-0.1))
    assert "sentiment" not in shown[1].model_dump(exclude_none=True), "without a reading"
    assert len(said.results.utterances) == 2, "no pause in the sample is that long"


def test_an_option_without_effect_gives_a_warning(gateway: Gateway) -> None:
    said = listened(gateway, punctuate=False, numerals=False, keywords=["Ana:2"])
    messages = [one["message"] for one in said.metadata.model_dump()["warnings"]]
    assert messages == [
        "The option keywords has no effect here.",
        "The option numerals has no effect here.",
        "Words are always punctuated.",
    ]


def test_the_query_carries_a_purpose_and_modalities(gateway: Gateway) -> None:
    nested = {"undertone": {"purpose": "research", "modalities": "text"}}
    said = listened(gateway, request_options={"additional_query_parameters": nested})
    record = gateway.context.jobs.find("ours", said.metadata.request_id)
    assert record is not None
    assert (record.job.options.purpose, record.job.options.modalities) == ("research", ("text",))


def test_channels_are_kept_apart(gateway: Gateway) -> None:
    said = listened(gateway, multichannel=True, utterances=True, keyterm=["Undertone", "Ana"], language="en-US")
    assert said.metadata.channels == 2
    assert [one.alternatives[0].words[0].word for one in said.results.channels] == ["we", "she"]
    assert [one.channel for one in said.results.utterances] == [0, 1]
    record = gateway.context.jobs.find("ours", said.metadata.request_id)
    assert record is not None and record.job.options.separate_channels
    assert (record.job.options.vocabulary, record.job.options.language) == (("Undertone", "Ana"), "en")


def test_a_recording_at_a_url_is_downloaded(gateway: Gateway) -> None:
    with serving(Reply(200, body=MP4)) as server, media_of(gateway) as media:
        said = while_ending(gateway, lambda: media.transcribe_url(url=f"{server.url}/a.mp4", model="nova-3"))
    assert said.results.channels[0].alternatives[0].transcript.startswith("We lost")
    assert "model" in str(said.metadata.model_dump()["warnings"])
    with pytest.raises(api_error.ApiError) as blocked, media_of(gateway) as media:
        media.transcribe_url(url="http://169.254.169.254/")
    assert blocked.value.status_code in (400, 403) and blocked.value.body["err_code"] == "ADDRESS_BLOCKED"


def test_a_key_without_the_scope_sees_no_readings(gateway: Gateway) -> None:
    text, key = make_key("ours", {Scope.RECORDINGS_WRITE, Scope.TRANSCRIPTS_READ}, gateway.context.clock())
    SqlKeyStore(gateway.database).add(key)
    with media_of(gateway, text) as media:
        said = while_ending(gateway, lambda: media.transcribe_file(request=MP4, sentiment=True, utterances=True))
    assert said.results.sentiments is None and "emotion" not in said.results.utterances[0].model_dump()
    assert "emotions:read" in str(said.metadata.model_dump()["warnings"])


def test_a_failed_job_is_final_and_a_repeat_joins(gateway: Gateway) -> None:
    with pytest.raises(BAD_REQUEST) as failed:
        listened(gateway, fail)
    assert failed.value.body["err_code"] == "NO_AUDIO" and failed.value.body["request_id"]
    assert len(job_ids(gateway)) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"redact": "pci"},
        {"summarize": "v2"},
        {"topics": True},
        {"detect_entities": True},
        {"callback_method": "DELETE"},
        {"extra": "no colon"},
        {"keyterm": "<|x|>"},
    ],
)
def test_unsupported_options_are_refused_by_name(gateway: Gateway, options: dict[str, Any]) -> None:
    with pytest.raises(BAD_REQUEST) as refused, media_of(gateway) as media:
        media.transcribe_file(request=MP4, **options)
    assert next(iter(options)) in refused.value.body["err_msg"] and job_ids(gateway) == []


def test_errors_have_the_vendors_form(gateway: Gateway) -> None:
    bodies: tuple[dict[str, Any], ...] = (
        {"content": b"hello"},
        {"json": {}},
        {"json": {"url": "file:///etc/passwd"}},
        {"content": b""},
    )
    headers = {"Authorization": f"Token {gateway.keys['ours']}"}
    with httpx.Client(base_url=gateway.url, headers=headers, timeout=60) as client:
        for body in bodies:
            answer = client.post(PATH, **body)
            assert answer.status_code in (400, 403), body
            assert set(answer.json()) == {"err_code", "err_msg", "request_id"}
        assert client.post(f"{PATH}?utt_split=x", content=MP4).status_code == 400
        assert client.get(PATH).status_code == 405
        wrong = client.post(PATH, headers={"Authorization": "Token ut_wrong"}, content=MP4)
        assert (wrong.status_code, wrong.json()["err_code"]) == (401, "INVALID_API_KEY")
        for path in ("/v1/read", "/v1/speak", "/v1/projects/x/keys", "/v1/auth/grant"):
            unknown = client.post(path, json={"text": "hello"})
            assert (unknown.status_code, unknown.json()["err_code"]) == (404, "NOT_FOUND"), path
        other = client.get("/v1/jobs")
        assert other.json()["code"] == "invalid_api_key", "only this API takes the scheme Token"


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("ended", [finish, fail], ids=["done", "failed"])
def test_a_callback_gets_the_whole_answer_once(gateway: Gateway, ended: Ends, method: str) -> None:
    with serving() as receiver, media_of(gateway) as media:
        url = f"{receiver.url.replace('//', '//ana:s3cret@')}/hook"
        accepted = media.transcribe_file(
            request=MP4, callback=url, callback_method=method, utterances=True, sentiment=True, extra=["room:7"]
        )
        job_id = accepted.request_id
        ended(gateway, job_id)
        outbox = SqlOutbox(gateway.database)
        due: list[DueDelivery] = []

        def arrived() -> bool:
            outbox.fan_out()
            due.extend(outbox.due(limit=5, lease=timedelta(minutes=1), slots=100))
            return bool(due)

        assert eventually(arrived, 20)
        render_callbacks(gateway.context)
        assert len(due) == 1 and outbox.due(limit=5, lease=timedelta(minutes=1), slots=100) == ()
    endpoint, body = due[0].endpoint, json.loads(due[0].delivery.body)
    assert endpoint.payload.method == method and "s3cret" not in endpoint.url and endpoint.header is not None
    header = gateway.context.callbacks.cipher.decrypt(endpoint.header, endpoint.id)
    assert header == "Authorization: Basic YW5hOnMzY3JldA=="
    if ended is fail:
        assert body == {"err_code": "NO_AUDIO", "err_msg": "It has no sound.", "request_id": job_id}
        return
    assert body["metadata"]["extra"] == {"room": "7"} and body["results"]["sentiments"]["segments"]
    assert body["results"]["utterances"][0]["emotion"]["label"] == "sadness"
    gateway.context.jobs.erase("ours", job_id, by="test", reason="test")
    SqlErasureStore(gateway.database).finish("ours", job_id)
    assert gateway.context.deliveries.find("ours", due[0].delivery.id) is None, "the transcript in it is erased too"
