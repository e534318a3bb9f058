"""The training loop: reproducible by seed, and no step is lost or repeated after a kill."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; make train-setup brings it")

from torch import Tensor, nn  # noqa: E402

from services.trainer.loop import BEST, Recipe, fit, seed_everything  # noqa: E402

RECIPE = Recipe(seed=3, epochs=3, save_every=2, average=0.9, patience=10)


class Killed(Exception):  # a signal, not an error
    """Simulates a kill at a chosen step."""


class LineTask:
    """Learns y = 2x from noisy batches; may be killed in the middle of an epoch."""

    def __init__(self, killed_at: int | None = None, scores: tuple[float, ...] = ()) -> None:
        self.steps, self.killed_at, self.scores, self.evaluations = 0, killed_at, scores, 0

    def batches(self, epoch: int) -> list[int]:
        return list(range(epoch * 100, epoch * 100 + 7))

    def load(self, batch: int, epoch: int) -> dict[str, Tensor]:
        if self.steps == self.killed_at:
            raise Killed
        self.steps += 1
        x = torch.randn(8, 1) + batch
        return {"x": x, "y": 2 * x}

    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        return ((network(batch["x"]) - batch["y"]) ** 2).mean() / 1e4

    def evaluate(self, network: nn.Module) -> tuple[float, dict[str, float]]:
        self.evaluations += 1
        score = self.scores[self.evaluations - 1] if self.scores else float(self.evaluations)
        return score, {"score": score}


def run(task: LineTask, folder: Path, recipe: Recipe = RECIPE) -> dict[str, Any]:
    seed_everything(recipe.seed)
    network = nn.Linear(1, 1)
    best = fit(network, [{"params": [*network.parameters()], "lr": 0.05}], task, recipe, folder)
    assert best == folder / BEST
    kept: dict[str, Any] = torch.load(best, weights_only=True)
    return kept


def test_weights_depend_on_the_seed_only(tmp_path: Path) -> None:
    one, two = run(LineTask(), tmp_path / "one"), run(LineTask(), tmp_path / "two")
    assert torch.equal(one["weight"], two["weight"])
    other = run(LineTask(), tmp_path / "other", replace(RECIPE, seed=4))
    assert not torch.equal(one["weight"], other["weight"])


@pytest.mark.parametrize("killed_at", [0, 5, 9, 13])
def test_a_killed_run_gives_the_same_weights_as_an_uninterrupted_one(tmp_path: Path, killed_at: int) -> None:
    whole = run(LineTask(), tmp_path / "whole")
    with pytest.raises(Killed):
        run(LineTask(killed_at), tmp_path / "broken")
    again = LineTask()
    assert torch.equal(run(again, tmp_path / "broken")["weight"], whole["weight"])
    assert again.steps == 21 - killed_at // 7 * 7 - killed_at % 7 // 2 * 2, (
        "only steps after the checkpoint are repeated"
    )


def test_a_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    run(LineTask(), tmp_path)
    again = LineTask()
    run(again, tmp_path)
    assert (again.steps, again.evaluations) == (0, 0)


def test_training_stops_early_and_keeps_the_best_weights(tmp_path: Path) -> None:
    task = LineTask(scores=(0.5, 0.4, 0.3, 0.9))
    run(task, tmp_path, replace(RECIPE, epochs=9, patience=2))
    assert task.evaluations == 3
    first = run(LineTask(scores=(0.5,)), tmp_path / "first", replace(RECIPE, epochs=1))
    assert (tmp_path / BEST).is_file()
    assert first.keys() == {"weight", "bias"}


def test_keep_last_ignores_the_metric(tmp_path: Path) -> None:
    best = run(LineTask(scores=(0.9, 0.1, 0.2)), tmp_path / "best")
    last = run(LineTask(scores=(0.9, 0.1, 0.2)), tmp_path / "last", replace(RECIPE, keep="last"))
    assert not torch.equal(best["weight"], last["weight"])


def test_half_precision_requires_hardware_support(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(LineTask(), tmp_path / "whole")["weight"]
    found = {}
    for has in (False, True):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda has=has: {"avx512_bf16": has})
        found[has] = run(LineTask(), tmp_path / f"{has}", replace(RECIPE, half=True))["weight"]
    assert torch.equal(found[False], whole)
    assert not torch.equal(found[True], whole) and torch.allclose(found[True], whole, atol=0.05)
    assert found[True].dtype == torch.float32, "the weights stay in full precision"
