"""A trained run in the slot of the fusion, asked through a session that a test has written."""

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
from shared.engines.catalog import Setup, choose
from shared.engines.fusion_loglinear import LogLinearFusion
from shared.engines.fusion_network import NetworkFusion
from shared.engines.model_cards import Card
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
    """Answers every utterance with the words' first number as its logit of joy, and keeps what it was asked."""

    dialogue: bool = True
    answer: float | None = None
    asked: list[Mapping[str, np.ndarray]] = field(default_factory=list)

    def get_inputs(self) -> list[Tensor]:
        lead: list[int | str] = ["row", "utterance"]
        return [Tensor(name, [*lead, *rest]) for m in Modality for name, rest in ((m, [7]), (f"{m}_mask", list[int]()))]

    def run(self, names: Sequence[str], inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        assert names == ["emotion_logits", "sentiment_logits"]
        self.asked.append(inputs)
        rows, utterances = inputs["text_mask"].shape
        emotion, sentiment = np.zeros((rows, utterances, 7)), np.zeros((rows, utterances, 3))
        emotion[..., EMOTIONS.index(Emotion.JOY)] = inputs["text"][..., 0] if self.answer is None else self.answer
        return [emotion, sentiment]


def clips(count: int) -> list[UtteranceClip]:
    return [UtteranceClip(utterance(n, n, n + 1), Audio(tone(1.0)), "no_video") for n in range(count)]


def heard(modality: Modality, *joys: float | None) -> Encoding:
    """The first logit as given; None where the sense is unavailable."""
    logits = np.zeros((len(joys), 7), np.float32)
    logits[:, 0] = [joy or 0 for joy in joys]
    return Encoding(
        modality, logits, np.zeros((len(joys), 0), np.float32),
        tuple("too_short" if joy is None else None for joy in joys), np.ones(len(joys), np.float32),
    )  # fmt: skip


def fuse(session: Any, *encodings: Encoding, card: Card = CARD, rows: int = 2) -> Sequence[EmotionReading]:
    fusion = NetworkFusion(session, card, beside())
    return fusion.fuse(encodings, absent=dict.fromkeys(Modality), conversation=clips(rows))


def beside() -> LogLinearFusion:
    return LogLinearFusion.load(None, None)  # type: ignore[arg-type]  # it asks nothing of the machine


def test_the_network_decides_and_what_is_expected_here_is_the_prior() -> None:
    first, second = fuse(ScriptedSession(), heard(TEXT, 0.0, 8.0))
    expected = beside().prior
    np.testing.assert_allclose([first.scores[emotion] for emotion in EMOTIONS], expected, atol=1e-6)
    assert (second.label, first.label) == (Emotion.JOY, Emotion.NEUTRAL)
    assert second.scores[Emotion.JOY] == pytest.approx(
        expected[3] * np.e**8 / (1 - expected[3] + expected[3] * np.e**8)
    )
    assert second.valence is not None and second.valence > 0.7


def test_its_calibration_is_that_of_its_card() -> None:
    skewed = dict(zip(EMOTIONS, (0.1, 0.1, 0.1, 0.4, 0.1, 0.1, 0.1), strict=True))
    card = CARD.model_copy(
        update={"calibration": Calibration(temperature=2.0, prior=skewed, sentiment=SentimentHead())}
    )
    (warm, _), (plain, _) = (fuse(ScriptedSession(answer=3.0), heard(TEXT, 1, 1), card=one) for one in (card, CARD))
    odds = [reading.scores[Emotion.JOY] / reading.scores[Emotion.ANGER] for reading in (warm, plain)]
    assert odds[1] / odds[0] == pytest.approx(np.e**3 / (np.e**1.5 / 4))


def test_of_an_emotion_that_it_never_learnt_it_says_nothing() -> None:
    """Its logits speak of six; the seventh keeps what is expected of it, against evidence on the others."""
    never = UNIFORM.model_copy(update={"cannot_emit": (Emotion.SURPRISE,)})
    (reading, _) = fuse(
        ScriptedSession(answer=3.0), heard(TEXT, 1, 1), card=CARD.model_copy(update={"calibration": never})
    )
    prior = dict(zip(EMOTIONS, beside().prior, strict=True))
    odds = reading.scores[Emotion.SURPRISE] / reading.scores[Emotion.ANGER]
    assert odds == pytest.approx(prior[Emotion.SURPRISE] / prior[Emotion.ANGER] * (np.e**3 + 5) / 6)


def test_without_a_sentiment_head_sentiment_follows_from_the_emotions() -> None:
    card = CARD.model_copy(update={"calibration": Calibration()})
    (reading, _) = fuse(ScriptedSession(answer=9.0), heard(TEXT, 1, 1), card=card)
    assert reading.sentiment.label is Sentiment.POSITIVE
    (headed, _) = fuse(ScriptedSession(answer=9.0), heard(TEXT, 1, 1))
    assert headed.sentiment.label is not Sentiment.POSITIVE, "its own head knew no more than the prior"


def test_senses_are_shown_as_ever_and_masked_where_they_are_missing() -> None:
    session = ScriptedSession()
    readings = fuse(session, heard(TEXT, 1.0, None), heard(VOICE, 2.0, 3.0))
    assert readings[1].modalities[TEXT].reason == "too_short"
    assert readings[0].modalities[FACE].status is ModalityStatus.OFF
    alone = beside().fuse(
        [heard(TEXT, 1.0, None), heard(VOICE, 2.0, 3.0)], absent=dict.fromkeys(Modality), conversation=clips(2)
    )
    assert [reading.modalities for reading in readings] == [reading.modalities for reading in alone]
    (asked,) = session.asked
    assert asked["text_mask"].tolist() == [[True, False]] and asked["voice_mask"].tolist() == [[True, True]]
    assert not asked["face_mask"].any() and not asked["text"][0, 1].any()


def test_where_it_reads_nothing_that_is_there_the_fusion_beside_it_answers() -> None:
    readings = fuse(ScriptedSession(answer=9.0), heard(TEXT, 5.0, None))
    prior = beside().prior
    assert readings[0].label is Emotion.JOY
    np.testing.assert_allclose([readings[1].scores[emotion] for emotion in EMOTIONS], prior, atol=1e-6)


def test_long_conversations_are_read_in_parts_and_every_utterance_is_answered() -> None:
    session = ScriptedSession()
    readings = fuse(session, heard(TEXT, *(float(n % 5) for n in range(75))), rows=75)
    assert len(session.asked) > 1 and {len(asked["text_mask"][0]) for asked in session.asked} == {32}
    joy = [reading.scores[Emotion.JOY] for reading in readings]
    np.testing.assert_allclose(joy, joy[:5] * 15)
    assert len(set(np.round(joy, 6))) == 5
    assert fuse(session, rows=0) == []


def test_an_answer_that_is_not_a_number_is_an_error() -> None:
    with pytest.raises(EngineFailed, match="network:m2fnet"):
        fuse(ScriptedSession(answer=float("nan")), heard(TEXT, 1, 1))


def test_whatever_changes_its_readings_changes_its_fingerprint() -> None:
    cards = (
        CARD,
        CARD.model_copy(update={"sha256": "1" * 64}),
        CARD.model_copy(update={"calibration": Calibration(temperature=1.5)}),
    )
    made = [NetworkFusion(ScriptedSession(), card, beside()) for card in cards]
    assert len({fusion.fingerprint for fusion in made}) == 3
    assert made[0].expects == {TEXT: "scripted/1"}


def leave(folder: Path, **changes: object) -> Path:
    """A run whose weights are what its card says, but no network."""
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    card = CARD.model_dump(mode="json") | {"sha256": digest} | changes
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def test_a_run_that_cannot_be_trusted_is_refused(tmp_path: Path, setup: Setup) -> None:
    with pytest.raises(EngineUnavailable, match="are not those of their card") as refused:
        choose("fusion", f"network:{leave(tmp_path / 'a', sha256='0' * 64)}", setup)
    assert refused.value.hint == "Export the run again."
    strict = replace(setup, engines=setup.engines.model_copy(update={"commercial_only": True}))
    with pytest.raises(EngineUnavailable, match="may not be used commercially"):
        choose("fusion", f"network:{leave(tmp_path / 'b')}", strict)
    for changes in ({"slot": "text"}, {"name": "somebody-elses"}):
        with pytest.raises(InvalidRequest, match="no fusion can be made of it"):
            choose("fusion", f"network:{leave(tmp_path / str(changes), **changes)}", setup)


def test_a_bare_name_is_a_folder_among_the_models(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    leave(tmp_path / "here")
    with pytest.raises(EngineUnavailable, match="no trained run"):
        choose("fusion", "network:here", setup)
    leave(setup.engines.models_dir / "there", slot="text")
    with pytest.raises(InvalidRequest, match="no fusion can be made"):
        choose("fusion", "network:there", setup)


def test_auto_never_comes_to_a_network_that_nobody_named(setup: Setup) -> None:
    assert choose("fusion", None, setup).engine.name == "loglinear"
    with pytest.raises(EngineUnavailable, match="needs a trained run"):
        choose("fusion", "network", setup)
