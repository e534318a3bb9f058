"""Every multimodal network is trained by name on a folder of clips and served from its run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; make train-setup brings it")

from torch import Tensor  # noqa: E402

from services.trainer.clips.corpus import Corpus  # noqa: E402
from services.trainer.clips.recipes import fitted  # noqa: E402
from services.trainer.clips.task import ClipTask  # noqa: E402
from services.trainer.clips.train import RUN, train  # noqa: E402
from services.trainer.loop import Recipe  # noqa: E402
from services.trainer.networks.contract import REGISTRY, Network, load  # noqa: E402
from services.trainer.trainable_networks import CLIP_NETWORKS, ClipOptions, export  # noqa: E402
from shared.domain.emotion import EMOTIONS, Emotion, EmotionReading, Modality, ModalityStatus  # noqa: E402
from shared.domain.error import InvalidRequest  # noqa: E402
from shared.engines.catalog import ENCODERS, FUSION, Setup, choose  # noqa: E402
from shared.engines.features.network_inputs import InputSpec  # noqa: E402
from shared.engines.fusion_loglinear import LogLinearFusion, vector  # noqa: E402
from shared.engines.fusion_network import NetworkFusion, posterior  # noqa: E402
from shared.engines.settings import EngineSettings, MediaSettings  # noqa: E402
from shared.engines.weights.model_cards import load_card  # noqa: E402
from shared.pipeline.emotion_reader import EncodeThenFuse  # noqa: E402
from shared.ports.engines import Encoding, UtteranceClip  # noqa: E402
from tests.trainer.clips.clip_files import CLIPS, as_served, make_clips  # noqa: E402
from tests.trainer.networks.tiny import TINY  # noqa: E402

SETUP = Setup(EngineSettings(threads=1, models_dir=Path("none")), MediaSettings())  # without fetched weights
RECIPE = Recipe(seed=1, epochs=2, average=0.5, save_every=1)
OPTIONS = ClipOptions(layout="csv", engines={"faces": "cascade"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder shared by all tests of this module: the clips are made and processed once."""
    folder = tmp_path_factory.mktemp("clips")
    make_clips(folder / "data")
    return folder


def learn(name: str, folder: Path, run: str) -> Path:
    """Trains a run once per module."""
    if not (folder / run / "card.json").is_file():
        train(name, folder / "data", folder / run, RECIPE, OPTIONS, base=as_served(name, TINY[name]))
    return folder / run


def conversation(name: str, folder: Path) -> tuple[list[UtteranceClip], list[Encoding]]:
    corpus = Corpus.read(name, folder / "data", folder / "clips", "csv", OPTIONS.engines)
    clips = [corpus.perceive(clip, index) for index, clip in enumerate(corpus.clips)]
    encoders = {modality: choose(ENCODERS[modality], None, SETUP) for modality in Modality}
    return clips, [encoder.encode(clips, lambda _: None) for encoder in encoders.values()]


def trained_network(run: Path) -> Network:
    run_config = json.loads((run / RUN).read_text())
    spec = load(run_config["name"])
    network = spec.build(type(spec.config)(**run_config["config"]))
    network.load_state_dict(torch.load(run / "best.pt", weights_only=True))
    network.eval()
    return network


def scores(readings: Sequence[EmotionReading]) -> np.ndarray:
    return np.array([[reading.scores[emotion] for emotion in EMOTIONS] for reading in readings])


