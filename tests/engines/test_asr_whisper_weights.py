"""faster-whisper with the weights of Whisper base."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from jiwer import process_words

from shared.domain.coverage import speech_without_words
from shared.engines.asr_faster_whisper import FasterWhisper
from shared.engines.catalog import Setup
from shared.engines.decoder.sound import decode_sound
from shared.engines.settings import EngineSettings, MediaSettings
from shared.engines.vad_silero import SileroVad
from shared.ports.media import Audio

SAMPLES = Path(__file__).parents[2] / "samples"
SAID = " ".join(line.split(maxsplit=5)[5] for line in (SAMPLES / "standup.stm").read_text().splitlines())


@pytest.mark.weights
@pytest.mark.usefixtures("whisper")
def test_meeting_is_transcribed_without_gaps_and_with_ascending_times(tmp_path: Path) -> None:
    setup = Setup(engines=EngineSettings(), media=MediaSettings())
    mix = tmp_path / "mix.f32"
    decode_sound(str(SAMPLES / "standup.mp4"), mix, MediaSettings(), channels_into=None, progress=lambda _: None)
    audio = Audio(np.fromfile(mix, dtype="<f4"))
    speech = SileroVad.load(None, setup).detect(audio, lambda _: None)
    engine = FasterWhisper.load(None, setup)
    language, _ = engine.identify_language(audio, speech)
    assert language == "en"
    words = engine.transcribe(audio, speech, language=language, progress=lambda _: None).words
    score = process_words(plain(SAID), plain(" ".join(word.text for word in words)))
    assert score.wer <= 0.015
    assert speech_without_words(speech, words) == ()
    assert all(word.end > word.start for word in words)
    assert all(one.end <= two.start for one, two in pairwise(words))
    assert words[-1].end <= audio.duration
    assert engine.transcribe(audio, speech, language=language, progress=lambda _: None).words == words


def plain(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum() or letter in " '")
