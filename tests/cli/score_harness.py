"""Transcripts and references whose errors are known by construction, and runs of `undertone score` on them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner

from services.cli.score import score
from shared.domain.emotion import (
    EMOTIONS,
    SENTIMENTS,
    Emotion,
    EmotionReading,
    EmotionScores,
    SentimentReading,
    SentimentScores,
)
from shared.domain.error import UndertoneError
from shared.domain.recording import Recording
from shared.domain.speech import Utterance
from shared.domain.transcript import Transcript, disclose

APP = typer.Typer()
APP.command()(score)
Said = tuple[str, float, float, str]
TWO: Sequence[Said] = (("A", 0.0, 4.0, "we lost the customer"), ("B", 4.0, 10.0, "I am so sorry"))
RTTM = """SPEAKER call 1 0.000 4.000 <NA> <NA> ana <NA> <NA>
SPEAKER call 1 4.000 6.000 <NA> <NA> MÉO069 <NA> <NA>
"""
STM = """;; made up
call 1 ana 0.0 4.0 <o,f0,female> We lost the customer.
call 1 MÉO069 4.0 10.0 I am so sorry!
"""


def transcript(said: Sequence[Said], *, duration: float = 10.0, emotions: Sequence[Emotion | None] = ()) -> Transcript:
    utterances = [
        Utterance(index=n, start=a, end=b, speaker=who, text=text, words=(), emotion=reading(e) if e else None)
        for n, ((who, a, b, text), e) in enumerate(zip(said, emotions or [None] * len(said), strict=True))
    ]
    return Transcript(
        job_id="1",
        recording=Recording(name="call.wav", sha256="0" * 64, duration=duration, has_video=False, container="wav"),
        language="en",
        speakers=(),
        utterances=tuple(utterances),
        provenance=(),
        disclosure=disclose(()),
    )


def reading(emotion: Emotion) -> EmotionReading:
    scores = EmotionScores({label: float(label is emotion) for label in EMOTIONS})
    mood = SentimentScores({label: float(label == "neutral") for label in SENTIMENTS})
    sentiment = SentimentReading(label=mood.label, scores=mood)
    return EmotionReading(label=emotion, confidence=1, scores=scores, sentiment=sentiment, modalities={})


def run(folder: Path, hyp: Transcript | str, *options: str, rttm: str = RTTM, stm: str = STM) -> str:
    """The output of the command; files are named after their option."""
    (folder / "hyp.json").write_text(hyp if isinstance(hyp, str) else hyp.model_dump_json(), encoding="utf-8")
    (folder / "ref.rttm").write_text(rttm, encoding="utf-8")
    (folder / "ref.stm").write_text(stm, encoding="utf-8")
    arguments = [str(folder / o) if o.startswith("ref.") else o for o in options]
    result = CliRunner().invoke(APP, [str(folder / "hyp.json"), "--rttm", str(folder / "ref.rttm"), *arguments])
    if isinstance(result.exception, UndertoneError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def metrics(folder: Path, hyp: Transcript, *options: str, rttm: str = RTTM, stm: str = STM) -> dict[str, Any]:
    scores: dict[str, Any] = json.loads(run(folder, hyp, "--json", *options, rttm=rttm, stm=stm))
    return scores
