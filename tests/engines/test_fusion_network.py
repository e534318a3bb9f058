"""Network fusion with a scripted session."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.domain.emotion import EMOTIONS, Emotion, EmotionReading, Modality, ModalityStatus, Sentiment
from shared.domain.error import EngineFailed, EngineUnavailable, InvalidRequest
from shared.engines.catalog import FUSION, Setup, choose
from shared.engines.fusion_loglinear import LogLinearFusion
from shared.engines.fusion_network import NetworkFusion
from shared.engines.weights.model_cards import Card
from shared.ports.engines import Calibration, Encoding, SentimentHead, UtteranceClip
from shared.ports.media import Audio
from tests.fakes import tone, utterance

TEXT, VOICE, FACE = Modality.TEXT, Modality.VOICE, Modality.FACE
UNIFORM = Calibration(sentiment=SentimentHead())
CARD = Card(
    name="m2fnet", slot="fusion", file="model.onnx", sha256="0" * 64, architecture="none", licence="none",
    commercial_use=False, data=(), metrics={}, limits="none", command="none", made="none", calibration=UNIFORM,
    engines={TEXT: "scripted/1"},
)  # fmt: skip


@dataclass
class Tensor:
    name: str
    shape: list[int | str]


@dataclass
class ScriptedSession:
    """Returns the first text value of every utterance as the logit of joy, and records the inputs."""

    dialogue: bool = True
    answer: float | None = None
    requests: list[Mapping[str, np.ndarray]] = field(default_factory=list)

    def get_inputs(self) -> list[Tensor]:
        lead: list[int | str] = ["row", "utterance"]
        return [Tensor(name, [*lead, *rest]) for m in Modality for name, rest in ((m, [7]), (f"{m}_mask", list[int]()))]

    def run(self, names: Sequence[str], inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        assert names == ["emotion_logits", "sentiment_logits"]
        self.requests.append(inputs)
        rows, utterances = inputs["text_mask"].shape
        emotion, sentiment = np.zeros((rows, utterances, 7)), np.zeros((rows, utterances, 3))
        emotion[..., EMOTIONS.index(Emotion.JOY)] = inputs["text"][..., 0] if self.answer is None else self.answer
        return [emotion, sentiment]


def clips(count: int) -> list[UtteranceClip]:
    return [UtteranceClip(utterance(n, n, n + 1), Audio(tone(1.0)), "no_video") for n in range(count)]


def encoded(modality: Modality, *joys: float | None) -> Encoding:
    """An encoding with these first logits; None for an unavailable modality."""
    logits = np.zeros((len(joys), 7), np.float32)
    logits[:, 0] = [joy or 0 for joy in joys]
    return Encoding(
        modality, logits, np.zeros((len(joys), 0), np.float32),
        tuple("too_short" if joy is None else None for joy in joys), np.ones(len(joys), np.float32),
    )  # fmt: skip


def fuse(session: Any, *encodings: Encoding, card: Card = CARD, rows: int = 2) -> Sequence[EmotionReading]:
    fusion = NetworkFusion(session, card, loglinear())
    return fusion.fuse(encodings, absent=dict.fromkeys(Modality), conversation=clips(rows))


def loglinear() -> LogLinearFusion:
    return LogLinearFusion.load(None, None)  # type: ignore[arg-type]  # the settings are not used


def test_network_logits_are_added_to_the_deployment_prior() -> None:
    first, second = fuse(ScriptedSession(), encoded(TEXT, 0.0, 8.0))
    expected = loglinear().prior
    np.testing.assert_allclose([first.scores[emotion] for emotion in EMOTIONS], expected, atol=1e-6)
    assert (second.label, first.label) == (Emotion.JOY, Emotion.NEUTRAL)
    assert second.scores[Emotion.JOY] == pytest.approx(
        expected[3] * np.e**8 / (1 - expected[3] + expected[3] * np.e**8)
    )
    assert second.valence is not None and second.valence > 0.7


def test_calibration_comes_from_the_card() -> None:
    skewed = dict(zip(EMOTIONS, (0.1, 0.1, 0.1, 0.4, 0.1, 0.1, 0.1), strict=True))
    card = CARD.model_copy(
        update={"calibration": Calibration(temperature=2.0, prior=skewed, sentiment=SentimentHead())}
    )
    (warm, _), (plain, _) = (fuse(ScriptedSession(answer=3.0), encoded(TEXT, 1, 1), card=one) for one in (card, CARD))
    odds = [reading.scores[Emotion.JOY] / reading.scores[Emotion.ANGER] for reading in (warm, plain)]
    assert odds[1] / odds[0] == pytest.approx(np.e**3 / (np.e**1.5 / 4))


def test_emotion_without_training_data_keeps_its_prior() -> None:
    """The network has logits for six emotions; the seventh keeps its prior."""
    never = UNIFORM.model_copy(update={"cannot_emit": (Emotion.SURPRISE,)})
    (reading, _) = fuse(
        ScriptedSession(answer=3.0), encoded(TEXT, 1, 1), card=CARD.model_copy(update={"calibration": never})
    )
    prior = dict(zip(EMOTIONS, loglinear().prior, strict=True))
    odds = reading.scores[Emotion.SURPRISE] / reading.scores[Emotion.ANGER]
    assert odds == pytest.approx(prior[Emotion.SURPRISE] / prior[Emotion.ANGER] * (np.e**3 + 5) / 6)


def test_without_a_sentiment_head_sentiment_follows_from_the_emotions() -> None:
    card = CARD.model_copy(update={"calibration": Calibration()})
    (reading, _) = fuse(ScriptedSession(answer=9.0), encoded(TEXT, 1, 1), card=card)
    assert reading.sentiment.label is Sentiment.POSITIVE
    (headed, _) = fuse(ScriptedSession(answer=9.0), encoded(TEXT, 1, 1))
    assert headed.sentiment.label is not Sentiment.POSITIVE, "the head returns the prior"


def test_modality_readings_are_unchanged_and_missing_inputs_are_masked() -> None:
    session = ScriptedSession()
    readings = fuse(session, encoded(TEXT, 1.0, None), encoded(VOICE, 2.0, 3.0))
    assert readings[1].modalities[TEXT].reason == "too_short"
    assert readings[0].modalities[FACE].status is ModalityStatus.OFF
    alone = loglinear().fuse(
        [encoded(TEXT, 1.0, None), encoded(VOICE, 2.0, 3.0)], absent=dict.fromkeys(Modality), conversation=clips(2)
    )
    assert [reading.modalities for reading in readings] == [reading.modalities for reading in alone]
    (inputs,) = session.requests
    assert inputs["text_mask"].tolist() == [[True, False]] and inputs["voice_mask"].tolist() == [[True, True]]
    assert not inputs["face_mask"].any() and not inputs["text"][0, 1].any()


def test_loglinear_fusion_is_used_without_usable_inputs() -> None:
    readings = fuse(ScriptedSession(answer=9.0), encoded(TEXT, 5.0, None))
    prior = loglinear().prior
    assert readings[0].label is Emotion.JOY
    np.testing.assert_allclose([readings[1].scores[emotion] for emotion in EMOTIONS], prior, atol=1e-6)


def test_long_conversations_are_read_in_windows() -> None:
    session = ScriptedSession()
    readings = fuse(session, encoded(TEXT, *(float(n % 5) for n in range(75))), rows=75)
    assert len(session.requests) > 1 and {len(inputs["text_mask"][0]) for inputs in session.requests} == {32}
    joy = [reading.scores[Emotion.JOY] for reading in readings]
    np.testing.assert_allclose(joy, joy[:5] * 15)
    assert len(set(np.round(joy, 6))) == 5
    assert fuse(session, rows=0) == []


def test_output_that_is_not_finite_is_an_error() -> None:
    with pytest.raises(EngineFailed, match="network:m2fnet"):
        fuse(ScriptedSession(answer=float("nan")), encoded(TEXT, 1, 1))


def test_fingerprint_changes_with_weights_and_calibration() -> None:
    cards = (
        CARD,
        CARD.model_copy(update={"sha256": "1" * 64}),
        CARD.model_copy(update={"calibration": Calibration(temperature=1.5)}),
    )
    made = [NetworkFusion(ScriptedSession(), card, loglinear()) for card in cards]
    assert len({fusion.fingerprint for fusion in made}) == 3
    assert made[0].expects == {TEXT: "scripted/1"}


def write_run(folder: Path, **changes: object) -> Path:
    """Write a run whose weights match the hash in the card but are not a network."""
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    card = CARD.model_dump(mode="json") | {"sha256": digest} | changes
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def test_untrusted_run_is_rejected(tmp_path: Path, setup: Setup) -> None:
    with pytest.raises(EngineUnavailable, match="do not match the hash") as refused:
        choose(FUSION, f"network:{write_run(tmp_path / 'a', sha256='0' * 64)}", setup)
    assert refused.value.hint == "Export the run again."
    strict = replace(setup, engines=setup.engines.model_copy(update={"commercial_only": True}))
    with pytest.raises(EngineUnavailable, match="may not be used commercially"):
        choose(FUSION, f"network:{write_run(tmp_path / 'b')}", strict)
    for changes in ({"slot": "text"}, {"name": "somebody-elses"}):
        with pytest.raises(InvalidRequest, match="not for fusion"):
            choose(FUSION, f"network:{write_run(tmp_path / str(changes), **changes)}", setup)


def test_name_is_resolved_in_the_models_folder(setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "here")
    with pytest.raises(EngineUnavailable, match="no trained run"):
        choose(FUSION, "network:here", setup)
    write_run(setup.engines.models_dir / "there", slot="text")
    with pytest.raises(InvalidRequest, match="not for fusion"):
        choose(FUSION, "network:there", setup)


def test_auto_does_not_select_the_network_fusion(setup: Setup) -> None:
    assert choose(FUSION, None, setup).name == "loglinear"
    with pytest.raises(EngineUnavailable, match="needs a trained run"):
        choose(FUSION, "network", setup)
