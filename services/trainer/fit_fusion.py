"""Fits the fusion weights of the modalities on data that differ from the training data.

python -m services.trainer.fit_fusion DATA

No corpus here has text, voice and face of one utterance, so the weights cannot be learnt jointly. For each modality
alone, a pseudo R2 is measured on shifted data: rho = 1 - NLL / NLL of the prior. Text, measured on dialogue, has
weight 1; another modality has weight rho / rho of text, limited by its cap. The weight of a voice engine other than
the bundled network is written to its card.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np

from services.trainer.datasets.faces import read_fer2013
from services.trainer.evaluate import evaluate_emotion
from services.trainer.labels import prior_of
from shared.domain.emotion import EMOTIONS, Modality
from shared.domain.value import Value
from shared.engines.catalog import Setup
from shared.engines.fusion_loglinear import Trust, read_parameters
from shared.engines.settings import EngineSettings, MediaSettings
from shared.engines.weights.model_cards import BUNDLED, FUSION, Card, load_card
from shared.ports.media import Bytes

FAR, POOR = 24, 40  # pixels of a distant face, and the JPEG quality of a poor connection
CAPS = {Modality.TEXT: 1.0, Modality.VOICE: 0.35, Modality.FACE: 0.5}
VOICES = ("voice_whisper", "voice_whisper_emodb")
CROSSED = ("ravdess to emodb, six classes", "emodb to ravdess, six classes")  # metrics in the voice network's card
SIX = np.log(6)  # the NLL of a uniform prior over six emotions


def pseudo_r2(nll: float, nll_of_prior: float) -> float:
    """rho: 1 is a perfect prediction, 0 equals the prior, below 0 is worse than the prior."""
    return 1 - nll / nll_of_prior


def trust(known: dict[Modality, float]) -> dict[Modality, Trust]:
    return {
        modality: Trust(weight=weight_beside_text(rho, known[Modality.TEXT]), cap=CAPS[modality])
        for modality, rho in known.items()
    }


def weight_beside_text(rho: float, rho_of_text: float) -> float:
    return round(float(np.clip(rho / rho_of_text, 0, 1)), 4)


def voice_r2(card: Card) -> float:
    """Of the directions between the corpora that the card states: a network trained on one corpus has one."""
    return float(np.mean([pseudo_r2(card.metrics[name]["nll"], SIX) for name in CROSSED if name in card.metrics]))


def measure_modalities(data: Path, setup: Setup) -> dict[Modality, float]:
    text = evaluate_emotion(Modality.TEXT, data / "text" / "meld_dev.csv", "meld", None, setup, _quiet)
    with TemporaryDirectory() as folder:
        archive = Path(folder, "far.npz")
        images, labels = read_fer2013(data / "face" / "fer2013_dev.npz")
        np.savez(
            archive, images=degrade_images(images), labels=labels, label_names=np.array([str(e) for e in EMOTIONS])
        )
        face = evaluate_emotion(Modality.FACE, archive, "fer2013", None, setup, _quiet)
    return {
        Modality.TEXT: pseudo_r2(text["nll"], _nll_of_prior(text, "meld")),
        Modality.VOICE: voice_r2(load_card("voice_cnn")),
        Modality.FACE: pseudo_r2(face["nll"], _nll_of_prior(face, "fer2013")),
    }


def degrade_images(images: Bytes) -> Bytes:
    """Simulates a distant camera and a poor connection."""
    shown = []
    for image in images:
        small = cv2.resize(image, (FAR, FAR), interpolation=cv2.INTER_AREA)
        _, coded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, POOR])
        decoded = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)
        shown.append(cv2.resize(decoded, image.shape[::-1], interpolation=cv2.INTER_LINEAR))
    return np.asarray(np.stack(shown), dtype=np.uint8)


def _nll_of_prior(metrics: dict[str, Any], corpus: str) -> float:
    support = np.array([row["support"] for row in metrics["per_class"].values()])
    prior = prior_of(corpus)
    assert prior is not None  # noqa: S101  # both corpora are known
    return -float((support / support.sum() * np.log(prior)).sum())


def _quiet(_share: float) -> None:
    """Reports no progress: the fit takes a minute."""


def main() -> None:
    setup = Setup(EngineSettings(), MediaSettings())
    path = BUNDLED / f"{FUSION}.json"
    known = measure_modalities(Path(sys.argv[1]), setup)
    measured = ", ".join(f"{modality} {rho:.3f}" for modality, rho in known.items())
    fitted = (
        f"each modality alone on shifted data (1 - NLL / NLL of the prior: {measured}); nothing was measured jointly; "
        "the prior is the geometric mean of MELD train and uniform"
    )
    parameters = read_parameters(path).model_copy(update={"fitted": fitted, "modalities": trust(known)})
    _write(parameters, path)
    for name in VOICES:
        card = load_card(name)
        weight = weight_beside_text(voice_r2(card), known[Modality.TEXT])
        _write(card.model_copy(update={"fusion_weight": weight}), BUNDLED / f"{name}.json")


def _write(value: Value, path: Path) -> None:
    path.write_text(json.dumps(value.model_dump(mode="json"), indent=2) + "\n")


if __name__ == "__main__":
    main()
