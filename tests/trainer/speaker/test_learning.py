"""The speaker encoder starts as its teacher and becomes robust to emotion for held-out speakers."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; make train-setup brings it")

from services.trainer.datasets.voices import HELD_OUT_SPEAKERS  # noqa: E402
from services.trainer.export_ge2e import BANDS, Ge2e  # noqa: E402
from services.trainer.loop import BEST, seed_everything  # noqa: E402
from services.trainer.onnx import worst_difference, write_onnx  # noqa: E402
from services.trainer.speaker import task as tasks  # noqa: E402
from services.trainer.speaker import train as training  # noqa: E402
from services.trainer.speaker.export import sample_inputs  # noqa: E402
from services.trainer.speaker.network import STATES, SpeakerNet  # noqa: E402
from services.trainer.speaker.speaker_segments import (  # noqa: E402
    READ_SPEECH,
    ROOMS,
    SEGMENT,
    SPEEDS,
    SpeakerSegments,
    cut_segments,
    encode_segments,
    far_field,
    read_segments,
    speed_perturbed,
    split,
    trim_silence,
)
from services.trainer.speaker.task import SpeakerTask, contrastive_loss, error_rates  # noqa: E402
from shared.domain.error import InvalidRequest  # noqa: E402
from shared.ports.media import SAMPLE_RATE  # noqa: E402
from tests import media_files  # noqa: E402
from tests.fakes import tone  # noqa: E402

EMOTIONS = 4


def simulated_segments(seed: int = 0) -> SpeakerSegments:
    """Simulated voices whose emotion shifts them further than the distance between two voices."""
    draw = np.random.default_rng(seed)
    states, speakers, emotions, clips, far = [], [], [], [], []
    room = draw.normal(size=2 * STATES)
    shifts = draw.normal(size=(EMOTIONS, 2 * STATES)) * 1.5
    names = [f"librispeech {number}" for number in range(24)]
    names += [f"ravdess {number:02}" for number in range(1, 21)] + [f"emodb {number}" for number in (3, 8, 12, 13)]
    for name in names:
        voice = draw.normal(size=2 * STATES)
        for clip in range(2 * EMOTIONS):
            emotion = READ_SPEECH if name.startswith("librispeech") else clip % EMOTIONS
            for segment in range(10):
                moved = voice + (shifts[emotion] if emotion != READ_SPEECH else 0) + draw.normal(size=2 * STATES) * 0.5
                states.append((moved + (room if segment >= 5 else 0)).astype(np.float32))
                speakers.append(name)
                emotions.append(emotion)
                far.append(segment >= 5)
                clips.append(len(set(speakers)) * 100 + clip * 2 + far[-1])
    return SpeakerSegments(np.stack(states), np.array(speakers), np.array(emotions), np.array(clips), np.array(far))


def test_the_initial_embeddings_equal_those_of_the_teacher() -> None:
    seed_everything(0)
    teacher = Ge2e().eval()
    mels = torch.rand(3, 60, BANDS)
    published, trained = SpeakerNet.of_teacher(teacher)(mels)[0].split(STATES, dim=1)
    assert torch.allclose(published, teacher(mels), atol=1e-6) and torch.allclose(trained, published, atol=1e-6)


def test_the_export_is_small_and_agrees_with_torch(tmp_path: Path) -> None:
    seed_everything(1)
    network = SpeakerNet().eval()
    write_onnx(network, next(sample_inputs()), {"embedding": {0: "row"}}, tmp_path / "network.onnx")
    assert (tmp_path / "network.onnx").stat().st_size <= 6_300_000
    assert worst_difference(network, tmp_path / "network.onnx", sample_inputs()) <= 1e-4


def test_held_out_speakers_are_not_in_the_training_set() -> None:
    learnt, held_out = split(simulated_segments())
    assert not set(learnt.speakers) & set(held_out.speakers)
    assert set(held_out.speakers) > HELD_OUT_SPEAKERS
    assert len({name for name in held_out.speakers if name.startswith("librispeech")}) == 3
    assert len(learnt.speakers) + len(held_out.speakers) == len(simulated_segments().speakers)


@pytest.mark.parametrize("far", [False, True])
def test_a_batch_has_every_actor_in_several_emotions(far: bool) -> None:
    learnt, held_out = split(simulated_segments())
    task = SpeakerTask(learnt, held_out, SpeakerNet(), 1)
    batch = np.array(task.batches(0)[0])
    assert task.batches(0) == task.batches(0) != task.batches(1)
    batch = batch[learnt.far[batch] == far]
    speakers, emotions = learnt.speakers[batch], learnt.emotions[batch]
    actors = [name for name in np.unique(speakers) if not name.startswith("librispeech")]
    assert len(actors) == 16 + 2, "all actors that are not held out"
    assert all(set(emotions[speakers == actor]) == set(range(EMOTIONS)) for actor in actors)


def test_the_contrastive_loss_is_small_for_separated_speakers() -> None:
    speakers = torch.tensor([0, 0, 1, 1])
    together = torch.eye(2)[speakers]
    apart = torch.eye(2)[torch.tensor([0, 1, 0, 1])]
    assert float(contrastive_loss(together, speakers)) < 0.01
    assert float(contrastive_loss(apart, speakers)) > 5


def test_training_improves_robustness_to_emotion_for_held_out_speakers() -> None:
    seed_everything(2)
    learnt, held_out = split(simulated_segments())
    network = SpeakerNet()
    before = error_rates(network, held_out)
    task = SpeakerTask(learnt, held_out, copy.deepcopy(network), 1)
    optimizer = torch.optim.AdamW(network.linear.parameters(), lr=3e-3)
    for batch in task.batches(0)[:60]:
        task.loss(network, task.load(batch, 0)).backward()
        optimizer.step()
        optimizer.zero_grad()
    after = error_rates(network, held_out)
    assert after["ravdess, across emotions"] < before["ravdess, across emotions"] / 2
    assert after["read, 4 s"] <= 0.05


def test_segments_exclude_leading_and_trailing_silence() -> None:
    silence = np.zeros(SAMPLE_RATE, np.float32)
    segments = cut_segments(trim_silence(np.concatenate([silence, tone(4), silence])))
    assert len(segments) == 4
    assert all(len(segment) == SEGMENT and np.abs(segment[:100]).max() > 0 for segment in segments)
    short = cut_segments(tone(0.5))
    assert len(short) == 1 and len(short[0]) == SEGMENT
    assert encode_segments(SpeakerNet(), segments).shape == (4, 2 * STATES)


def test_speed_perturbation_creates_another_speaker() -> None:
    made = dict(speed_perturbed("ravdess 01", tone(1.0)))
    assert len(made) == len(SPEEDS) and "ravdess 01" not in made
    assert len(made["ravdess 01 at 85 %"]) > SAMPLE_RATE > len(made["ravdess 01 at 118 %"])
    assert not list(speed_perturbed("ravdess 17", tone(1.0))), "held-out speakers are not perturbed"


def test_far_field_audio_keeps_its_length_and_adds_noise() -> None:
    sound = tone(2.0)
    reverberant = [far_field(sound, np.random.default_rng(number)) for number in range(2)]
    assert all(len(one) == len(sound) and one.dtype == np.float32 for one in reverberant)
    assert not np.allclose(reverberant[0], reverberant[1], atol=1e-3)
    assert not np.any(far_field(np.zeros(SAMPLE_RATE, np.float32), np.random.default_rng(0)))


def test_segments_cover_near_and_far_field_and_speed_perturbed_actors(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for name in ("speech/librispeech_speakers/19-1-1", "voice/ravdess/03-01-05-01-01-01-03", "voice/emodb/11a01Wa"):
        (data / name).parent.mkdir(parents=True)
        media_files.write_media(data / f"{name}.wav", media_files.tone(3.0))
    segments = read_segments(data, SpeakerNet(), tmp_path / "run" / "cuts.npz")
    for far, perturbed in ((False, len(SPEEDS)), (True, 0)):
        names = segments.speakers[segments.far == far].tolist()
        assert {"librispeech 19", "ravdess 03", "emodb 11"} <= set(names)
        assert len(set(names)) == 3 + 2 * perturbed
    clips = segments.clips[segments.speakers == "ravdess 03"]
    assert len(set(clips.tolist())) == 1 + ROOMS
    again = read_segments(tmp_path / "nowhere", SpeakerNet(), tmp_path / "run" / "cuts.npz")
    assert np.array_equal(segments.states, again.states) and np.array_equal(segments.far, again.far)


def test_missing_read_speech_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="no read speech"):
        read_segments(tmp_path, SpeakerNet(), tmp_path / "cuts.npz")


def test_a_run_ends_with_weights_and_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "read_segments", lambda *_: simulated_segments())
    monkeypatch.setattr(training, "teacher", Ge2e)
    monkeypatch.setattr(tasks, "STEPS", 2)
    best = training.train(tmp_path, tmp_path / "run", replace(training.recipe_of(1), epochs=1))
    assert best == tmp_path / "run" / BEST
    assert "across emotions" in (tmp_path / "run" / "metrics.json").read_text()
