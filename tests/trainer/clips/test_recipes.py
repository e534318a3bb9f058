"""The default configuration of every network accepts the inputs of the pipeline."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed; make train-setup brings it")

from services.trainer.clips.clip_inputs import EngineOutputSpec
from services.trainer.clips.corpus import plan_stages
from services.trainer.clips.recipes import HYPERPARAMETERS, base_of, fitted
from services.trainer.networks.contract import load
from services.trainer.trainable_networks import CLIP_NETWORKS
from shared.domain.emotion import Modality
from shared.engines.features.network_inputs import fixed
from shared.ports.engines import Encoding, FaceClip, UtteranceClip
from shared.ports.media import Audio
from tests.fakes import tone, utterance

FEATURES = {Modality.TEXT: 12, Modality.VOICE: 5, Modality.FACE: 0}
PRIOR = (0.1, 0.05, 0.05, 0.2, 0.4, 0.1, 0.1)


@pytest.mark.parametrize("name", CLIP_NETWORKS)
def test_the_default_configuration_accepts_pipeline_inputs(name: str) -> None:
    specs = {modality: EngineOutputSpec(7 + width, PRIOR) for modality, width in FEATURES.items()}
    spec = load(name)
    config = fitted(name, base_of(spec), specs, np.array([3, 4, 4]))
    plan = plan_stages(spec, config)
    crops = np.random.default_rng(0).integers(0, 255, (4, 48, 48)).astype(np.uint8)
    face = FaceClip(np.arange(4, dtype=np.float32), crops, np.ones(4, np.float32), 1.0, 1.0)
    encodings = [
        Encoding(m, np.ones((1, 7), np.float32), np.ones((1, width), np.float32), (None,), np.ones(1, np.float32))
        for m, width in FEATURES.items()
    ]
    inputs = plan.inputs_of(UtteranceClip(utterance(0, 0, 2), Audio(tone(2.0)), face), encodings, 0)
    assert set(inputs) == set(spec.modalities) == set(plan.shapes)
    for modality, array in inputs.items():
        shape = plan.shapes[modality]
        assert tuple(s for s, axis in zip(array.shape, shape, strict=True) if axis is not None) == fixed(shape)
    assert HYPERPARAMETERS[name].drop > 0
    if name == "ensemble":
        assert config.text_prior == PRIOR and config.samples == 3
