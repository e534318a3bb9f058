"""Train the linear network that reads faces until the deep one is trained, and write its card.

python -m services.trainer.face_edges DATA
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from sklearn.linear_model import SGDClassifier

from services.trainer.bundle import fit_temperature, write_card
from services.trainer.datasets.faces import read_fer2013
from services.trainer.measure import measure
from shared.domain.emotion import EMOTIONS
from shared.engines.cards import BUNDLED
from shared.engines.face_features import edge_histograms
from shared.ports.engines import Calibration
from shared.ports.media import Bytes


def train(data: Path) -> None:
    images, labels = read_fer2013(data / "face" / "fer2013_train.npz")
    dev_images, truth = read_fer2013(data / "face" / "fer2013_dev.npz")
    seen = {picture.tobytes() for picture in dev_images}
    kept = np.array([picture.tobytes() not in seen and picture.std() > 1 for picture in images])
    images, labels = images[kept], labels[kept]
    images, labels = np.concatenate([images, images[:, :, ::-1]]), np.concatenate([labels, labels])
    features = edge_histograms(images)
    network = SGDClassifier(loss="log_loss", alpha=2e-5, max_iter=25, random_state=1, average=True)
    network.fit(features, labels)

    def logits(pictures: Bytes) -> np.ndarray:
        return np.asarray(edge_histograms(pictures) @ network.coef_.T + network.intercept_)

    found = logits(dev_images)
    temperature = fit_temperature(found, truth)
    target = BUNDLED / "face_edges.npz"
    np.savez_compressed(target, weights=network.coef_.astype(np.float32), bias=network.intercept_.astype(np.float32))
    counts = np.bincount(labels, minlength=len(EMOTIONS))
    write_card(
        target, slot="face",
        architecture=f"logistic regression over {features.shape[1]} edge histograms of a 48-pixel face",
        licence="research use", commercial_use=False,
        data=[("FER2013", "no clear licence for the photographs; research data, consent of depicted people unknown",
               "train without the images of PublicTest; PublicTest for the temperature")],
        figures={"FER2013 PublicTest": measure(found / temperature, truth)},
        limits="A stand-in until a deep network is trained. Frontal faces of 48 pixels or more. "
        "Labels agree with people about two times in three.",
        command="python -m services.trainer.face_edges DATA", made="seed 1",
        calibration=Calibration(
            temperature=temperature,
            prior={emotion: float(share) for emotion, share in zip(EMOTIONS, counts / counts.sum(), strict=True)},
        ),
    )  # fmt: skip


if __name__ == "__main__":
    train(Path(sys.argv[1]))
