"""The speaker encoder: it begins as its teacher, moods are learnt away, and strangers stay strangers."""

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
    CUT,
    READ_SPEECH,
    ROOMS,
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

MOODS = 4


def people(seed: int = 0) -> SpeakerSegments:
    """Voices that a mood moves, all in the same way, further than one voice is from another."""
    draw = np.random.default_rng(seed)
    heard, speakers, emotions, clips, far = [], [], [], [], []
    room = draw.normal(size=2 * STATES)
    moods = draw.normal(size=(MOODS, 2 * STATES)) * 1.5
    names = [f"librispeech {number}" for number in range(24)]
    names += [f"ravdess {number:02}" for number in range(1, 21)] + [f"emodb {number}" for number in (3, 8, 12, 13)]
    for name in names:
        voice = draw.normal(size=2 * STATES)
        for clip in range(2 * MOODS):
            sentiment = READ_SPEECH if name.startswith("librispeech") else clip % MOODS
            for cut in range(10):
                moved = (
                    voice + (moods[sentiment] if sentiment != READ_SPEECH else 0) + draw.normal(size=2 * STATES) * 0.5
                )
                heard.append((moved + (room if cut >= 5 else 0)).astype(np.float32))
                speakers.append(name)
                emotions.append(sentiment)
                far.append(cut >= 5)
                clips.append(len(set(speakers)) * 100 + clip * 2 + far[-1])
    return SpeakerSegments(np.stack(heard), np.array(speakers), np.array(emotions), np.array(clips), np.array(far))


def test_it_begins_by_saying_what_its_teacher_says() -> None:
    seed_everything(0)
    teacher = Ge2e().eval()
    mels = torch.rand(3, 60, BANDS)
    assert torch.allclose(SpeakerNet.of_teacher(teacher)(mels)[0], teacher(mels), atol=1e-6)


def test_the_export_is_small_and_says_what_torch_says(tmp_path: Path) -> None:
    seed_everything(1)
    network = SpeakerNet().eval()
    write_onnx(network, next(sample_inputs()), {"embedding": {0: "row"}}, tmp_path / "network.onnx")
    assert (tmp_path / "network.onnx").stat().st_size <= 6_000_000
    assert worst_difference(network, tmp_path / "network.onnx", sample_inputs()) <= 1e-4


def test_held_out_people_are_in_no_batch() -> None:
    learnt, unheard = split(people())
    assert not set(learnt.speakers) & set(unheard.speakers)
    assert set(unheard.speakers) > HELD_OUT_SPEAKERS
    assert len({name for name in unheard.speakers if name.startswith("librispeech")}) == 3
    assert len(learnt.speakers) + len(unheard.speakers) == len(people().speakers)


@pytest.mark.parametrize("far", [False, True])
def test_a_batch_has_every_actor_in_several_moods(far: bool) -> None:
    learnt, unheard = split(people())
    task = SpeakerTask(learnt, unheard, SpeakerNet(), 1)
    batch = np.array(task.batches(0)[0])
    assert task.batches(0) == task.batches(0) != task.batches(1)
    batch = batch[learnt.far[batch] == far]
    speakers, moods = learnt.speakers[batch], learnt.emotions[batch]
    actors = [name for name in np.unique(speakers) if not name.startswith("librispeech")]
    assert len(actors) == 16 + 2, "all who are not held out: there is room for more"
    assert all(set(moods[speakers == actor]) == set(range(MOODS)) for actor in actors)


def test_the_contrast_is_least_where_speakers_lie_together() -> None:
    speakers = torch.tensor([0, 0, 1, 1])
    together = torch.eye(2)[speakers]
    apart = torch.eye(2)[torch.tensor([0, 1, 0, 1])]
    assert float(contrastive_loss(together, speakers)) < 0.01
    assert float(contrastive_loss(apart, speakers)) > 5


