"""The contract of every network: shapes, gradients, learning, masks, and an export that agrees with torch."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the trainer needs the train extra")

import torch  # after importorskip

from services.trainer.export import export, parity
from services.trainer.networks.contract import Network, NetworkSpec, Targets, load
from services.trainer.networks.examples import PATTERNS, example, restrict
from services.trainer.networks.losses import UNLABELLED
from shared.domain.emotion import Modality
from tests.trainer.networks.tiny import TINY, build, update_statistics


@pytest.fixture(params=TINY)
def spec(request: pytest.FixtureRequest) -> NetworkSpec:
    return load(request.param)


@pytest.fixture
def network(spec: NetworkSpec) -> Network:
    torch.manual_seed(7)
    return build(spec.name)


def samples(spec: NetworkSpec, count: int) -> tuple[dict[str, torch.Tensor], Targets]:
    """The given number of utterances with random inputs and labels; rows cycle through the availability patterns."""
    dialogues = spec.kind == "dialogue"
    rows = count // 4 if dialogues else count
    shape = (rows, 4) if dialogues else (rows,)
    inputs = restrict(example(spec, TINY[spec.name], rows, (4,) if dialogues else (3, 1, 2), seed=3), patterns(spec))
    generator = torch.Generator().manual_seed(4)
    return inputs, Targets(torch.randint(7, shape, generator=generator), torch.randint(3, shape, generator=generator))


def patterns(spec: NetworkSpec) -> list[frozenset[Modality]]:
    """The patterns with at least one modality of the network."""
    return [pattern for pattern in PATTERNS if pattern & set(spec.modalities)]


def leading(spec: NetworkSpec, inputs: dict[str, torch.Tensor]) -> tuple[int, ...]:
    first = inputs[f"{spec.modalities[0]}_mask"]
    return tuple(first.shape[: spec.row_axes])


def test_outputs_have_the_shapes_of_the_contract(spec: NetworkSpec, network: Network) -> None:
    inputs = example(spec, TINY[spec.name], 3, (4, 2, 1))
    outputs = network(**inputs)
    rows = leading(spec, inputs)
    assert outputs._fields == spec.outputs and spec.outputs[:3] == ("emotion_logits", "sentiment_logits", "embedding")
    assert outputs.emotion_logits.shape == (*rows, 7)
    assert outputs.sentiment_logits.shape == (*rows, 3)
    assert outputs.embedding.shape[:-1] == rows
    # Logits are not normalised.
    assert not torch.allclose(outputs.emotion_logits.sum(-1), torch.ones(rows))


def test_every_trainable_tensor_gets_a_gradient(spec: NetworkSpec, network: Network) -> None:
    inputs, targets = samples(spec, 32)
    network.train()
    network.loss(network(**inputs), targets, inputs).backward()
    without = [
        name
        for name, tensor in network.named_parameters()
        if tensor.requires_grad and (tensor.grad is None or not tensor.grad.abs().max() > 1e-9)
    ]
    assert not without


def test_overfits_32_samples(spec: NetworkSpec, network: Network) -> None:
    inputs, targets = samples(spec, 32)
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    accuracy = 0.0
    for step in range(400):
        network.train()
        optimiser.zero_grad()
        network.loss(network(**inputs), targets, inputs).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        if step % 20 == 19:
            network.eval()
            with torch.no_grad():
                predicted = network(**inputs).emotion_logits.argmax(-1)
            accuracy = float((predicted == targets.emotion).float().mean())
            if accuracy > 0.95:
                break
    assert accuracy > 0.95


@pytest.mark.parametrize("training", [False, True], ids=["evaluating", "training"])
def test_a_masked_modality_cannot_change_the_output(spec: NetworkSpec, network: Network, training: bool) -> None:
    whole = example(spec, TINY[spec.name], 3, (5, 2, 3), seed=1)
    noise = example(spec, TINY[spec.name], 3, (5, 2, 3), seed=2)
    network.train(training)
    for pattern in [*PATTERNS, frozenset[Modality]()]:
        inputs = restrict(whole, [pattern])
        noisy = {name: _add_noise(values, noise[name], inputs.get(f"{name}_mask")) for name, values in inputs.items()}
        with torch.no_grad():
            expected, found = network(**inputs), network(**noisy)
        for one, other in zip(expected, found, strict=True):
            assert torch.isfinite(one).all()
            assert torch.equal(one, other)


def test_padding_steps_cannot_change_the_output(spec: NetworkSpec, network: Network) -> None:
    network.eval()
    inputs = example(spec, TINY[spec.name], 3, (5, 2, 3), seed=1)
    noise = example(spec, TINY[spec.name], 3, (5, 2, 3), seed=2)
    noisy = {name: _add_noise(values, noise[name], inputs.get(f"{name}_mask")) for name, values in inputs.items()}
    with torch.no_grad():
        for one, other in zip(network(**inputs), network(**noisy), strict=True):
            assert torch.equal(one, other)


def test_a_row_does_not_depend_on_the_other_rows(spec: NetworkSpec, network: Network) -> None:
    network.eval()
    inputs = example(spec, TINY[spec.name], 3, (5, 2, 3), seed=1)
    with torch.no_grad():
        together, alone = network(**inputs), network(**{name: values[:1] for name, values in inputs.items()})
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one[:1], other, atol=1e-5, rtol=1e-5)


def test_a_missing_label_does_not_contribute_to_the_loss(spec: NetworkSpec, network: Network) -> None:
    inputs, targets = samples(spec, 32)
    unknown = Targets(targets.emotion, torch.full_like(targets.sentiment, UNLABELLED))
    outputs = network(**inputs)
    less, more = network.loss(outputs, unknown, inputs), network.loss(outputs, targets, inputs)
    assert torch.isfinite(less) and less < more


def test_no_tensor_is_created_on_another_device(spec: NetworkSpec, network: Network) -> None:
    """The meta device rejects tensors of another device, as a GPU does."""
    network.to("meta").train()
    inputs = {name: values.to("meta") for name, values in example(spec, TINY[spec.name], 3, (3, 2)).items()}
    outputs = network(**inputs)
    labels = torch.zeros(outputs.emotion_logits.shape[:-1], dtype=torch.long, device="meta")
    network.loss(outputs, Targets(labels, labels), inputs).backward()
    assert outputs.embedding.is_meta


def test_the_export_agrees_with_torch(spec: NetworkSpec, network: Network, tmp_path: Path) -> None:
    inputs, _ = samples(spec, 32)
    update_statistics(network, inputs)
    export(network, spec, tmp_path / "network.onnx")
    assert parity(network, spec, tmp_path / "network.onnx") <= 1e-4


def _add_noise(values: torch.Tensor, noise: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Replaces the masked values by noise and NaN."""
    if mask is None:
        return values
    # A mask covers the leading axes, except for mels, whose frames are the last axis.
    shape = list(mask.shape) + [1] * (values.dim() - mask.dim())
    if values.shape[: mask.dim()] != mask.shape:
        shape = [mask.shape[0], *[1] * (values.dim() - mask.dim()), *mask.shape[1:]]
    replacement = noise.clone()
    replacement[..., 0] = torch.nan
    return torch.where(mask.view(shape), values, replacement)
