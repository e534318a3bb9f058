"""The unmodified Python SDK of OpenAI against the gateway."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from shared.domain.tenant import Scope
from shared.infra.database.keys import SqlKeyStore
from shared.infra.key_verifier import make_key
from tests.gateway.compat.finished_jobs import Ends, finish, job_ids, spoken, while_ending
from tests.gateway.conftest import Open
from tests.gateway.serving import MP4, WAV, Gateway

LONG_WAV = WAV + bytes(range(256)) * 8_000  # 2 MB; longer than a block, and than other form fields may be
REFERENCE, LONG_REFERENCE = (
    f"data:audio/wav;base64,{base64.b64encode(content).decode()}" for content in (WAV, LONG_WAV)
)
PATH = "/v1/audio/transcriptions"


@pytest.fixture
def sdk(gateway: Gateway) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.keys["ours"]) as client:
        yield client


def transcribed(gateway: Gateway, sdk: OpenAI, end: Ends = finish, **options: Any) -> Any:
    create = sdk.audio.transcriptions.create
    return while_ending(gateway, lambda: create(file=("a.mp4", MP4), **{"model": "undertone-1", **options}), end)


def test_the_default_is_the_text(gateway: Gateway, sdk: OpenAI) -> None:
    said = transcribed(gateway, sdk, extra_headers={"Undertone-Purpose": "research"}, language="en")
    assert said.text.startswith("We lost the customer")
    record = gateway.context.jobs.find("ours", said.undertone["job_id"])
    assert record is not None and record.job.recording.name == "a.mp4"
    assert (record.job.options.purpose, record.job.options.language) == ("research", "en")


def test_nested_fields_carry_purpose_consent_and_modalities(gateway: Gateway, sdk: OpenAI) -> None:
    consent = json.dumps({"participants_informed": True})
    nested = {"purpose": "research", "modalities": "text,voice", "consent": consent}
    said = transcribed(gateway, sdk, extra_body={"undertone": nested})
    record = gateway.context.jobs.find("ours", said.undertone["job_id"])
    assert record is not None and record.consent is not None and record.consent.participants_informed
    assert (record.job.options.purpose, record.job.options.modalities) == ("research", ("text", "voice"))


@pytest.mark.parametrize(
    ("response_format", "beginning"),
    [("text", "We lost"), ("srt", "1\n00:00:00,480 --> 00:00:03,920\nWe lost"), ("vtt", "WEBVTT\n\n00:00:00.480")],
)
def test_text_formats_are_bare_text(gateway: Gateway, sdk: OpenAI, response_format: str, beginning: str) -> None:
    assert transcribed(gateway, sdk, response_format=response_format).startswith(beginning)


def test_verbose_json_has_every_field_that_clients_require(gateway: Gateway, sdk: OpenAI) -> None:
    said = transcribed(
        gateway, sdk, response_format="verbose_json", timestamp_granularities=["word", "segment"], prompt="Hello"
    )
    assert (said.language, said.duration, len(said.words), len(said.segments)) == ("en", 60.0, 14, 2)
    first = said.segments[0]
    assert (first.id, first.seek, first.start, first.end, first.tokens) == (0, 0, 0.48, 3.92, [])
    assert first.avg_logprob < 0 and first.no_speech_prob == 0.0 and first.compression_ratio == 1.0
    assert first.emotion["label"] == "sadness" and said.words[0].word == "We"
    assert said.undertone["warnings"][0] == "The option prompt has no effect here."


def test_the_text_names_its_language(gateway: Gateway, sdk: OpenAI) -> None:
    said = transcribed(gateway, sdk, languages=["en-GB"])
    record = gateway.context.jobs.find("ours", said.undertone["job_id"])
    assert record is not None and record.job.options.language == "en"
    assert [one.code for one in said.languages] == ["en"] and said.undertone["warnings"] == []


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"languages": ["en", "de"]}, "languages"),
        ({"timestamp_granularities": ["word"]}, "timestamp_granularities"),
        ({"known_speaker_names": ["Ana"], "known_speaker_references": [REFERENCE]}, "diarized_json"),
        ({"temperature": 0, "chunking_strategy": {"type": "server_vad"}}, "temperature"),
    ],
)
def test_an_option_without_effect_gives_a_warning(
    gateway: Gateway, sdk: OpenAI, options: dict[str, Any], named: str
) -> None:
    said = transcribed(gateway, sdk, **options)
    assert named in " ".join(said.undertone["warnings"])
    record = gateway.context.jobs.find("ours", said.undertone["job_id"])
    assert record is not None and record.job.options.language is None


def test_diarized_json_names_speakers_by_letters(gateway: Gateway, sdk: OpenAI) -> None:
    said = transcribed(gateway, sdk, response_format="diarized_json", chunking_strategy="auto")
    assert [(one.speaker, one.start) for one in said.segments] == [("A", 0.48), ("B", 3.5)]
    assert said.segments[0].emotion["label"] == "sadness" and said.usage.seconds == 60.0


def test_known_speakers_are_named(gateway: Gateway, sdk: OpenAI) -> None:
    known: Any = {"known_speaker_names": ["Zoe", "Ana"], "known_speaker_references": [REFERENCE, LONG_REFERENCE]}

    def end(gateway: Gateway, job_id: str) -> None:
        published = spoken()
        first, second = published.speakers
        named = (first.model_copy(update={"name": "Ana"}), second.model_copy(update={"name": "Speaker 2"}))
        finish(gateway, job_id, published.model_copy(update={"speakers": named}))

    said = transcribed(gateway, sdk, end, response_format="diarized_json", **known)
    assert [one.speaker for one in said.segments] == ["Ana", "B"]
    record = gateway.context.jobs.find("ours", said.undertone["job_id"])
    assert record is not None
    expected = [("Zoe", hashlib.sha256(WAV).hexdigest()), ("Ana", hashlib.sha256(LONG_WAV).hexdigest())]
    assert [(one.name, one.sha256) for one in record.job.known_voices] == expected
    names = {blob.rpartition("/")[2] for blob in gateway.blobs()}
    assert names >= {"known-voice-0", "known-voice-1", "recording"}
    again = sdk.audio.transcriptions.create(
        file=("a.mp4", MP4), model="undertone-1", response_format="diarized_json", **known
    )
    assert again.undertone["job_id"] == record.id, "the same voices join the job"


def test_a_stream_sends_segments_and_ends(gateway: Gateway, sdk: OpenAI) -> None:
    events = list(transcribed(gateway, sdk, response_format="diarized_json", stream=True))
    kinds = [one.type.removeprefix("transcript.text.") for one in events]
    assert kinds == ["segment", "delta", "segment", "delta", "done"]
    assert [one.segment_id for one in events if one.type.endswith("delta")] == [events[0].id, events[2].id]
    assert "".join(one.delta for one in events if one.type.endswith("delta")) == events[-1].text
    assert events[0].speaker == "A" and events[0].emotion["label"] == "sadness"


def test_models_of_the_vendor_are_transcribed_without_emotion(gateway: Gateway, sdk: OpenAI) -> None:
    transcribed(gateway, sdk, model="whisper-1", extra_body={"keywords": ["Undertone"]})
    record = gateway.context.jobs.find("ours", job_ids(gateway)[0])
    assert record is not None and record.job.options.modalities == ()
    assert record.job.options.vocabulary == ("Undertone",)


def test_parts_may_come_in_any_order(gateway: Gateway) -> None:
    body = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="' + name + b'"\r\n\r\n' + value + b"\r\n"
        for name, value in ((b'file"; filename="a.mp4', MP4), (b"model", b"nothing"))
    )
    headers = {**gateway.headers(), "content-type": "multipart/form-data; boundary=x"}
    answer = httpx.post(gateway.url + PATH, content=body + b"--x--\r\n", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"response_format": "xml"}, "response_format"),
        ({"timestamp_granularities": ["sentence"]}, "timestamp_granularities"),
        ({"extra_body": {"stream": "maybe"}}, "stream"),
        ({"extra_body": {"undertone": {"colour": "red"}}}, "undertone"),
        ({"include": ["logprobs"]}, "include"),
        ({"known_speaker_names": ["Ana"]}, "as many known_speaker_names"),
        ({"known_speaker_references": [REFERENCE]}, "as many known_speaker_names"),
        ({"known_speaker_names": ["/"], "known_speaker_references": [REFERENCE]}, "as many known_speaker_names"),
        ({"known_speaker_names": list("abcde"), "known_speaker_references": [REFERENCE] * 5}, "more than 4"),
        *(
            ({"known_speaker_names": ["Ana"], "known_speaker_references": [url]}, "data URLs")
            for url in ("https://a.example/a.wav", "data:audio/wav,RIFF", "data:audio/wav;base64,UklG!", "", "x" * 300)
        ),
    ],
)
def test_unsupported_options_are_refused_by_name(sdk: OpenAI, options: dict[str, Any], named: str) -> None:
    with pytest.raises(openai.BadRequestError, match=named):
        sdk.audio.transcriptions.create(file=("a.mp4", MP4), model="undertone-1", **options)


def test_an_invalid_value_is_refused_by_the_vendors_name(sdk: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="keywords"):
        sdk.audio.transcriptions.create(file=("a.mp4", MP4), model="undertone-1", keywords=["<|x|>"])


def test_errors_have_the_vendors_form(gateway: Gateway, sdk: OpenAI, opened: Open) -> None:
    with pytest.raises(openai.BadRequestError) as unreadable:
        sdk.audio.transcriptions.create(file=("a.txt", b"hello"), model="undertone-1")
    assert (unreadable.value.code, unreadable.value.type) == ("unsupported_media", "invalid_request_error")
    assert unreadable.value.request_id
    # The SDK's own method is deprecated.
    translated = httpx.post(f"{gateway.url}/v1/audio/translations", files={"file": MP4}, headers=gateway.headers())
    assert translated.status_code == 400 and "translations" in translated.json()["error"]["message"]
    with pytest.raises(openai.AuthenticationError):
        sdk.with_options(api_key="ut_wrong").models.list()
    text, key = make_key("ours", {Scope.TRANSCRIPTS_READ}, gateway.context.clock())
    SqlKeyStore(gateway.database).add(key)
    with pytest.raises(openai.PermissionDeniedError, match="recordings:write"):
        sdk.with_options(api_key=text).audio.transcriptions.create(file=("a.mp4", MP4), model="whisper-1")
    assert job_ids(gateway) == []


def test_models_are_listed(sdk: OpenAI) -> None:
    assert [model.id for model in sdk.models.list()][:2] == ["undertone-1", "whisper-1"]
    assert sdk.models.retrieve("whisper-1").owned_by == "undertone"
    with pytest.raises(openai.NotFoundError):
        sdk.models.retrieve("gpt-5")