def test_moods_are_learnt_away_for_people_never_heard() -> None:
    seed_everything(2)
    learnt, unheard = split(people())
    network = SpeakerNet()
    before = error_rates(network, unheard)
    task = SpeakerTask(learnt, unheard, copy.deepcopy(network), 1)
    optimizer = torch.optim.AdamW(network.linear.parameters(), lr=3e-3)
    for batch in task.batches(0)[:60]:
        task.loss(network, task.load(batch, 0)).backward()
        optimizer.step()
        optimizer.zero_grad()
    after = error_rates(network, unheard)
    assert after["ravdess, across emotions"] < before["ravdess, across emotions"] / 2
    assert after["read, 4 s"] <= 0.05


def test_cuts_lie_between_the_first_and_the_last_sound() -> None:
    silence = np.zeros(SAMPLE_RATE, np.float32)
    cuts = cut_segments(trim_silence(np.concatenate([silence, tone(4), silence])))
    assert len(cuts) == 4
    assert all(len(cut) == CUT and np.abs(cut[:100]).max() > 0 for cut in cuts)
    short = cut_segments(tone(0.5))
    assert len(short) == 1 and len(short[0]) == CUT
    assert encode_segments(SpeakerNet(), cuts).shape == (4, 2 * STATES)


def test_an_actor_at_another_speed_is_somebody_else() -> None:
    made = dict(speed_perturbed("ravdess 01", tone(1.0)))
    assert len(made) == len(SPEEDS) and "ravdess 01" not in made
    assert len(made["ravdess 01 at 85 %"]) > SAMPLE_RATE > len(made["ravdess 01 at 118 %"])
    assert not list(speed_perturbed("ravdess 17", tone(1.0))), "people who are held out are in no disguise either"


def test_across_a_room_a_voice_is_as_long_and_not_alone() -> None:
    sound = tone(2.0)
    heard = [far_field(sound, np.random.default_rng(number)) for number in range(2)]
    assert all(len(one) == len(sound) and one.dtype == np.float32 for one in heard)
    assert not np.allclose(heard[0], heard[1], atol=1e-3)
    assert not np.any(far_field(np.zeros(SAMPLE_RATE, np.float32), np.random.default_rng(0)))


def test_everybody_is_heard_near_and_across_rooms_and_actors_in_disguise(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for name in ("speech/librispeech_speakers/19-1-1", "voice/ravdess/03-01-05-01-01-01-03", "voice/emodb/11a01Wa"):
        (data / name).parent.mkdir(parents=True)
        media_files.write_media(data / f"{name}.wav", media_files.tone(3.0))
    cuts = read_segments(data, SpeakerNet(), tmp_path / "run" / "cuts.npz")
    for far, disguises in ((False, len(SPEEDS)), (True, 0)):
        names = cuts.speakers[cuts.far == far].tolist()
        assert {"librispeech 19", "ravdess 03", "emodb 11"} <= set(names)
        assert len(set(names)) == 3 + 2 * disguises
    clips = cuts.clips[cuts.speakers == "ravdess 03"]
    assert len(set(clips.tolist())) == 1 + ROOMS
    again = read_segments(tmp_path / "nowhere", SpeakerNet(), tmp_path / "run" / "cuts.npz")
    assert np.array_equal(cuts.states, again.states) and np.array_equal(cuts.far, again.far)


def test_data_that_are_not_there_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="nobody reading"):
        read_segments(tmp_path, SpeakerNet(), tmp_path / "cuts.npz")


def test_a_run_ends_with_weights_and_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "read_segments", lambda *_: people())
    monkeypatch.setattr(training, "teacher", Ge2e)
    monkeypatch.setattr(tasks, "STEPS", 2)
    best = training.train(tmp_path, tmp_path / "run", replace(training.recipe_of(1), epochs=1))
    assert best == tmp_path / "run" / BEST
    assert "across emotions" in (tmp_path / "run" / "metrics.json").read_text()
