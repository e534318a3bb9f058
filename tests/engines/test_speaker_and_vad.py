"""The speaker encoder and the speech detector on their real weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.domain.error import EngineUnavailable, InvalidRequest
from shared.domain.span import Span
from shared.engines.cards import BUNDLED
from shared.engines.catalog import Setup
from shared.engines.decoder_sound import decode_sound
from shared.engines.settings import MediaSettings
from shared.engines.speaker_ge2e import Ge2eEncoder
from shared.engines.vad_silero import SileroVad
from shared.ports.media import Audio, Floats
from tests.twins import silent, tone

SAMPLE = Path(__file__).parents[2] / "samples" / "standup.mp4"


@pytest.fixture(scope="module")
def meeting(tmp_path_factory: pytest.TempPathFactory) -> Audio:
    mix = tmp_path_factory.mktemp("sound") / "mix.f32"
    decode_sound(str(SAMPLE), mix, MediaSettings(), channels_into=None, progress=lambda share: None)
    return Audio(np.fromfile(mix, dtype="<f4"))


def turns() -> list[tuple[float, float, str]]:
    lines = SAMPLE.with_suffix(".rttm").read_text().splitlines()
    parts = [line.split() for line in lines]
    return [(float(part[3]), float(part[3]) + float(part[4]), part[7]) for part in parts]


def test_one_voice_is_nearer_to_itself_than_to_any_other(meeting: Audio, setup: Setup) -> None:
    encoder = Ge2eEncoder.load(None, setup)
    chosen = [(start, who) for start, end, who in turns() if end - start > 2.2]
    clips = [meeting.cut(Span(start=start + 0.3, end=start + 1.9)).samples for start, _ in chosen]
    found = encoder.embed(clips)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1.0, abs=1e-4)
    for number, (_, who) in enumerate(chosen):
        nearest = np.argsort(-(found @ found[number]))[1]
        assert chosen[nearest][1] == who


def test_no_clips_and_silent_clips_have_embeddings_too(setup: Setup) -> None:
    encoder = Ge2eEncoder.load(None, setup)
    assert encoder.embed([]).shape == (0, 256)
    assert np.isfinite(encoder.embed([silent(1.6), tone(0.8)])).all()


def test_the_encoder_that_knows_moods_names_the_command_that_trains_it(setup: Setup) -> None:
    if (BUNDLED / "speaker_ge2e_moods.json").is_file():
        assert Ge2eEncoder.load("moods", setup).embed([tone(1.6)]).shape == (1, 256)
    else:
        with pytest.raises(EngineUnavailable) as caught:
            Ge2eEncoder.load("moods", setup)
        assert (caught.value.mend or "").startswith("undertone train speaker")
    with pytest.raises(InvalidRequest, match="no option 'tempers'"):
        Ge2eEncoder.load("tempers", setup)


def test_speech_is_found_where_the_reference_has_it(meeting: Audio, setup: Setup) -> None:
    shares: list[float] = []
    found = SileroVad.load(None, setup).detect(meeting, shares.append)
    spoken = np.zeros(round(meeting.duration * 100), dtype=bool)
    heard = spoken.copy()
    for start, end, _ in turns():
        spoken[round(start * 100) : round(end * 100)] = True
    for span in found:
        heard[round(span.start * 100) : round(span.end * 100)] = True
    assert (spoken & ~heard).sum() / spoken.sum() < 0.03
    assert (heard & ~spoken).sum() / spoken.sum() < 0.12
    assert shares[-1] == 1.0


def test_quiet_speech_is_heard_like_loud_speech(meeting: Audio, setup: Setup) -> None:
    detector = SileroVad.load(None, setup)
    loud = detector.detect(meeting, lambda share: None)
    quiet = detector.detect(Audio(meeting.samples * np.float32(0.02)), lambda share: None)
    assert sum(span.duration for span in quiet) == pytest.approx(sum(span.duration for span in loud), rel=0.05)


def noise(level: float) -> Floats:
    return np.random.default_rng(0).normal(0, level, 16_000 * 20).astype(np.float32)


@pytest.mark.parametrize("sound", [silent(20), noise(0.001), noise(0.03), tone(20, 50.0), silent(0)])
def test_silence_noise_and_hum_are_no_speech(sound: Floats, setup: Setup) -> None:
    assert list(SileroVad.load(None, setup).detect(Audio(sound), lambda share: None)) == []
