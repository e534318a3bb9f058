"""pocketsphinx on the sample meeting, with real processes."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from shared.domain.error import EngineFailed, EngineUnavailable
from shared.domain.span import Span, span
from shared.domain.speech import Word
from shared.engines.asr_pocketsphinx import PocketSphinx
from shared.engines.catalog import Setup
from shared.engines.decoder.sound import decode_sound
from shared.engines.settings import MediaSettings
from shared.ports.media import Audio, Progress
from tests.fakes import silent

SAMPLE = Path(__file__).parents[2] / "samples" / "standup.mp4"


@pytest.fixture(scope="module")
def meeting(tmp_path_factory: pytest.TempPathFactory) -> Audio:
    mix = tmp_path_factory.mktemp("sound") / "mix.f32"
    decode_sound(str(SAMPLE), mix, MediaSettings(), channels_into=None, progress=lambda share: None)
    return Audio(np.fromfile(mix, dtype="<f4"))


def transcribe(
    setup: Setup, audio: Audio, *spans: tuple[float, float], progress: Progress = lambda share: None
) -> list[str]:
    speech = [span(start, end) for start, end in spans]
    result = PocketSphinx(2).transcribe(audio, speech, language=None, progress=progress)
    assert all(any(part.start <= word.start <= word.end <= part.end for part in speech) for word in result.words)
    return [word.text for word in result.words]


def test_words_have_times(meeting: Audio, setup: Setup) -> None:
    shares: list[float] = []
    words = transcribe(setup, meeting, (0.4, 3.7), (4.0, 8.1), progress=shares.append)
    assert " ".join(words[:3]) == "good morning everyone"
    assert "afternoon" in words
    assert shares[-1] == 1.0


def test_result_does_not_depend_on_previous_segments(meeting: Audio) -> None:
    """Segments are assigned to recognisers in random order; the result must not depend on it."""
    before, segment = span(20.3, 37.6), span(37.9, 41.7)

    def transcribed(*speech: Span) -> list[Word]:
        result = PocketSphinx(1).transcribe(meeting, speech, language=None, progress=lambda share: None)
        return [word for word in result.words if word.start >= segment.start]

    assert transcribed(before, segment) == transcribed(segment)


def test_silence_and_empty_input_have_no_words(meeting: Audio, setup: Setup) -> None:
    assert transcribe(setup, Audio(silent(5)), (1, 4)) == []
    assert transcribe(setup, meeting) == []


def test_other_languages_are_rejected(meeting: Audio, setup: Setup) -> None:
    engine = PocketSphinx.load(None, setup)
    assert engine.identify_language(meeting, []) == ("en", None)
    with pytest.raises(EngineUnavailable) as caught:
        engine.transcribe(meeting, [span(0, 1)], language="de", progress=lambda share: None)
    assert caught.value.hint == "undertone models fetch faster-whisper:base"


def children() -> list[int]:
    found: list[int] = []
    for thread in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread may end while its line is read
            found += [int(child) for child in (thread / "children").read_text().split()]
    return found


def test_killed_recogniser_is_an_error_and_leaves_no_process(meeting: Audio, setup: Setup) -> None:
    before = set(children())

    def kill() -> None:
        while not (started := set(children()) - before):
            time.sleep(0.01)
        time.sleep(0.3)
        os.kill(min(started), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(EngineFailed, match="exited before"):
        transcribe(setup, meeting, *((start, start + 15.0) for start in range(0, 75, 16)))
    killer.join()
    assert set(children()) <= before
