"""The plots of a run, and metrics at less than full coverage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="matplotlib is not installed; make train-setup brings it")

from services.trainer.plots import coverage, draw_plots
from shared.domain.emotion import EMOTIONS, Emotion

NEUTRAL, JOY = EMOTIONS.index(Emotion.NEUTRAL), EMOTIONS.index(Emotion.JOY)


def test_coverage_reports_the_share_of_neutral() -> None:
    """The four most confident rows of five are neutral and right; the fifth is joy and wrong."""
    logits = np.zeros((5, 7))
    logits[:4, NEUTRAL], logits[4, JOY] = (9, 8, 7, 6), 1
    rows = coverage(logits, np.array([NEUTRAL] * 5))
    assert [row["accuracy"] for row in rows] == [0.8, 1, 1, 1, 1]
    assert [row["share_neutral"] for row in rows] == [0.8, 1, 1, 1, 1]
    assert {row["precision_of_the_rest"] for row in rows} == {0.0}
    assert [row["coverage"] for row in rows] == [1.0, 0.8, 0.6, 0.4, 0.2]


@pytest.mark.parametrize("rows", [1, 40])
def test_three_plots_are_drawn_for_few_and_many_rows(rows: int, tmp_path: Path) -> None:
    drawn = np.random.default_rng(rows)
    draw_plots(drawn.normal(size=(rows, 7)), drawn.integers(0, 7, rows), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"confusion.png", "reliability.png", "coverage.png"}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in tmp_path.iterdir())
