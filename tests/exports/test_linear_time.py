"""Every export takes linear time for every transcript."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.domain.speech import Utterance, Word
from shared.domain.transcript import Speaker, Transcript
from shared.exports.caption_lines import caption_lines
from shared.exports.formats import FORMATS
from shared.exports.summary import render_summary
from shared.exports.svg import DRAWINGS
from tests.exports.sample import transcript
from tests.fakes import utterance
from tests.scaling import LIMIT, growth

Build = Callable[[int], Transcript]


def many_speakers(size: int) -> Transcript:
    """Each utterance has another speaker, and all have the same name."""
    made = transcript(())
    utterances = tuple(utterance(n, 3 * n, 3 * n + 4, f"S{n}", "a") for n in range(size))
    speakers = tuple(Speaker(id=f"S{n}", name="Ana", talk_seconds=1, utterances=1) for n in range(size))
    return Transcript.model_validate(
        made.model_dump(exclude={"turns"}) | {"utterances": utterances, "speakers": speakers}
    )


def one_speaker(size: int) -> Transcript:
    return transcript(tuple(utterance(n, 3 * n, 3 * n + 4, "S1", "a") for n in range(size)))


def one_utterance(size: int) -> Transcript:
    """Its words have no visible character, so a caption never becomes too long."""
    words = tuple(Word(text="\x07", start=1, end=1) for _ in range(20 * size))
    return transcript((Utterance(index=0, start=0, end=2, speaker="S1", text="\x07", words=words),))


def one_word(size: int) -> Transcript:
    """It has no place to break a line."""
    text = "ab" * 200 * size
    return transcript(
        (Utterance(index=0, start=0, end=2, speaker="S1", text=text, words=(Word(text=text, start=0, end=2),)),)
    )


def right_to_left(size: int) -> Transcript:
    """One utterance whose letters are joined and reordered."""
    text = "\u0634\u0628\u0643\u0629 abc \u202e" * 5 * size
    words = (Word(text="\u0634", start=0, end=2),)
    return transcript((Utterance(index=0, start=0, end=2, speaker="S1", text=text, words=words),))


RENDERERS = {name: form.render for name, form in FORMATS.items()} | {
    "summary": render_summary,
    **{f"drawing {name}": drawing.render for name, drawing in DRAWINGS.items()},
    "video": lambda given, *, emotion: caption_lines(given, emotion=emotion),
}


@pytest.mark.parametrize("build", [many_speakers, one_speaker, one_utterance, one_word, right_to_left])
@pytest.mark.parametrize("name", RENDERERS)
def test_twice_the_transcript_takes_twice_the_time(name: str, build: Build) -> None:
    def prepare(size: int) -> Callable[[], object]:
        given = build(size)
        return lambda: RENDERERS[name](given, emotion=True)

    assert growth(prepare, 200) < LIMIT
