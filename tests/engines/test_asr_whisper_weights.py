"""faster-whisper with real weights: the folder of a converted model is in UNDERTONE_TEST_WHISPER."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from jiwer import process_words

from shared.domain.coverage import speech_without_words
from shared.engines.asr_faster_whisper import FasterWhisper
from shared.engines.catalog import Setup
from shared.engines.decoder_sound import decode_sound
from shared.engines.settings import MediaSettings
from shared.engines.vad_silero import SileroVad
from shared.ports.media import Audio

SAMPLES = Path(__file__).parents[2] / "samples"
SAID = " ".join(line.split(maxsplit=5)[5] for line in (SAMPLES / "standup.stm").read_text().splitlines())


@pytest.fixture(scope="module")
def weights() -> str:
    folder = os.environ.get("UNDERTONE_TEST_WHISPER", "")
    if not Path(folder, "model.bin").is_file():
        pytest.skip("there are no Whisper weights (set UNDERTONE_TEST_WHISPER to the folder of a converted model)")
    return folder


def test_meeting_is_transcribed_without_gaps_and_with_ascending_times(
    weights: str, setup: Setup, tmp_path: Path
) -> None:
    mix = tmp_path / "mix.f32"
    decode_sound(str(SAMPLES / "standup.mp4"), mix, MediaSettings(), channels_into=None, progress=lambda _: None)
    audio = Audio(np.fromfile(mix, dtype="<f4"))
    speech = SileroVad.load(None, setup).detect(audio, lambda _: None)
    engine = FasterWhisper.load(weights, setup)
    language, _ = engine.identify_language(audio, speech)
    assert language == "en"
    words = engine.transcribe(audio, speech, language=language, progress=lambda _: None).words
    score = process_words(plain(SAID), plain(" ".join(word.text for word in words)))
    assert score.wer <= 0.05
    assert speech_without_words(speech, words) == ()
    assert all(word.end > word.start for word in words)
    assert all(one.end <= two.start for one, two in pairwise(words))
    assert words[-1].end <= audio.duration
    assert engine.transcribe(audio, speech, language=language, progress=lambda _: None).words == words


def plain(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum() or letter in " '")
