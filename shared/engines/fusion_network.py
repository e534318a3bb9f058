"""Fusion by a network trained on clips, over all modalities together: `fusion=network:RUN`, without torch.

The fused reading comes from the network: its calibrated logits relative to the prior of its training data, added to the
deployment prior. The readings of single modalities come from the log-linear fusion; an utterance in which the network
can use none of the available modalities keeps the reading of that fusion.
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
from shared.engines.features.network_inputs import READERS, VERSION, InputArrays, InputSpec, dialogue_windows
from shared.engines.fusion_loglinear import (
    SENTIMENT_OF,
    LogLinearFusion,
    log_softmax,
    reading_of,
    softmax,
    vector,
)
from shared.engines.runtime import open_session
from shared.engines.weights.model_cards import Card, trusted_weights
from shared.ports.engines import Encoding, UtteranceClip
from shared.ports.media import Floats

BATCH = 8
CARD = "card"


class NetworkFusion:
    def __init__(self, session: Any, card: Card, loglinear: LogLinearFusion) -> None:
        self._session, self._calibration, self._loglinear = session, card.calibration, loglinear
        taken = {tensor.name: tensor.shape for tensor in session.get_inputs()}
        self._plan = InputSpec.of(card.name, taken)
        self.name = f"network:{card.name}"
        self.expects: Mapping[Modality, str] = card.engines
        self.fingerprint = f"network/{VERSION}/{card.fingerprint} {loglinear.fingerprint}"

    @classmethod
    def load(cls, option: str | None, setup: Setup) -> Self:
        if not option:
            raise EngineUnavailable(
                "The network fusion needs a trained run.",
                hint="undertone train late-fusion --data FOLDER --layout csv, then fusion=network:RUN",
            )
        folder = find_run(option, setup)
        path, card = trusted_weights(CARD, setup.engines, folder)
        if card.slot != "fusion" or card.name not in READERS:
            raise InvalidRequest(f"The network in {option!r} is for the slot {card.slot!r}, not for fusion.")
        return cls(open_session(path, setup.threads), card, LogLinearFusion.load(None, setup))

    def fuse(
        self,
        encodings: Sequence[Encoding],
        *,
        absent: dict[Modality, str | None],
        conversation: Sequence[UtteranceClip],
    ) -> Sequence[EmotionReading]:
        readings = list(self._loglinear.fuse(encodings, absent=absent, conversation=conversation))
        for row, emotion, sentiment in self._run_dialogues(encodings, conversation):
            readings[row] = self._read(emotion, sentiment, readings[row])
        return readings

    def _run_dialogues(
        self, encodings: Sequence[Encoding], conversation: Sequence[UtteranceClip]
    ) -> Iterator[tuple[int, Floats, Floats]]:
        """Yield the logits of every utterance with at least one usable modality."""
        for read, used in self._parts(len(conversation)):
            clips = [conversation[row] for row in read]
            inputs = [self._plan.inputs_of(clip, encodings, row) for clip, row in zip(clips, read, strict=True)]
            who = [clip.utterance.speaker for clip in clips]
            emotion, sentiment = self._run(inputs, who)
            for clip in clips:
                clip.audio.release()
            for row in used:
                if inputs[row - read.start]:
                    yield row, emotion[row - read.start], sentiment[row - read.start]

    def _parts(self, count: int) -> list[tuple[range, range]]:
        if self._plan.dialogue:
            return dialogue_windows(count) if count else []
        parts = [range(start, min(start + BATCH, count)) for start in range(0, count, BATCH)]
        return [(part, part) for part in parts]

    def _run(self, inputs: Sequence[InputArrays], who: Sequence[str]) -> tuple[Floats, Floats]:
        rows = [inputs] if self._plan.dialogue else [[utterance] for utterance in inputs]
        speakers = [who] if self._plan.dialogue else [[speaker] for speaker in who]
        emotion, sentiment = self._session.run(["emotion_logits", "sentiment_logits"], self._plan.batch(rows, speakers))
        if not (np.isfinite(emotion).all() and np.isfinite(sentiment).all()):
            raise EngineFailed(f"{self.name} returned values that are not finite.")
        return emotion.reshape(-1, len(EMOTIONS)), sentiment.reshape(-1, len(SENTIMENTS))

    def _read(self, emotion: Floats, sentiment: Floats, loglinear: EmotionReading) -> EmotionReading:
        calibration, expected = self._calibration, self._loglinear.prior
        trained = np.array([one not in calibration.cannot_emit for one in EMOTIONS])
        fused = posterior(emotion, calibration.temperature, vector(calibration.prior, EMOTIONS), expected, trained)
        head = calibration.sentiment
        scores = (
            fused @ SENTIMENT_OF
            if head is None
            else posterior(sentiment, head.temperature, vector(head.prior, SENTIMENTS), expected @ SENTIMENT_OF)
        )
        return reading_of(fused, scores, loglinear.modalities)


def posterior(
    logits: Floats, temperature: float, prior: Floats, expected: Floats, trained: npt.NDArray[np.bool_] | None = None
) -> Floats:
    """Calibrate the logits and replace the prior of the training data by the deployment prior.

    A class without training data keeps its prior: neither its logit nor its frequency is evidence.
    """
    known = np.ones(len(logits), dtype=bool) if trained is None else trained
    total = np.log(expected)
    total[known] += log_softmax(logits[None, known] / temperature)[0] - np.log(prior[known] / prior[known].sum())
    return np.asarray(softmax(total[None])[0])


def find_run(option: str, setup: Setup) -> Path:
    """Resolve a path, or the name of a folder in `ENGINES__MODELS_DIR`; only names are allowed over HTTP."""
    folder = Path(option) if "/" in option else setup.engines.models_dir / option
    if not (folder / f"{CARD}.json").is_file():
        raise EngineUnavailable(
            f"There is no trained run at {str(folder)!r}.",
            hint="Pass the output folder of undertone train, with card.json and model.onnx in it.",
        )
    return folder
