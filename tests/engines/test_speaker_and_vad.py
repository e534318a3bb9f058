"""The speaker encoders and the speech detector with their real weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.domain.error import EngineUnavailable, InvalidRequest
from shared.domain.span import Span
from shared.engines.catalog import SPEAKER, Setup, choose
from shared.engines.decoder.sound import decode_sound
from shared.engines.settings import EngineSettings, MediaSettings
from shared.engines.speaker_ge2e import SIZE, Ge2eEncoder, MoodsEncoder
from shared.engines.vad_silero import SileroVad
from shared.ports.engines import SpeakerEncoder
from shared.ports.media import Audio, Floats
from tests.fakes import silent, tone

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


@pytest.fixture(params=["ge2e", "ge2e-moods"])
def encoder(request: pytest.FixtureRequest, setup: Setup) -> SpeakerEncoder:
    return choose(SPEAKER, request.param, setup)


def test_nearest_embedding_is_of_the_same_speaker(meeting: Audio, encoder: SpeakerEncoder) -> None:
    chosen = [(start, who) for start, end, who in turns() if end - start > 2.2]
    clips = [meeting.cut(Span(start=start + 0.3, end=start + 1.9)).samples for start, _ in chosen]
    found = encoder.embed(clips)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1.0, abs=1e-4)
    for number, (_, who) in enumerate(chosen):
        nearest = np.argsort(-(found @ found[number]))[1]
        assert chosen[nearest][1] == who


def test_long_clip_resembles_short_clips_of_its_speaker(meeting: Audio, setup: Setup) -> None:
    """An embedding of a whole clip depends on its length; windows of one length do not."""
    encoder = Ge2eEncoder.load(None, setup)
    spoken = [(start, end, who) for start, end, who in turns() if end - start > 2.9]
    clips = [meeting.cut(Span(start=start + 0.2, end=start + 2.8)).samples for start, _, _ in spoken]
    long, whole = encoder.embed(clips), encoder.embed_whole(clips)
    short = encoder.embed([meeting.cut(Span(start=end - 1.2, end=end - 0.2)).samples for _, end, _ in spoken])
    speakers = np.array([who for _, _, who in spoken])
    same = (speakers[:, None] == speakers[None]) & ~np.eye(len(spoken), dtype=bool)
    assert (long @ short.T)[same].mean() > (whole @ short.T)[same].mean() + 0.02
    assert np.linalg.norm(long, axis=1) == pytest.approx(1.0, abs=1e-4)


def test_encoder_for_emotions_contains_the_published_embedding(meeting: Audio, setup: Setup) -> None:
    clips = [meeting.cut(Span(start=start, end=start + length)).samples for start, length in ((1.0, 1.6), (12.0, 4.0))]
    published = Ge2eEncoder.load(None, setup).embed(clips)
    both = MoodsEncoder.load(None, setup).embed(clips)
    assert np.abs(both[:, :SIZE] * np.sqrt(2) - published).max() < 1e-4
    assert both.shape == (2, 2 * SIZE)


def test_empty_and_silent_input_has_finite_embeddings(encoder: SpeakerEncoder) -> None:
    assert encoder.embed([]).shape == (0, 256)
    assert np.isfinite(encoder.embed([silent(1.6), tone(0.8)])).all()


def test_published_encoder_is_the_default_and_allows_commercial_use(setup: Setup) -> None:
    commercial = Setup(EngineSettings(commercial_only=True), setup.media)
    assert choose(SPEAKER, None, setup).name == "ge2e"
    assert choose(SPEAKER, "ge2e-moods", setup).name == "ge2e-moods"
    with pytest.raises(EngineUnavailable):
        choose(SPEAKER, "ge2e-moods", commercial)
    with pytest.raises(InvalidRequest, match="no option 'tempers'"):
        choose(SPEAKER, "ge2e:tempers", setup)


def test_detected_speech_matches_the_reference(meeting: Audio, setup: Setup) -> None:
    shares: list[float] = []
    found = SileroVad.load(None, setup).detect(meeting, shares.append)
    spoken = np.zeros(round(meeting.duration * 100), dtype=bool)
    detected = spoken.copy()
    for start, end, _ in turns():
        spoken[round(start * 100) : round(end * 100)] = True
    for span in found:
        detected[round(span.start * 100) : round(span.end * 100)] = True
    assert (spoken & ~detected).sum() / spoken.sum() < 0.03
    assert (detected & ~spoken).sum() / spoken.sum() < 0.12
    assert shares[-1] == 1.0


def test_quiet_speech_is_detected_like_loud_speech(meeting: Audio, setup: Setup) -> None:
    detector = SileroVad.load(None, setup)
    loud = detector.detect(meeting, lambda share: None)
    quiet = detector.detect(Audio(meeting.samples * np.float32(0.02)), lambda share: None)
    assert sum(span.duration for span in quiet) == pytest.approx(sum(span.duration for span in loud), rel=0.05)


def noise(level: float) -> Floats:
    return np.random.default_rng(0).normal(0, level, 16_000 * 20).astype(np.float32)


@pytest.mark.parametrize("sound", [silent(20), noise(0.001), noise(0.03), tone(20, 50.0), silent(0)])
def test_silence_noise_and_hum_are_not_speech(sound: Floats, setup: Setup) -> None:
    assert list(SileroVad.load(None, setup).detect(Audio(sound), lambda share: None)) == []
