"""The bundled networks: exports agree with torch, masks exclude values, and every part can learn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; make train-setup brings it")

from torch import nn  # noqa: E402

from services.trainer.face import export as face_export  # noqa: E402
from services.trainer.face.network import AugmentedFaceCnn, FaceCnn  # noqa: E402
from services.trainer.face.task import augmented  # noqa: E402
from services.trainer.loop import seed_everything  # noqa: E402
from services.trainer.onnx import Inputs, worst_difference, write_onnx  # noqa: E402
from services.trainer.text import export as text_export  # noqa: E402
from services.trainer.text.minilm import MiniLM  # noqa: E402
from services.trainer.voice import export as voice_export  # noqa: E402
from services.trainer.voice.network import VoiceCnn  # noqa: E402

BUNDLED: dict[str, tuple[Callable[[], nn.Module], Callable[[], Iterator[Inputs]], tuple[str, ...], int]] = {
    "text": (lambda: text_export.ServingModel(MiniLM()), text_export.sample_inputs, text_export.OUTPUTS, 23_000_000),
    "voice": (VoiceCnn, voice_export.sample_inputs, ("emotion", "embedding"), 400_000),
    "face": (lambda: AugmentedFaceCnn(FaceCnn()), face_export.sample_inputs, ("emotion", "embedding"), 1_500_000),
}


@pytest.mark.parametrize("name", BUNDLED)
def test_the_export_agrees_with_torch(name: str, tmp_path: Path) -> None:
    """64 random inputs of several batches and lengths, some of them fully masked: within 1e-4."""
    build, tries, outputs, most = BUNDLED[name]
    seed_everything(0)
    network = build().eval()
    assert sum(parameter.numel() for parameter in network.parameters()) <= most
    write_onnx(network, next(tries()), {output: {0: "row"} for output in outputs}, tmp_path / "network.onnx")
    assert worst_difference(network, tmp_path / "network.onnx", tries()) <= 1e-4


def test_masked_values_do_not_change_the_output() -> None:
    seed_everything(0)
    voice, text = VoiceCnn().eval(), MiniLM().eval()
    mels, mask = torch.randn(2, 160, 64), torch.arange(160)[None] < torch.tensor([[96], [160]])
    ids, unmasked = torch.randint(0, 30_000, (1, 12)), (torch.arange(12) < 7).long()[None]
    other = ids.clone()
    other[:, 7:] = 5
    with torch.no_grad():
        silent = mels.clone()
        silent[0, 128:] = 0  # the receptive field reaches a little beyond the mask, as in training
        assert torch.allclose(voice(mels, mask)[0][0], voice(silent, mask)[0][0], atol=1e-4)
        segment = torch.zeros_like(ids)
        assert torch.allclose(text(ids, unmasked, segment)[0], text(other, unmasked, segment)[0], atol=1e-5)


@pytest.mark.parametrize("build", [VoiceCnn, FaceCnn])
def test_every_part_learns_and_a_few_samples_are_memorised(build: type[nn.Module]) -> None:
    seed_everything(1)
    network = build(drop=0.0)
    labels = torch.arange(14) % 7
    faces = build is FaceCnn
    inputs = (torch.randn(14, 1, 48, 48),) if faces else (torch.randn(14, 64, 64), torch.ones(14, 64, dtype=torch.bool))
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for step in range(40):
        loss = nn.functional.cross_entropy(network(*inputs)[0], labels)
        loss.backward()
        if step == 0:
            assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters() if p.requires_grad)
        optimizer.step()
        optimizer.zero_grad()
    network.eval()
    with torch.no_grad():
        assert (network(*inputs)[0].argmax(1) == labels).float().mean() > 0.95


def test_a_face_and_its_mirror_image_give_the_same_output() -> None:
    seed_everything(3)
    network, faces = AugmentedFaceCnn(FaceCnn()).eval(), torch.randn(4, 1, 48, 48)
    with torch.no_grad():
        assert torch.allclose(network(faces)[0], network(faces.flip(3))[0], atol=1e-5)
        assert not torch.allclose(network.network(faces)[0], network.network(faces.flip(3))[0], atol=1e-5)


def test_a_face_is_averaged_over_five_shifts_and_their_mirror_images() -> None:
    """Shifts of two pixels in both directions; the edge pixels are repeated."""
    seed_everything(4)
    network, faces = FaceCnn().eval(), torch.randn(3, 1, 48, 48)
    wide = nn.functional.pad(faces, (2, 2, 2, 2), mode="replicate")
    corners = [(2, 2), (0, 0), (0, 4), (4, 0), (4, 4)]
    shifted = [wide[:, :, top : top + 48, left : left + 48] for top, left in corners]
    with torch.no_grad():
        found = AugmentedFaceCnn(network)(faces)
        views = [network(view) for crop in shifted for view in (crop, crop.flip(3))]
    for ours, one_by_one in zip(found, zip(*views, strict=True), strict=True):
        assert torch.allclose(ours, torch.stack(one_by_one).mean(0), atol=1e-5)


def test_augmented_faces_have_the_shape_and_range_of_images() -> None:
    seed_everything(2)
    faces = augmented(torch.rand(64, 1, 48, 48))
    assert faces.shape == (64, 1, 48, 48)
    assert float(faces.min()) >= 0 and float(faces.max()) <= 1
    assert np.isfinite(faces.numpy()).all()
