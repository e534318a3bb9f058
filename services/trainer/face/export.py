"""Exports the trained face network to the bundle: ONNX, calibration and card."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from services.trainer.bundle import fit_temperature, write_card
from services.trainer.face.network import AugmentedFaceCnn, FaceCnn
from services.trainer.face.task import FaceTask, face_logits
from services.trainer.labels import prior_of
from services.trainer.metrics import classification_metrics
from services.trainer.onnx import Inputs, worst_difference, write_onnx
from services.trainer.plots import draw_plots
from shared.domain.emotion import EMOTIONS
from shared.engines.weights.model_cards import BUNDLED
from shared.ports.engines import Calibration

NAME = "face_cnn"


def export(run: Path, data: Path) -> dict[str, Any]:
    learnt = FaceCnn()
    learnt.load_state_dict(torch.load(run / "best.pt", weights_only=True))
    network = AugmentedFaceCnn(learnt)
    target = BUNDLED / f"{NAME}.onnx"
    write_onnx(network, next(sample_inputs()), {"emotion": {0: "row"}, "embedding": {0: "row"}}, target)
    task = FaceTask.read(data, seed=0)
    logits, truth = face_logits(network, task.dev_images), task.dev_labels
    temperature = fit_temperature(logits, truth)
    train_images = {image.tobytes() for image in _train_images(data)}
    fresh = np.array([image.tobytes() not in train_images for image in task.dev_images])
    metrics: dict[str, Any] = {
        "export_max_abs_difference": worst_difference(network, target, sample_inputs()),
        "FER2013 PublicTest": classification_metrics(logits / temperature, truth),
        "FER2013 PublicTest without pictures of the published train split": classification_metrics(
            logits[fresh] / temperature, truth[fresh]
        ),
    }
    expected = prior_of("fer2013")
    assert expected is not None  # noqa: S101  # the layout is in the table of priors
    draw_plots(logits / temperature, truth, run)
    write_card(
        target, slot="face",
        architecture="four squeeze-and-excitation residual blocks over a grey face of 48 pixels, with test-time "
        "augmentation over five crop positions, each also mirrored; "
        f"{sum(parameter.numel() for parameter in network.parameters()) / 1e6:.2f} M parameters",
        licence="research use", commercial_use=False,
        data=[("FER2013", "no clear licence for the photographs; research data, consent of depicted people unknown",
               "train without the pictures of PublicTest; PublicTest for early stopping and calibration")],
        metrics=metrics,
        limits="Frontal faces of 48 pixels or more. The labels agree with human judgement about two times in three.",
        command="undertone train face --data DATA && undertone export face --data DATA", made=f"run {run.name}",
        calibration=Calibration(
            temperature=temperature, prior=dict(zip(EMOTIONS, map(float, expected / expected.sum()), strict=True))
        ),
    )  # fmt: skip
    return metrics


def sample_inputs() -> Iterator[Inputs]:
    draw = np.random.default_rng(0)
    for number in range(64):
        yield {"faces": draw.normal(size=((2, 1, 7)[number % 3], 1, 48, 48)).astype(np.float32)}


def _train_images(data: Path) -> np.ndarray:
    with np.load(data / "face" / "fer2013_train.npz") as archive:
        return np.asarray(archive["images"])
