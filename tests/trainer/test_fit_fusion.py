"""Fusion weights: proportional to the pseudo R2 on shifted data, limited by a cap."""

from __future__ import annotations

import numpy as np
import pytest

from services.trainer.fit_fusion import CAPS, VOICES, degrade_images, pseudo_r2, trust, voice_r2, weight_beside_text
from shared.domain.emotion import Modality
from shared.engines.fusion_loglinear import read_parameters
from shared.engines.weights.model_cards import BUNDLED, FUSION, load_card

TEXT, VOICE, FACE = Modality.TEXT, Modality.VOICE, Modality.FACE


def test_the_pseudo_r2_of_the_prior_is_zero() -> None:
    assert pseudo_r2(1.5, 1.5) == 0
    assert pseudo_r2(0.0, 1.5) == 1
    assert pseudo_r2(3.0, 1.5) < 0


def test_the_weight_of_a_modality_is_relative_to_text() -> None:
    found = trust({TEXT: 0.3, VOICE: 0.03, FACE: 0.6})
    assert [found[modality].weight for modality in (TEXT, VOICE, FACE)] == pytest.approx([1.0, 0.1, 1.0])
    assert found[FACE].cap == CAPS[FACE]


def test_a_misleading_modality_has_weight_zero() -> None:
    assert trust({TEXT: 0.3, VOICE: -0.2, FACE: 0.1})[VOICE].weight == 0


def test_degraded_faces_keep_their_shape_and_lose_detail() -> None:
    faces = np.random.default_rng(0).integers(0, 255, (3, 48, 48), dtype=np.uint8)
    degraded = degrade_images(faces)
    assert degraded.shape == faces.shape
    assert degraded.astype(float).std() < faces.astype(float).std() / 1.5


def test_the_bundled_parameters_describe_how_they_were_fitted() -> None:
    parameters = read_parameters(BUNDLED / f"{FUSION}.json")
    assert parameters.modalities[TEXT].weight == 1
    assert all(parameters.modalities[modality].cap == CAPS[modality] for modality in Modality)
    assert parameters.fitted


@pytest.mark.parametrize("name", VOICES)
def test_the_cards_of_other_voice_engines_state_their_weight(name: str) -> None:
    card, parameters = load_card(name), read_parameters(BUNDLED / f"{FUSION}.json")
    rho_of_text = float(parameters.fitted.partition("text ")[2][:5])
    assert card.fusion_weight == pytest.approx(weight_beside_text(voice_r2(card), rho_of_text), abs=0.01)
