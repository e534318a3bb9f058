"""Voice training from acted clips: speaker folds, metrics, cards and export."""

from __future__ import annotations

import json
import wave
from itertools import product
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; make train-setup brings it")

from services.trainer import bundle  # noqa: E402
from services.trainer.trainable_networks import Initialization  # noqa: E402
from services.trainer.voice import export as voice_export  # noqa: E402
from services.trainer.voice.spectrogram_cache import read_spectrograms  # noqa: E402
from services.trainer.voice.train import ALL_DATA, fold_parts, recipe_of, train  # noqa: E402
from services.trainer.voice_whisper import export as head_export  # noqa: E402
from services.trainer.voice_whisper import statistics_cache  # noqa: E402
from services.trainer.voice_whisper import train as head_training  # noqa: E402
from shared.domain.error import InvalidRequest  # noqa: E402
from shared.engines.features.whisper_encoder import WhisperEncoder  # noqa: E402
from shared.engines.runtime import open_session  # noqa: E402
from shared.engines.voice_whisper import Head, VoiceWhisper  # noqa: E402
from shared.engines.weights.model_cards import Card  # noqa: E402

MICRO = Path(__file__).parents[1] / "fixtures" / "micro_whisper"
ACTORS, GERMANS = ("01", "05", "09", "13", "17"), ("03", "09", "11", "13", "14")
ACTS = {"01": 120, "05": 320}  # RAVDESS codes of neutral and angry, and the pitch of their clips
LETTERS = {"N": 110, "W": 300}  # EmoDB's


def speak(path: Path, pitch: float, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(seed)
    times = np.arange(16_000) / 16_000
    samples = np.sign(np.sin(2 * np.pi * pitch * (1 + 0.05 * draw.random()) * times)) * np.sin(2 * np.pi * 3 * times)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(
            (9000 * (samples + draw.normal(0, 0.01, len(samples)))).clip(-32_000, 32_000).astype("<i2").tobytes()
        )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for seed, (actor, act, take) in enumerate(product(ACTORS, ACTS, "12")):
        speak(folder / "voice" / "ravdess" / f"03-01-{act}-01-01-0{take}-{actor}.wav", ACTS[act], seed)
    for seed, (german, letter) in enumerate(product(GERMANS, LETTERS)):
        speak(folder / "voice" / "emodb" / f"{german}a01{letter}a.wav", LETTERS[letter], 100 + seed)
    for number in range(5):
        speak(folder / "speech" / "librispeech_speakers" / f"{number}-1-1.opus", 150 + 20 * number, 200 + number)
    return folder


def test_no_speaker_is_in_both_train_and_held_out(data: Path, tmp_path: Path) -> None:
    spectrograms = read_spectrograms(data, tmp_path / "pictures.npz")
    parts = fold_parts(spectrograms.clips)
    for name, part in parts.items():
        speakers = [{spectrograms.clips[clip].speaker for clip in clips} for clips in (part.train, part.held_out)]
        assert speakers[0].isdisjoint(speakers[1])
        assert part.held_out or name == ALL_DATA
    assert len(parts[ALL_DATA].train) == len(spectrograms.clips)


def test_a_run_writes_metrics_and_an_export_for_serving(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, recipe = tmp_path / "run", recipe_of(seed=1, epochs=1)
    best = train(data, run, recipe)
    metrics = json.loads((run / "metrics.json").read_text())
    assert set(metrics["five folds, telephone"]) == {"ravdess", "emodb"}
    written = best.stat().st_mtime_ns
    assert train(data, run, recipe) == best
    assert best.stat().st_mtime_ns == written, "a finished run is not trained again"
    again = train(data, tmp_path / "again", recipe)
    one, two = (torch.load(path, weights_only=True) for path in (best, again))
    assert all(torch.equal(one[name], two[name]) for name in one)

    for module in (bundle, voice_export):
        monkeypatch.setattr(module, "BUNDLED", tmp_path)
    exported = voice_export.export(run, data)
    for name, clips, commercial in (("voice_cnn", 30, False), ("voice_cnn_emodb", 10, True)):
        card = Card.model_validate_json((tmp_path / f"{name}.json").read_text())
        assert card.commercial_use is commercial
        assert sum(card.metrics[f"{who}, all folds"]["n"] for who in ("women", "men")) == clips
        assert card.metrics["all folds together"]["n"] == clips
        assert exported[name]["export_max_abs_difference"] <= 1e-4
        assert open_session(tmp_path / card.file, 1).get_outputs()[0].shape[1] == 7


def test_a_head_on_whisper_learns_two_moods_and_is_exported_for_serving(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics_cache, "LAYERS", 2)  # the micro-Whisper has no more
    run, recipe, whisper = tmp_path / "run", head_training.recipe_of(seed=1, epochs=6), Initialization(MICRO)
    best = head_training.train(data, run, recipe, whisper)
    metrics = json.loads((run / "metrics.json").read_text())
    assert set(metrics["five folds, telephone"]) == {"ravdess", "emodb"}
    assert metrics["five folds, as it is"]["ravdess"] > 0.8, "the pitch of the clips tells the two moods apart"
    written = Head.read(best)
    assert np.array_equal(Head.read(head_training.train(data, run, recipe, whisper)).weight, written.weight)

    for module in (bundle, head_export):
        monkeypatch.setattr(module, "BUNDLED", tmp_path)
    head_export.export(run, data)
    for name, clips, commercial in (("voice_whisper", 30, False), ("voice_whisper_emodb", 10, True)):
        card = Card.model_validate_json((tmp_path / f"{name}.json").read_text())
        assert card.commercial_use is commercial
        assert card.metrics["all folds together"]["n"] == clips
        head = Head.read(tmp_path / card.file)
        engine = VoiceWhisper(WhisperEncoder.load(MICRO / "model.bin", head.layers), head, card, "micro", 1)
        assert engine.encode([], lambda _: None).logits.shape == (0, 7)


def test_whisper_is_not_trained(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="freeze"):
        head_training.train(data, tmp_path, head_training.recipe_of(1), Initialization(MICRO, ("mix",)))
