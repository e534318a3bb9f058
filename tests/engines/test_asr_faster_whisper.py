"""faster-whisper is really run: its weights are tiny, everything else is as it will be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.domain.error import EngineUnavailable, InvalidRequest
from shared.domain.span import span
from shared.engines.asr_faster_whisper import FasterWhisper
from shared.engines.catalog import Setup
from shared.ports.media import Audio
from tests.twins import tone
from tests.whisper_tiny import build

AUDIO = Audio(np.concatenate([tone(3), np.zeros(64_000, dtype=np.float32), tone(40)]))
SPEECH = (span(0.5, 3), span(7, 45))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("whisper") / "tiny-test")


def load(folder: Path, setup: Setup) -> FasterWhisper:
    return FasterWhisper.load(str(folder), setup)


def test_words_come_with_times_inside_the_speech_they_were_heard_in(folder: Path, setup: Setup) -> None:
    shares: list[float] = []
    hearing = load(folder, setup).transcribe(AUDIO, SPEECH, language="en", progress=shares.append)
    assert [word.text for word in hearing.words[:3]] == ["We", "lost", "it."]
    assert len(hearing.words) == 9, "one window of three seconds, one of thirty, one of the rest"
    assert all(any(part.start - 0.5 <= word.start <= part.end for part in SPEECH) for word in hearing.words)
    assert all(word.end >= word.start and word.confidence is not None for word in hearing.words)
    assert hearing.language == "en"
    assert shares[-1] == 1.0


def test_the_language_is_decided_by_a_vote_of_windows(folder: Path, setup: Setup) -> None:
    engine = load(folder, setup)
    language, sure = engine.identify_language(AUDIO, SPEECH)
    assert language == "de"
    assert sure is not None and 0.9 < sure <= 1.0
    assert engine.identify_language(AUDIO, ()) == (None, None)


def test_silence_has_no_words(folder: Path, setup: Setup) -> None:
    assert load(folder, setup).transcribe(AUDIO, (), language="en", progress=lambda share: None).words == ()


def test_a_language_it_does_not_know_is_said(folder: Path, setup: Setup) -> None:
    with pytest.raises(InvalidRequest, match="'tlh'"):
        load(folder, setup).transcribe(AUDIO, SPEECH, language="tlh", progress=lambda share: None)


def test_a_loop_is_heard_again_and_what_stays_a_loop_is_dropped(tmp_path: Path, setup: Setup) -> None:
    looping = build(tmp_path / "loop", says=("Ġlost",) * 60)
    hearing = load(looping, setup).transcribe(AUDIO, SPEECH, language="en", progress=lambda share: None)
    assert hearing.words == ()


def test_its_fingerprint_is_that_of_its_weights(folder: Path, tmp_path: Path, setup: Setup) -> None:
    one, other = load(folder, setup), load(build(tmp_path / "other", says=("Ġit",)), setup)
    assert one.fingerprint == load(folder, setup).fingerprint != other.fingerprint
    assert one.name == "faster-whisper:tiny-test"


def test_missing_weights_name_the_command_that_brings_them(setup: Setup) -> None:
    with pytest.raises(EngineUnavailable) as caught:
        FasterWhisper.load("small", setup)
    assert caught.value.mend == "undertone models fetch faster-whisper:small"
    with pytest.raises(EngineUnavailable, match="no converted Whisper"):
        FasterWhisper.load("/nowhere/model", setup)
