"""pocketsphinx on the sample meeting: real recognition in real processes."""

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
from shared.engines.decoder_sound import decode_sound
from shared.engines.settings import MediaSettings
from shared.ports.media import Audio, Progress
from tests.fakes import silent

SAMPLE = Path(__file__).parents[2] / "samples" / "standup.mp4"


@pytest.fixture(scope="module")
def meeting(tmp_path_factory: pytest.TempPathFactory) -> Audio:
    mix = tmp_path_factory.mktemp("sound") / "mix.f32"
    decode_sound(str(SAMPLE), mix, MediaSettings(), channels_into=None, progress=lambda share: None)
    return Audio(np.fromfile(mix, dtype="<f4"))


def hear(setup: Setup, audio: Audio, *spans: tuple[float, float], progress: Progress = lambda share: None) -> list[str]:
    speech = [span(start, end) for start, end in spans]
    hearing = PocketSphinx(2).transcribe(audio, speech, language=None, progress=progress)
    assert all(any(part.start <= word.start <= word.end <= part.end for part in speech) for word in hearing.words)
    return [word.text for word in hearing.words]


def test_it_hears_what_was_said_with_times(meeting: Audio, setup: Setup) -> None:
    shares: list[float] = []
    words = hear(setup, meeting, (0.4, 3.7), (4.0, 8.1), progress=shares.append)
    assert " ".join(words[:3]) == "good morning everyone"
    assert "afternoon" in words
    assert shares[-1] == 1.0


def test_what_was_heard_before_changes_nothing(meeting: Audio) -> None:
    """Which of several recognisers hears what is chance; what it hears must not be."""
    before, stretch = span(20.3, 37.6), span(37.9, 41.7)

    def heard(*speech: Span) -> list[Word]:
        hearing = PocketSphinx(1).transcribe(meeting, speech, language=None, progress=lambda share: None)
        return [word for word in hearing.words if word.start >= stretch.start]

    assert heard(before, stretch) == heard(stretch)


def test_silence_has_no_words_and_nothing_asked_is_nothing_heard(meeting: Audio, setup: Setup) -> None:
    assert hear(setup, Audio(silent(5)), (1, 4)) == []
    assert hear(setup, meeting) == []


def test_another_language_needs_another_engine(meeting: Audio, setup: Setup) -> None:
    engine = PocketSphinx.load(None, setup)
    assert engine.identify_language(meeting, []) == ("en", None)
    with pytest.raises(EngineUnavailable) as caught:
        engine.transcribe(meeting, [span(0, 1)], language="de", progress=lambda share: None)
    assert caught.value.hint == "undertone models fetch faster-whisper:small"


def children() -> list[int]:
    found: list[int] = []
    for thread in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread may end while its line is read
            found += [int(child) for child in (thread / "children").read_text().split()]
    return found


def test_a_killed_recogniser_is_an_error_and_leaves_no_process(meeting: Audio, setup: Setup) -> None:
    before = set(children())

    def kill() -> None:
        while not (started := set(children()) - before):
            time.sleep(0.01)
        time.sleep(0.3)
        os.kill(min(started), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(EngineFailed, match="in the middle"):
        hear(setup, meeting, *((start, start + 15.0) for start in range(0, 75, 16)))
    killer.join()
    assert set(children()) <= before
