"""The training loop: the same figures for the same seed, and no step lost or done twice by a kill."""

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
    """What a kill would do, at a step of the test's choosing."""


class Line:
    """Learn y = 2x from noisy batches; may be killed in the middle of an epoch."""

    def __init__(self, killed_at: int | None = None, figures: tuple[float, ...] = ()) -> None:
        self.steps, self.killed_at, self.figures, self.judged = 0, killed_at, figures, 0

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
        self.judged += 1
        figure = self.figures[self.judged - 1] if self.figures else float(self.judged)
        return figure, {"figure": figure}


def run(task: Line, folder: Path, recipe: Recipe = RECIPE) -> dict[str, Any]:
    seed_everything(recipe.seed)
    network = nn.Linear(1, 1)
    best = fit(network, [{"params": [*network.parameters()], "lr": 0.05}], task, recipe, folder)
    assert best == folder / BEST
    kept: dict[str, Any] = torch.load(best, weights_only=True)
    return kept


def test_the_same_seed_gives_the_same_weights_and_another_others(tmp_path: Path) -> None:
    one, two = run(Line(), tmp_path / "one"), run(Line(), tmp_path / "two")
    assert torch.equal(one["weight"], two["weight"])
    other = run(Line(), tmp_path / "other", replace(RECIPE, seed=4))
    assert not torch.equal(one["weight"], other["weight"])


@pytest.mark.parametrize("killed_at", [0, 5, 9, 13])
def test_a_killed_run_ends_where_an_unbroken_one_does(tmp_path: Path, killed_at: int) -> None:
    whole = run(Line(), tmp_path / "whole")
    with pytest.raises(Killed):
        run(Line(killed_at), tmp_path / "broken")
    again = Line()
    assert torch.equal(run(again, tmp_path / "broken")["weight"], whole["weight"])
    assert again.steps == 21 - killed_at // 7 * 7 - killed_at % 7 // 2 * 2, "only what was not kept is done again"


def test_a_finished_run_does_nothing_more(tmp_path: Path) -> None:
    run(Line(), tmp_path)
    again = Line()
    run(again, tmp_path)
    assert (again.steps, again.judged) == (0, 0)


def test_it_stops_when_nothing_gets_better_and_keeps_the_best(tmp_path: Path) -> None:
    task = Line(figures=(0.5, 0.4, 0.3, 0.9))
    run(task, tmp_path, replace(RECIPE, epochs=9, patience=2))
    assert task.judged == 3
    first = run(Line(figures=(0.5,)), tmp_path / "first", replace(RECIPE, epochs=1))
    assert (tmp_path / BEST).is_file()
    assert first.keys() == {"weight", "bias"}


def test_the_last_is_kept_where_no_choice_may_look_at_the_held_out(tmp_path: Path) -> None:
    best = run(Line(figures=(0.9, 0.1, 0.2)), tmp_path / "best")
    last = run(Line(figures=(0.9, 0.1, 0.2)), tmp_path / "last", replace(RECIPE, keep="last"))
    assert not torch.equal(best["weight"], last["weight"])


def test_half_precision_is_for_processors_that_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(Line(), tmp_path / "whole")["weight"]
    found = {}
    for has in (False, True):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda has=has: {"avx512_bf16": has})
        found[has] = run(Line(), tmp_path / f"{has}", replace(RECIPE, half=True))["weight"]
    assert torch.equal(found[False], whole)
    assert not torch.equal(found[True], whole) and torch.allclose(found[True], whole, atol=0.05)
    assert found[True].dtype == torch.float32, "the weights themselves stay whole"
