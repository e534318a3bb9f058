"""The segmentation network: a permutation-invariant loss, a matching export, and learning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; make train-setup brings it")

from services.trainer.loop import BEST, seed_everything  # noqa: E402
from services.trainer.onnx import worst_difference, write_onnx  # noqa: E402
from services.trainer.segmentation import train as training  # noqa: E402
from services.trainer.segmentation.export import OUTPUTS, sample_inputs  # noqa: E402
from services.trainer.segmentation.network import SegmentationNet  # noqa: E402
from services.trainer.segmentation.powerset import CLASS_OF, ORDERS, errors, powerset_loss, rates_of  # noqa: E402
from services.trainer.segmentation.task import SegmentationTask, evaluate_windows  # noqa: E402
from services.trainer.segmentation.window_cache import UNKNOWN, Windows  # noqa: E402
from shared.engines.features.powerset import CLASSES  # noqa: E402
from tests.trainer.segmentation.test_simulate import voices  # noqa: E402


def test_every_order_of_voices_maps_sets_to_sets() -> None:
    for row, order in enumerate(ORDERS):
        for number, members in enumerate(CLASSES):
            assert int(CLASS_OF[row, sum(1 << order[voice] for voice in members)]) == number
    assert set(CLASS_OF[:, 7].tolist() + CLASS_OF[:, UNKNOWN].tolist()) == {-100}


def test_the_loss_is_invariant_to_the_speaker_order_of_a_window_only() -> None:
    labels = torch.tensor([[0, 1, 1, 3, 2, 4]])
    confident = torch.nn.functional.one_hot(CLASS_OF[0][labels], 7).float() * 30
    assert float(powerset_loss(confident, labels)) < 1e-3
    for row in range(6):
        same = torch.nn.functional.one_hot(CLASS_OF[row][labels], 7).float() * 30
        assert float(powerset_loss(same, labels)) < 1e-3
    swapped = torch.nn.functional.one_hot(CLASS_OF[0][torch.tensor([[0, 1, 2, 3, 2, 4]])], 7).float() * 30
    assert float(powerset_loss(swapped, labels)) > 1


def test_decisions_outside_the_classes_are_ignored() -> None:
    labels = torch.tensor([[1, UNKNOWN, 7]])
    logits = torch.zeros(1, 3, 7, requires_grad=True)
    powerset_loss(logits, labels).backward()
    assert logits.grad is not None
    assert float(logits.grad[0, 0].abs().sum()) > 0
    assert float(logits.grad[0, 1:].abs().sum()) == 0


def test_errors_are_counted_under_the_best_order() -> None:
    labels = np.array([0, 0b10, 0b10, 0b11, 0b01, UNKNOWN], dtype=np.uint8)
    logits = np.eye(7, dtype=np.float32)[[1, 1, 1, 4, 1, 6]]  # a false alarm, two right, both right, one confused
    assert errors(logits, labels) == {
        "total": 5, "missed": 0, "alarmed": 1, "confused": 1, "two_right": 1, "two_said": 1, "two_true": 1,
    }  # fmt: skip
    assert rates_of(errors(logits, labels))["local_der"] == 0.4


def test_the_export_is_small_and_agrees_with_torch(tmp_path: Path) -> None:
    seed_everything(0)
    network = SegmentationNet().eval()
    assert sum(parameter.numel() for parameter in network.parameters()) <= 700_000
    write_onnx(network, next(sample_inputs()), OUTPUTS, tmp_path / "network.onnx")
    assert (tmp_path / "network.onnx").stat().st_size <= 3_000_000
    assert worst_difference(network, tmp_path / "network.onnx", sample_inputs()) <= 1e-4


def test_the_network_can_memorise_two_speakers() -> None:
    """Every part gets a gradient; four windows of two alternating sounds are learnt."""
    seed_everything(1)
    network = SegmentationNet(drop=0.0)
    sounds = torch.randn(2, 64)
    labels = torch.zeros(4, 50, dtype=torch.long)
    labels[:, 10:25], labels[:, 25:40] = 1, 2
    labels[2:, 20:30] = 3
    bits = torch.stack([(labels >> voice) & 1 for voice in (0, 1)], dim=-1).float()
    mels = (bits @ sounds).repeat_interleave(2, dim=1) + 0.1 * torch.randn(4, 100, 64)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for step in range(30):
        loss = powerset_loss(network(mels)[0], labels)
        loss.backward()
        if step == 0:
            assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
        optimizer.step()
        optimizer.zero_grad()
    assert float(loss.detach()) < 0.1
    windows = Windows(mels.numpy().astype(np.float16), labels.numpy().astype(np.uint8))
    assert evaluate_windows(network, windows)["local_der"] < 0.1


def test_batches_are_reproducible_and_contain_every_window_once() -> None:
    windows = Windows(np.zeros((70, 4, 64), np.float16), np.zeros((70, 2), np.uint8))
    task = SegmentationTask(windows, windows, 3)
    assert task.batches(1) == task.batches(1) != task.batches(2)
    assert [len(batch) for batch in task.batches(0)] == [32, 32]
    assert len({number for batch in task.batches(0) for number in batch}) == 64
    loaded = task.load(task.batches(0)[0], 0)
    assert loaded["mels"].shape == (32, 4, 64)


def test_a_run_writes_weights_and_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "read_voices", lambda data: voices(22))
    best = training.train(tmp_path, tmp_path / "run", training.recipe_of(1, epochs=1), windows=4, held_out=2)
    assert best == tmp_path / "run" / BEST
    assert best.is_file()
    assert "local_der" in (tmp_path / "run" / "metrics.json").read_text()
