"""A network that was trained on clips reads the senses together: `fusion=network:RUN`, with torch nowhere near.

The network decides on the whole. What it says is read as any evidence is: its calibrated logits beyond the balance of
its own training data, on top of what is expected of the recording. The senses are shown as the log-linear fusion shows
them; an utterance in which the network can read none of the senses that are there keeps that fusion's reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from shared.domain.emotion import EMOTIONS, SENTIMENTS, EmotionReading, Modality
from shared.domain.error import EngineFailed, EngineUnavailable, InvalidRequest
from shared.engines.catalog import Setup
from shared.engines.fusion_loglinear import (
    SENTIMENT_OF,
    LogLinearFusion,
    log_softmax,
    reading_of,
    softmax,
    vector,
)
from shared.engines.model_cards import Card, trusted_weights
from shared.engines.network_inputs import READERS, VERSION, InputArrays, InputSpec, dialogue_windows
from shared.engines.runtime import open_session
from shared.ports.engines import Encoding, UtteranceClip
from shared.ports.media import Floats

BATCH = 8
CARD, WEIGHTS = "card", "model.onnx"


class NetworkFusion:
    def __init__(self, session: Any, card: Card, beside: LogLinearFusion) -> None:
        self._session, self._calibration, self._beside = session, card.calibration, beside
        taken = {tensor.name: tensor.shape for tensor in session.get_inputs()}
        self._plan = InputSpec.of(card.name, taken)
        self.name = f"network:{card.name}"
        self.expects: Mapping[Modality, str] = card.engines
        self.fingerprint = f"network/{VERSION}/{card.fingerprint} {beside.fingerprint}"

    @classmethod
    def load(cls, option: str | None, setup: Setup) -> Self:
        if not option:
            raise EngineUnavailable(
                "The fusion by a network needs a trained run.",
                hint="undertone train late-fusion --data FOLDER --layout csv, then fusion=network:RUN",
            )
        folder = find_run(option, setup)
        path, card = trusted_weights(CARD, setup.engines, folder)
        if card.slot != "fusion" or card.name not in READERS:
            raise InvalidRequest(
                f"The network in {option!r} fills the slot {card.slot!r}; no fusion can be made of it."
            )
        return cls(open_session(path, setup.threads), card, LogLinearFusion.load(None, setup))

    def fuse(
        self,
        encodings: Sequence[Encoding],
        *,
        absent: dict[Modality, str | None],
        conversation: Sequence[UtteranceClip],
    ) -> Sequence[EmotionReading]:
        readings = list(self._beside.fuse(encodings, absent=absent, conversation=conversation))
        for row, emotion, sentiment in self._run_dialogues(encodings, conversation):
            readings[row] = self._read(emotion, sentiment, readings[row])
        return readings

    def _run_dialogues(
        self, encodings: Sequence[Encoding], conversation: Sequence[UtteranceClip]
    ) -> Iterator[tuple[int, Floats, Floats]]:
        """The logits of every utterance of which the network can read something."""
        for shown, believed in self._parts(len(conversation)):
            clips = [conversation[row] for row in shown]
            given = [self._plan.given(clip, encodings, row) for clip, row in zip(clips, shown, strict=True)]
            who = [clip.utterance.speaker for clip in clips]
            emotion, sentiment = self._run(given, who)
            for clip in clips:
                clip.audio.release()
            for row in believed:
                if given[row - shown.start]:
                    yield row, emotion[row - shown.start], sentiment[row - shown.start]

    def _parts(self, count: int) -> list[tuple[range, range]]:
        if self._plan.dialogue:
            return dialogue_windows(count) if count else []
        parts = [range(start, min(start + BATCH, count)) for start in range(0, count, BATCH)]
        return [(part, part) for part in parts]

    def _run(self, given: Sequence[InputArrays], who: Sequence[str]) -> tuple[Floats, Floats]:
        rows = [given] if self._plan.dialogue else [[one] for one in given]
        speakers = [who] if self._plan.dialogue else [[one] for one in who]
        emotion, sentiment = self._session.run(["emotion_logits", "sentiment_logits"], self._plan.batch(rows, speakers))
        if not (np.isfinite(emotion).all() and np.isfinite(sentiment).all()):
            raise EngineFailed(f"{self.name} gave no usable answer.")
        return emotion.reshape(-1, len(EMOTIONS)), sentiment.reshape(-1, len(SENTIMENTS))

    def _read(self, emotion: Floats, sentiment: Floats, beside: EmotionReading) -> EmotionReading:
        its, expected = self._calibration, self._beside.prior
        learnt = np.array([one not in its.cannot_emit for one in EMOTIONS])
        fused = posterior(emotion, its.temperature, vector(its.prior, EMOTIONS), expected, learnt)
        head = its.sentiment
        mood = (
            fused @ SENTIMENT_OF
            if head is None
            else posterior(sentiment, head.temperature, vector(head.prior, SENTIMENTS), expected @ SENTIMENT_OF)
        )
        return reading_of(fused, mood, beside.modalities)


def posterior(
    logits: Floats, temperature: float, prior: Floats, expected: Floats, learnt: npt.NDArray[np.bool_] | None = None
) -> Floats:
    """Calibrated, and moved from the balance of the training data to what is expected here.

    Of a class that it never learnt a network can say nothing: neither its logit nor its rarity is evidence.
    """
    known = np.ones(len(logits), dtype=bool) if learnt is None else learnt
    total = np.log(expected)
    total[known] += log_softmax(logits[None, known] / temperature)[0] - np.log(prior[known] / prior[known].sum())
    return np.asarray(softmax(total[None])[0])


def find_run(option: str, setup: Setup) -> Path:
    """A path, or the bare name of a folder in `ENGINES__MODELS_DIR`: over HTTP there are names only."""
    folder = Path(option) if "/" in option else setup.engines.models_dir / option
    if not (folder / f"{CARD}.json").is_file():
        raise EngineUnavailable(
            f"There is no trained run at {str(folder)!r}.",
            hint="Give the folder that undertone train left, with card.json and model.onnx in it.",
        )
    return folder