def by_torch(run: Path, plan: InputSpec, clips: list[UtteranceClip], encodings: list[Encoding]) -> np.ndarray:
    """The scores of the run's weights in torch, with the engine's input specification."""
    inputs = [plan.inputs_of(clip, encodings, row) for row, clip in enumerate(clips)]
    speakers = [clip.utterance.speaker for clip in clips]
    rows = ([inputs], [speakers]) if plan.dialogue else ([[one] for one in inputs], [[one] for one in speakers])
    tensors = {name: torch.from_numpy(values) for name, values in plan.batch(*rows).items()}
    with torch.no_grad():
        logits = trained_network(run)(**tensors)[0].reshape(-1, 7).numpy()
    own, fallback = load_card("card", run).calibration, LogLinearFusion.load(None, SETUP)
    learnt = np.array([emotion not in own.cannot_emit for emotion in EMOTIONS])
    network = [posterior(row, own.temperature, vector(own.prior, EMOTIONS), fallback.prior, learnt) for row in logits]
    alone = scores(fallback.fuse(encodings, absent=dict.fromkeys(Modality), conversation=clips))
    return np.array([one if available else other for one, other, available in zip(network, alone, inputs, strict=True)])


def test_the_catalog_lists_every_registered_network() -> None:
    assert set(CLIP_NETWORKS) == set(REGISTRY)


@pytest.mark.parametrize("name", CLIP_NETWORKS)
def test_a_network_is_trained_by_name_and_served_from_its_run(name: str, folder: Path) -> None:
    run = learn(name, folder, name)
    card, metrics = load_card("card", run), json.loads((run / "metrics.json").read_text())
    assert (card.name, card.slot, card.commercial_use) == (name, "fusion", False)
    assert set(card.calibration.cannot_emit) == set(EMOTIONS) - {clip[1] for clip in CLIPS if clip[4] == "train"}
    assert metrics["dev"]["n"] == 3 and metrics["test"]["n"] == 1 and len(metrics["dev"]["per_class"]) == 7
    assert len(metrics["patterns"]) == (3 if name == "av-transformer" else 7)
    assert metrics["patterns"]["voice+face"]["n"] == 1
    assert metrics["broken_clips"] == {"decode_failed": 1}
    for picture in ("confusion", "reliability", "coverage"):
        assert (run / f"{picture}.png").read_bytes().startswith(b"\x89PNG")

    fusion = choose(FUSION, f"network:{run}", SETUP)
    assert isinstance(fusion, NetworkFusion)
    clips, encodings = conversation(name, folder)
    for hidden in (None, *Modality):
        shown = [encoding for encoding in encodings if encoding.modality is not hidden]
        readings = fusion.fuse(shown, absent=dict.fromkeys(Modality), conversation=clips)
        np.testing.assert_allclose(scores(readings), by_torch(run, fusion._plan, clips, shown), atol=1e-4)
        if hidden is not None:
            assert {reading.modalities[hidden].status for reading in readings} == {ModalityStatus.OFF}
    whole = scores(fusion.fuse(encodings, absent={}, conversation=clips))
    alone = scores(LogLinearFusion.load(None, SETUP).fuse(encodings, absent={}, conversation=clips))
    assert np.abs(whole - alone).max() > 1e-3, "the scores come from the network, not from the fallback fusion"


def test_the_clips_cover_available_and_missing_modalities(folder: Path) -> None:
    """The other tests rely on this: videos have a face, audio has a voice, and a broken file has neither."""
    _, encodings = conversation("late-fusion", folder)
    available = {encoding.modality: [reason is None for reason in encoding.unavailable] for encoding in encodings}
    kinds = [clip[0] for clip in CLIPS]
    assert available[Modality.FACE] == [kind == "film" for kind in kinds]
    assert available[Modality.VOICE] == [kind != "broken" for kind in kinds]
    assert available[Modality.TEXT] == [bool(clip[5]) for clip in CLIPS]


