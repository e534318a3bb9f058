"""Mutated files and texts: each is read, or refused with one of the service's own errors, within its time."""

from __future__ import annotations

import base64
import contextlib
import json
import random
import time
from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.domain.error import InvalidRequest, InvalidTranscript, RecordingError, UndertoneError
from shared.domain.job_request import JobRequest, JobRequestByUrl
from shared.domain.page import Cursor
from shared.engines.decoder_pyav import PyAvDecoder
from shared.engines.settings import MediaSettings
from shared.exports.document import render_json
from shared.infra.address_rule import parse
from shared.pipeline.platform.parse_transcript import read_platform_transcript
from tests.exports.sample import transcript
from tests.fuzz.budget import attempts, mutated
from tests.media_files import Picture, tone, write_media

# Slower than any valid file of this size; a busy machine needs a margin.
PARSE_SECONDS = 5.0
DECODE_SECONDS = 30.0
TRANSCRIPTS = {
    "vtt": b"WEBVTT\n\nNOTE x\n\nSTYLE\n::cue {}\n\n1\n00:00.000 --> 00:02.000 align:start\n<v Ana>Hello <b>you</b>\n\n"
    b"00:02.000 --> 00:03.000\n<c.loud>Ben:</c> yes &amp; <00:02.500>no\n",
    "srt": b"1\r\n00:00:00,000 --> 00:00:02,000\r\nAna: Hello\r\n\r\n2\r\n00:00:02,000 --> 00:00:04,000\r\nBen: Hi\r\n",
    "json": render_json(transcript(), emotion=True),
}


@pytest.mark.parametrize("form", TRANSCRIPTS)
def test_a_mutated_transcript_is_read_or_refused(form: str) -> None:
    for draw in attempts(f"transcript {form}"):
        content = mutated(TRANSCRIPTS[form], draw)
        began = time.process_time()
        with contextlib.suppress(InvalidTranscript):
            read_platform_transcript(content)
        assert time.process_time() - began < PARSE_SECONDS, content


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("recordings")
    sound = tone(0.3)
    files = [write_media(folder / f"a{ending}", sound) for ending in (".wav", ".mp3", ".flac", ".ogg", ".m4a", ".ts")]
    files += [write_media(folder / f"v{ending}", sound, picture=Picture(0.3)) for ending in (".mp4", ".webm", ".mkv")]
    return [file.read_bytes() for file in files]


def test_a_mutated_recording_is_decoded_or_refused(recordings: list[bytes], tmp_path: Path) -> None:
    decoder = PyAvDecoder(MediaSettings(max_seconds=60, max_decode_seconds=20))
    for number, draw in enumerate(attempts("recording")):
        (tmp_path / "media").write_bytes(mutated(draw.choice(recordings), draw))
        into = tmp_path / str(number)
        into.mkdir()
        began = time.monotonic()
        with contextlib.suppress(RecordingError):
            decoder.decode(tmp_path / "media", into, tracks=(), separate_channels=False, progress=lambda _: None)
            assert (into / "mix.f32").stat().st_size % 4 == 0
        assert time.monotonic() - began < DECODE_SECONDS


def test_a_mutated_cursor_is_read_or_invalid() -> None:
    valid = json.dumps({"at": "2026-11-02T12:00:00Z", "id": "0" * 32}).encode()
    for draw in attempts("cursor"):
        text = base64.urlsafe_b64encode(mutated(valid, draw)).decode().rstrip("=")
        if draw.random() < 0.3:
            text = mutated(text.encode(), draw).decode("latin-1")
        with contextlib.suppress(InvalidRequest):
            Cursor.parse(text)


@pytest.mark.parametrize("model", [JobRequest, JobRequestByUrl])
def test_a_mutated_request_is_read_or_invalid(model: type[JobRequest]) -> None:
    valid = json.dumps(
        {
            "url": "https://media.example/a.mp4", "language": "en", "metadata": {"a": [1, {"b": None}]}, "speakers": 2,
            "modalities": ["text"], "consent": {"participants_informed": True}, "vocabulary": ["Undertone"],
        }
    ).encode()  # fmt: skip
    for draw in attempts(model.__name__):
        with contextlib.suppress(ValidationError, UndertoneError):
            model.model_validate_json(mutated(valid, draw))


def test_a_mutated_url_is_parsed_or_blocked() -> None:
    urls = (b"https://hook.example:8443/a?b=c", b"http://[::ffff:10.0.0.1]/x", b"https://xn--bcher-kva.example/")
    for draw in attempts("url"):
        url = mutated(draw.choice(urls), draw).decode("utf-8", "replace")
        with contextlib.suppress(UndertoneError):
            target = parse(url)
            assert target.host and not set(target.host) & set("/\\@ \r\n\0"), url


def test_mutations_repeat_with_their_seed() -> None:
    first, again = (mutated(b"abc" * 100, random.Random("1")) for _ in range(2))  # noqa: S311 - not secret
    assert first == again != mutated(b"abc" * 100, random.Random("2"))  # noqa: S311 - not secret
