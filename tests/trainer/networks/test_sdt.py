"""SDT: evidence per modality, any combination of modalities, and relative speaker ids."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="the trainer needs the train extra")

import torch

from services.trainer.networks.contract import Targets
from services.trainer.networks.examples import PATTERNS, example, restrict
from services.trainer.networks.masking import modality_dropout
from services.trainer.networks.sdt import MODALITIES, SPEC, Sdt
from shared.domain.emotion import Modality
from shared.engines.features.network_inputs import relative_speakers
from tests.trainer.networks.tiny import TINY

CONFIG = TINY["sdt"]


def dialogues(seed: int, rows: int) -> tuple[dict[str, torch.Tensor], Targets]:
    """Dialogues of four utterances in which every modality is a noisy encoding of the emotion."""
    patterns = torch.randn(7, 31, generator=torch.Generator().manual_seed(0))
    emotion = torch.randint(7, (rows, 4), generator=torch.Generator().manual_seed(seed))
    inputs = example(SPEC, CONFIG, rows, (4,), seed=seed)
    start = 0
    for name in MODALITIES:
        width = inputs[name].shape[-1]
        inputs[name] = 2 * patterns[emotion, start : start + width] + inputs[name]
        start += width
    return inputs, Targets(emotion, emotion % 3)


def test_the_fused_output_is_no_worse_than_any_modality_for_every_pattern() -> None:
    torch.manual_seed(0)
    network = Sdt(CONFIG)
    steps = 300
    optimiser = torch.optim.Adam(network.parameters(), lr=6e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, steps)
    for step in range(steps):
        # New dialogues in each step, to avoid memorisation.
        inputs, targets = dialogues(100 + step, rows=32)
        masks = {f"{name}_mask": inputs[f"{name}_mask"] for name in MODALITIES}
        masked = inputs | modality_dropout(masks, 0.6, row_axes=2)
        optimiser.zero_grad()
        network.loss(network(**masked), targets, masked).backward()
        optimiser.step()
        schedule.step()
    network.eval()
    # A tolerance of half a point is one utterance in two hundred, so the test set has 2,400.
    held, truth = dialogues(2, rows=600)
    for pattern in PATTERNS:
        with torch.no_grad():
            outputs = network(**restrict(held, [pattern]))
        fused = float((outputs.emotion_logits.argmax(-1) == truth.emotion).float().mean())
        assert fused > 0.8, f"{sorted(pattern)}: {fused}"
        if len(pattern) == 1:
            alone = outputs.head_logits[:, :, MODALITIES.index(next(iter(pattern)))].argmax(-1)
            assert fused >= float((alone == truth.emotion).float().mean()) - 0.005


def test_with_one_modality_the_fused_output_is_that_modality() -> None:
    torch.manual_seed(0)
    network = Sdt(CONFIG).eval()
    for at, name in enumerate(MODALITIES):
        pattern = next(one for one in PATTERNS if one == {name})
        outputs = network(**restrict(example(SPEC, CONFIG, 2, (3,)), [pattern]))
        # The input of the head is the fused vector.
        torch.testing.assert_close(network.heads[name](outputs.embedding), outputs.head_logits[:, :, at])
        others = [other for other in range(3) if other != at]
        assert not outputs.head_logits[:, :, others].any(), "the logits of absent modalities are zero"


def test_an_absent_modality_does_not_contribute_to_the_loss() -> None:
    torch.manual_seed(0)
    network = Sdt(CONFIG)
    inputs, targets = dialogues(1, rows=4)
    only = restrict(inputs, [{Modality.TEXT}])
    network.loss(network(**only), targets, only).backward()
    for name in MODALITIES:
        grads = [tensor.grad for tensor in network.heads[name].parameters()]
        learns = any(grad is not None and bool(grad.any()) for grad in grads)
        assert learns == (name == "text")


def test_identity_gates_are_a_setting() -> None:
    network = Sdt(replace(CONFIG, identity_gates=True))
    names = [name for name, _ in network.named_parameters()]
    assert not any(".gate." in name for name in names)
    assert torch.isfinite(network(**example(SPEC, CONFIG, 1, (3,))).emotion_logits).all()


@pytest.mark.parametrize(
    ("speakers", "current", "ids"),
    [
        (["Ana"], 0, [0]),
        (["Ana", "Ben", "Ana", "Cem"], 0, [0, 1, 0, 2]),
        (["Ana", "Ben", "Ana", "Cem"], 3, [1, 2, 1, 0]),
        (["Ana", "Ben", "Cem", "Dee", "Eli"], 4, [3, 3, 2, 1, 0]),
    ],
)
def test_speaker_ids_are_relative_to_the_current_speaker(speakers: list[str], current: int, ids: list[int]) -> None:
    assert relative_speakers(speakers, current, count=4).tolist() == ids
