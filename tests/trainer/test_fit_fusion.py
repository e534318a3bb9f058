"""How far each sense is believed: by what it knows where its data have shifted, never more than its cap."""

from __future__ import annotations

import numpy as np
import pytest

from services.trainer.fit_fusion import CAPS, degrade_images, pseudo_r2, trust
from shared.domain.emotion import Modality
from shared.engines.fusion_loglinear import read_parameters
from shared.engines.model_cards import BUNDLED, FUSION

TEXT, VOICE, FACE = Modality.TEXT, Modality.VOICE, Modality.FACE


def test_who_knows_no_more_than_the_prior_knows_nothing() -> None:
    assert pseudo_r2(1.5, 1.5) == 0
    assert pseudo_r2(0.0, 1.5) == 1
    assert pseudo_r2(3.0, 1.5) < 0


def test_a_sense_counts_by_what_it_knows_beside_the_words() -> None:
    found = trust({TEXT: 0.3, VOICE: 0.03, FACE: 0.6})
    assert [found[sense].weight for sense in (TEXT, VOICE, FACE)] == pytest.approx([1.0, 0.1, 1.0])
    assert found[FACE].cap == CAPS[FACE]


def test_a_sense_that_misleads_is_not_believed() -> None:
    assert trust({TEXT: 0.3, VOICE: -0.2, FACE: 0.1})[VOICE].weight == 0


def test_faces_from_afar_are_coarse_and_stay_faces() -> None:
    faces = np.random.default_rng(0).integers(0, 255, (3, 48, 48), dtype=np.uint8)
    seen = degrade_images(faces)
    assert seen.shape == faces.shape
    assert seen.astype(float).std() < faces.astype(float).std() / 1.5


def test_what_serves_says_how_it_was_measured() -> None:
    parameters = read_parameters(BUNDLED / f"{FUSION}.json")
    assert parameters.modalities[TEXT].weight == 1
    assert all(parameters.modalities[sense].cap == CAPS[sense] for sense in Modality)
    assert parameters.fitted
