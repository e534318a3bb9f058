from __future__ import annotations

from dataclasses import dataclass

import pytest

from shared.engines.hallucination import is_plausible, without_loops
from tests.fakes import word


@dataclass
class Segment:
    avg_logprob: float = -0.3
    no_speech_prob: float = 0.1
    compression_ratio: float = 1.3


@pytest.mark.parametrize(
    ("segment", "kept"),
    [
        (Segment(), True),
        (Segment(compression_ratio=3.0), False),
        (Segment(no_speech_prob=0.9), True),
        (Segment(no_speech_prob=0.9, avg_logprob=-1.5), False),
        (Segment(avg_logprob=-1.5), True),
    ],
)
def test_implausible_segments_are_rejected(segment: Segment, kept: bool) -> None:
    assert is_plausible(segment) is kept


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("no no no", "no no no"),
        ("no No, no. no yes", "no yes"),
        ("thank you thank you thank you thank you thank you bye", "thank you bye"),
        ("a b c", "a b c"),
        ("myth Bzzzzzzzzzzz hahahahahahahahaha haha 1000000000", "myth haha 1000000000"),
        ("", ""),
    ],
)
def test_fourth_repetition_of_a_phrase_is_a_loop(said: str, kept: str) -> None:
    words = [word(token, n, n + 1) for n, token in enumerate(said.split())]
    assert " ".join(one.text for one in without_loops(words)) == kept
