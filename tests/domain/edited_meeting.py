"""A short meeting for tests of edits."""

from __future__ import annotations

from shared.domain.transcript import Transcript
from tests.exports.sample import transcript
from tests.fakes import turn, utterance


def meeting() -> Transcript:
    said = (
        utterance(0, 0, 4, "S1", "We lost the customer"),
        utterance(1, 4, 6, "S2", "no way"),
        utterance(2, 6, 8, "S1", "it is true"),
    )
    made = transcript(said)
    turns = (turn("S1", 0, 4, 0.9), turn("S2", 4, 6, 0.8), turn("S1", 6, 8, 0.9))
    speakers = tuple(one.model_copy(update={"utterances": n}) for one, n in zip(made.speakers, (2, 1), strict=True))
    return made.model_copy(update={"turns": turns, "speakers": speakers})


def shown(given: Transcript) -> list[tuple[int, str, str, float, float]]:
    return [(one.index, one.speaker, one.text, one.start, one.end) for one in given.utterances]
