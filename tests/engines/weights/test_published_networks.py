"""The engines on published networks, with small networks of the same interface from a hub on 127.0.0.1."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from shared.domain.error import EngineUnavailable, InvalidRequest
from shared.domain.span import span
from shared.engines.catalog import SEGMENTATION, SLOTS, SPEAKER, Setup, choose
from shared.engines.features.kaldi_fbank import fbank
from shared.engines.runtime import open_session
from shared.engines.settings import EngineSettings, MediaSettings
from shared.engines.weights import description
from shared.engines.weights.description import find_weights
from shared.engines.weights.fetch import fetch
from shared.ports.engines import SpeakerEncoder
from shared.ports.media import Audio, Floats
from tests.engines.small_networks import (
    PUBLISHED,
    SEGMENTATION_METADATA,
    SPEAKER_METADATA,
    segmentation_network,
    speaker_network,
)
from tests.engines.weights.sources import Source
from tests.fakes import silent, tone

SLOT_OF = {"wespeaker": "speaker", "campplus": "speaker", "pyannote-3": "segmentation"}


@pytest.fixture
def setup(settings: EngineSettings) -> Setup:
    return Setup(settings.model_copy(update={"threads": 1}), MediaSettings())


@pytest.fixture
def hub(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    """The small networks under the published addresses, and a models.toml that describes their content."""
    entries = []
    for name, content in PUBLISHED.items():
        weights = find_weights(name)
        (file,) = weights.files
        source.files[f"/{weights.repository}/resolve/{weights.revision}/{file.path}"] = content
        fields = weights.model_dump(mode="json", exclude={"files", "packages"})
        entries.append("[[model]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in fields.items()))
        entries[-1] += f'files = [{{ path = "{file.path}", size = {len(content)}, '
        entries[-1] += f'sha256 = "{hashlib.sha256(content).hexdigest()}" }}]\n'
    models = tmp_path / "models.toml"
    models.write_text("\n".join(entries))
    monkeypatch.setattr(description, "MODELS", models)
    description.all_weights.cache_clear()
    yield source
    description.all_weights.cache_clear()


def fetched(name: str, setup: Setup) -> Path:
    folder = fetch(find_weights(name), setup.engines, lambda done, total: None)
    return folder / find_weights(name).files[0].path


def encoder(name: str, setup: Setup) -> SpeakerEncoder:
    fetched(name, setup)
    return choose(SPEAKER, name, setup)


@pytest.fixture(params=["wespeaker", "campplus"])
def speaker(request: pytest.FixtureRequest, hub: Source, setup: Setup) -> SpeakerEncoder:
    return encoder(request.param, setup)


def noise(seconds: float, level: float = 0.1) -> Floats:
    return np.random.default_rng(0).normal(0, level, round(16_000 * seconds)).astype(np.float32)


def write(folder: Path, content: bytes) -> str:
    path = folder / "net.onnx"
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize(("name", "slot"), SLOT_OF.items())
def test_the_published_weights_are_pinned(name: str, slot: str) -> None:
    weights = find_weights(name)
    assert weights.slot == slot and weights.commercial_use
    assert len(weights.files) == 1 and len(weights.revision) == 40


@pytest.mark.parametrize(("name", "slot"), SLOT_OF.items())
def test_missing_and_damaged_weights_have_a_hint(name: str, slot: str, hub: Source, setup: Setup) -> None:
    with pytest.raises(EngineUnavailable, match="not on this machine") as caught:
        choose(SLOTS[slot], name, setup)
    assert caught.value.hint == f"undertone models fetch {name}"
    path = fetched(name, setup)
    assert choose(SLOTS[slot], name, setup)
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(EngineUnavailable, match="damaged"):
        choose(SLOTS[slot], name, setup)


def test_auto_never_takes_them(hub: Source, setup: Setup) -> None:
    """Nothing was measured with them."""
    for name in SLOT_OF:
        fetched(name, setup)
    assert choose(SPEAKER, None, setup).name == "ge2e"
    assert choose(SEGMENTATION, None, setup).name == "pyannet"


def test_embeddings_are_unit_vectors_that_depend_on_the_sound(speaker: SpeakerEncoder) -> None:
    clips = [tone(1.6, 200.0), noise(1.6), noise(2.3), tone(2.0, 200.0)]
    found = speaker.embed(clips)
    assert found.shape == (4, 24) and found.dtype == np.float32
    assert np.linalg.norm(found, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert found[1] @ found[2] > 0.99 > found[0] @ found[1]
    assert np.allclose(found[2], speaker.embed([clips[2]])[0]), "a clip does not depend on the others"


def test_empty_silent_and_short_clips_are_embedded(speaker: SpeakerEncoder) -> None:
    assert speaker.embed([]).shape == (0, 24)
    found = speaker.embed([silent(1.6), silent(0.0), noise(0.01), noise(0.4)])
    assert np.isfinite(found).all()
    assert np.linalg.norm(found[2:], axis=1) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(("name", "window", "scale"), [("wespeaker", "hamming", 32768), ("campplus", "povey", 1)])
def test_features_are_those_of_the_training(name: str, window: str, scale: int, hub: Source, setup: Setup) -> None:
    sound = noise(1.0, level=0.001)
    bands = fbank(sound * np.float32(scale), "hamming" if window == "hamming" else "povey")
    session = open_session(fetched(name, setup), 1)
    expected = session.run(None, {"feats": (bands - bands.mean(axis=0))[None]})[0][0]
    found = choose(SPEAKER, name, setup).embed([sound])[0]
    assert found == pytest.approx(expected / np.linalg.norm(expected), abs=1e-5)


def test_fingerprint_follows_the_engine_and_the_content(hub: Source, setup: Setup, tmp_path: Path) -> None:
    one = encoder("wespeaker", setup)
    other = speaker_network({**SPEAKER_METADATA, "framework": "wespeaker", "normalize_samples": "1"})
    again = choose(SPEAKER, f"wespeaker:{write(tmp_path, other)}", setup)
    assert len({one.fingerprint, again.fingerprint, encoder("campplus", setup).fingerprint}) == 3
    assert choose(SPEAKER, f"wespeaker:{write(tmp_path, PUBLISHED['wespeaker'])}", setup).fingerprint == one.fingerprint


def test_frames_are_where_the_sound_is(hub: Source, setup: Setup) -> None:
    """A tone from 12 to 13 s of a recording that starts at 100 s."""
    fetched("pyannote-3", setup)
    sound = np.concatenate([silent(12), tone(1, 300.0, level=0.5), silent(12)])
    shares: list[float] = []
    made = choose(SEGMENTATION, "pyannote-3", setup).segment(Audio(sound, 100.0), [span(100, 125)], shares.append)
    assert {window.active.shape for window in made.windows} == {(589, 3)}
    assert np.diff([window.first for window in made.windows]).max() == 120
    heard = 0
    for window in made.windows:
        assert window.active[:, 1:].max() < 0.01
        loud = np.flatnonzero(window.active[:, 0] > 0.5)
        if len(loud) and loud[-1] < len(window.active) - 1 and loud[0] > 0:
            heard += 1
            assert made.start + (window.first + loud[0]) * made.step == pytest.approx(112, abs=2 * made.step)
            assert made.start + (window.first + loud[-1] + 1) * made.step == pytest.approx(113, abs=2 * made.step)
    assert heard >= 4
    assert shares[-1] == 1.0


@pytest.mark.parametrize(("seconds", "windows"), [(0.0, 0), (0.03, 0), (0.5, 1), (10.5, 2)])
def test_short_recordings_are_segmented(seconds: float, windows: int, hub: Source, setup: Setup) -> None:
    fetched("pyannote-3", setup)
    chosen = choose(SEGMENTATION, "pyannote-3", setup)
    made = chosen.segment(Audio(tone(seconds)), [span(0, seconds)], lambda share: None)
    assert len(made.windows) == windows


WESPEAKER = {**SPEAKER_METADATA, "framework": "wespeaker", "normalize_samples": "0"}
WRONG_SPEAKERS = {
    "no network": (b"no network", r"ONNX Runtime cannot open it \("),
    "another maker": (PUBLISHED["campplus"], "framework='3d-speaker' instead of 'wespeaker'"),
    "no metadata": (speaker_network({}), "framework=None"),
    "another rate": (speaker_network({**WESPEAKER, "sample_rate": "8000"}), "sample_rate='8000' instead of '16000'"),
    "no size": (speaker_network({**WESPEAKER, "output_dim": "many"}), "no number output_dim"),
    "no scale": (speaker_network({**WESPEAKER, "normalize_samples": ""}), "no number normalize_samples"),
    "other bands": (
        speaker_network(WESPEAKER, bands=40),
        r"input is .* 40\] instead of tensor\(float\) \[1, any, 80\]",
    ),
    "another size": (speaker_network(WESPEAKER, size=8), r"output is .* 8\] instead of tensor\(float\) \[1, 24\]"),
    "two inputs": (speaker_network(WESPEAKER, inputs=2), "2 inputs instead of one"),
    "another slot": (PUBLISHED["pyannote-3"], "framework=None"),
}


@pytest.mark.parametrize(("content", "reason"), WRONG_SPEAKERS.values(), ids=WRONG_SPEAKERS)
def test_a_network_of_another_interface_is_refused(content: bytes, reason: str, setup: Setup, tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match=reason) as caught:
        choose(SPEAKER, f"wespeaker:{write(tmp_path, content)}", setup)
    assert caught.value.message.startswith("net.onnx is not a network for wespeaker: ")
    assert caught.value.hint == "undertone models fetch wespeaker"


@pytest.mark.parametrize(
    ("content", "reason"),
    [(segmentation_network({**SEGMENTATION_METADATA, key: "1"}), f"{key}='1'") for key in SEGMENTATION_METADATA]
    + [(segmentation_network(SEGMENTATION_METADATA, classes=8), r"8\] instead of tensor\(float\) \[any, any, 7\]")],
)
def test_a_segmentation_network_of_another_interface_is_refused(
    content: bytes, reason: str, setup: Setup, tmp_path: Path
) -> None:
    with pytest.raises(EngineUnavailable, match=reason):
        choose(SEGMENTATION, f"pyannote-3:{write(tmp_path, content)}", setup)


@pytest.mark.parametrize("name", SLOT_OF)
def test_a_file_is_named_by_a_path_with_a_folder(name: str, setup: Setup, tmp_path: Path) -> None:
    """Options of API requests contain no slash, so a client cannot name a file of the server."""
    slot = SLOTS[SLOT_OF[name]]
    assert choose(slot, f"{name}:{write(tmp_path, PUBLISHED[name])}", setup)
    with pytest.raises(InvalidRequest, match=r"named with its folder, as in \./net\.onnx"):
        choose(slot, f"{name}:net.onnx", setup)
    with pytest.raises(EngineUnavailable, match="There is no file"):
        choose(slot, f"{name}:{tmp_path}/other.onnx", setup)