def test_labels_match_their_clips_when_dialogues_are_interleaved(folder: Path, tmp_path: Path) -> None:
    lines = (folder / "data" / "clips.csv").read_text().splitlines()
    mixed = [lines[0], *lines[1::2], *lines[2::2]]
    (tmp_path / "clips.csv").write_text("\n".join(mixed).replace("\n", f"\n{folder}/data/") + "\n")
    corpus = Corpus.read("m2fnet", tmp_path, folder / "clips", "csv", OPTIONS.engines)
    spec = load("m2fnet")
    data = corpus.training_data(spec, fitted("m2fnet", TINY["m2fnet"], corpus.engine_output_specs(), corpus.labels))
    assert [len(row) for row in data.inputs.dialogues] == [3, 3, 3, 1]
    for row in data.inputs.rows("train", dialogue=True):
        tensors, targets = data.tensors([row]), data.targets([row])
        turns = [corpus.perceive(data.inputs.clips[number], 0) for number in row]
        read = corpus.encoders[Modality.TEXT].encode(turns, lambda _: None)
        known = np.array([reason is None for reason in read.unavailable])[:, None]
        wanted = known * np.concatenate([read.logits / read.calibration.temperature, read.features], axis=1)
        for at, number in enumerate(row):
            clip = data.inputs.clips[number]
            _, label, speaker, dialogue, _, text = CLIPS[int(clip.path.stem)]
            assert (clip.speaker, clip.dialogue, clip.text) == (speaker, dialogue, text)
            assert targets.emotion[0, at] == EMOTIONS.index(Emotion(label))
            np.testing.assert_allclose(tensors["text"][0, at].numpy(), wanted[at], atol=1e-5)


class Killed(Exception):  # a signal, not an error
    pass


@pytest.mark.parametrize("name", ["late-fusion", "m2fnet"])
def test_a_killed_run_resumes_from_its_checkpoint(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unbroken = torch.load(learn(name, folder, name) / "best.pt", weights_only=True)
    load_batch, calls = ClipTask.load, iter(range(100))

    def load_or_die(task: ClipTask, batch: list[range], epoch: int) -> dict[str, Tensor]:
        if next(calls) == 1:
            raise Killed
        return load_batch(task, batch, epoch)

    monkeypatch.setattr(ClipTask, "load", load_or_die)
    with pytest.raises(Killed):
        learn(name, folder, f"{name} broken")
    monkeypatch.undo()
    again = torch.load(learn(name, folder, f"{name} broken") / "best.pt", weights_only=True)
    assert all(torch.equal(again[tensor], unbroken[tensor]) for tensor in unbroken)


def test_a_run_is_served_without_torch(folder: Path) -> None:
    run = learn("m2fnet", folder, "m2fnet")
    script = (
        "import sys; from shared.engines.catalog import FUSION, Setup, choose; "
        "from shared.engines.settings import EngineSettings, MediaSettings; "
        f"print(choose(FUSION, 'network:{run}', Setup(EngineSettings(threads=1), MediaSettings())).name); "
        "assert not {'torch', 'services'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "network:m2fnet\n"


def test_the_pipeline_reader_uses_the_run(folder: Path) -> None:
    run = learn("late-fusion", folder, "late-fusion")
    clips, encodings = conversation("late-fusion", folder)
    encoders = {modality: choose(ENCODERS[modality], None, SETUP) for modality in Modality}
    fusion = choose(FUSION, f"network:{run}", SETUP)
    reader = EncodeThenFuse(encoders, fusion, {})
    read = reader.read(clips, lambda _: None)
    assert scores(read).tolist() == scores(fusion.fuse(encodings, absent={}, conversation=clips)).tolist()
    assert reader.name.startswith("network:late-fusion(text=")


def test_a_run_is_exported_by_name(folder: Path) -> None:
    run = learn("late-fusion", folder, "late-fusion")
    assert export("late-fusion", folder / "data", run) == json.loads((run / "metrics.json").read_text())


def test_a_run_of_another_network_is_not_overwritten(folder: Path) -> None:
    run = learn("m2fnet", folder, "m2fnet")
    with pytest.raises(InvalidRequest, match="started with another network"):
        train("sdt", folder / "data", run, RECIPE, OPTIONS, base=as_served("sdt", TINY["sdt"]))
    assert load_card("card", run).name == "m2fnet"
