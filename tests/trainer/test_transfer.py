"""Initial weights from another run, and frozen parameters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; make train-setup brings it")

from torch import Tensor, nn  # noqa: E402

from services.trainer.face.network import FaceCnn  # noqa: E402
from services.trainer.loop import Recipe, fit, seed_everything  # noqa: E402
from services.trainer.networks.contract import Targets, load  # noqa: E402
from services.trainer.networks.examples import example  # noqa: E402
from services.trainer.trainable_networks import OWN_START, Initialization, train  # noqa: E402
from services.trainer.transfer import freeze, freeze_statistics, start_from  # noqa: E402
from shared.domain.emotion import EMOTIONS  # noqa: E402
from shared.domain.error import InvalidRequest  # noqa: E402
from tests.trainer.networks.tiny import TINY, build  # noqa: E402

SPEC = load("late-fusion")


class Noise:
    """Random inputs and labels, which change every trainable parameter."""

    def batches(self, epoch: int) -> list[int]:
        return [0, 1, 2]

    def load(self, batch: int, epoch: int) -> dict[str, Tensor]:
        return example(SPEC, TINY["late-fusion"], batch=6, seed=batch)

    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        labels = torch.arange(6)
        loss: Tensor = network.loss(network(**batch), Targets(labels, labels % 3), batch)
        return loss

    def evaluate(self, network: nn.Module) -> tuple[float, dict[str, float]]:
        return 0.0, {}


def moved(folder: Path, *patterns: str) -> set[str]:
    """The tensors, including running statistics, that two epochs of training change."""
    seed_everything(0)
    network = build("late-fusion")
    freeze(network, patterns)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    fit(network, [{"params": learning, "lr": 0.01, "weight_decay": 0.1}], Noise(), Recipe(epochs=2), folder)
    return {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}


def test_frozen_parameters_and_statistics_do_not_change_in_training(tmp_path: Path) -> None:
    free = moved(tmp_path / "free")
    assert {"voice.first.norm.running_mean", "voice.first.norm.running_var", "voice.first.conv.weight"} <= free
    held = moved(tmp_path / "held", "voice", "heads.emo*")
    assert held == {name for name in free if not name.startswith(("voice.", "heads.emotion."))}
    assert "norm.running_mean" in held


def test_frozen_modules_stay_in_evaluation_mode() -> None:
    network = SPEC.build(replace(TINY["late-fusion"], branch_dropout=0.5))
    freeze(network, ["face", "voice.*.norm"])
    network.train()
    freeze_statistics(network)
    assert not network.face.training and not network.face[2].training
    assert not network.voice.first.norm.training and network.voice.first.conv.training
    assert network.training and network.voice.project.training


def test_a_pattern_that_matches_nothing_or_everything_is_rejected() -> None:
    with pytest.raises(InvalidRequest, match="matches 'vioce'"):
        freeze(build("late-fusion"), ["vioce"])
    with pytest.raises(InvalidRequest, match="nothing to train"):
        freeze(build("late-fusion"), ["*"])


@pytest.mark.parametrize("kind", ["run", "weights", "checkpoint"])
def test_matching_tensors_are_transferred(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    source, path = build("late-fusion"), tmp_path / "best.pt"
    kept = source.state_dict()
    torch.save({"averaged": kept, "state": {}} if kind == "checkpoint" else kept, path)
    network = SPEC.build(replace(TINY["late-fusion"], text_width=5))
    taken = start_from(network, tmp_path if kind == "run" else path)
    assert taken.left == ("text.weight",), "the text features have another width"
    assert all(torch.equal(network.state_dict()[name], kept[name]) for name in taken.taken)
    assert set(taken.taken) | set(taken.left) == set(kept)


def test_a_bundled_network_starts_from_another_run_and_keeps_frozen_parameters(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    (tmp_path / "face").mkdir()
    for part, count in (("train", 130), ("dev", 14)):
        images = draw.integers(0, 255, (count, 48, 48), dtype=np.uint8)
        np.savez(
            tmp_path / "face" / f"fer2013_{part}.npz", images=images, labels=np.arange(count) % 7, label_names=EMOTIONS
        )
    source = FaceCnn().state_dict()
    torch.save(source, tmp_path / "best.pt")
    start = Initialization(tmp_path / "best.pt", ("stem", "blocks"))
    learnt = torch.load(train("face", tmp_path, tmp_path / "run", 1, 1, start=start), weights_only=True)
    assert {name for name in source if not torch.equal(source[name], learnt[name])} == {
        "emotion.weight",
        "emotion.bias",
    }


@pytest.mark.parametrize("name", OWN_START)
def test_a_network_with_its_own_start_rejects_initial_weights(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="accepts neither"):
        train(name, tmp_path, tmp_path / "run", 1, 1, start=Initialization(freeze=("linear",)))


def test_weights_of_another_architecture_are_rejected(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "best.pt")
    with pytest.raises(InvalidRequest, match="No tensor"):
        start_from(build("late-fusion"), tmp_path)
    with pytest.raises(InvalidRequest, match="There are no weights"):
        start_from(build("late-fusion"), tmp_path / "nowhere")
