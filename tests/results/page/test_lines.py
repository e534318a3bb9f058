"""Where the words of an utterance are in its text, and who speaks at the same time."""

from __future__ import annotations

import pytest

from services.results.page.lines import lines_of, word_offsets
from shared.domain.speech import Utterance, Word
from tests.exports.sample import transcript


def words(*texts: str) -> tuple[Word, ...]:
    return tuple(Word(text=text, start=n, end=n + 1) for n, text in enumerate(texts))


def said(index: int, start: float, end: float, speaker: str = "S1") -> Utterance:
    return Utterance(index=index, start=start, end=end, speaker=speaker, text="Hello there", words=())


@pytest.mark.parametrize(
    ("text", "parts", "offsets"),
    [
        ("We lost it.", ("We", "lost", "it."), ""),
        ("你好世界", ("你好", "世界"), "0 2"),
        ("🙂好 ok", ("🙂", "好", "ok"), "0 2 4"),  # positions of a script count this character twice
        ("We lost it.", ("We", "won"), None),
    ],
)
def test_words_are_found_in_the_text(text: str, parts: tuple[str, ...], offsets: str | None) -> None:
    assert word_offsets(text, words(*parts)) == offsets


def test_times_of_words_count_from_the_utterance() -> None:
    first = next(lines_of(transcript(), emotion=True))
    assert first.times.split()[:3] == ["0", "57", "115"]
    assert first.reading is not None
    assert next(lines_of(transcript(), emotion=False)).reading is None


def test_overlaps_name_who_already_speaks() -> None:
    made = transcript((said(0, 0, 10), said(1, 2, 3, "S2"), said(2, 9, 12, "S2"), said(3, 9.95, 12), said(4, 20, 21)))
    names = [line.overlaps for line in lines_of(made, emotion=False)]
    ana, ben = (speaker.name for speaker in made.speakers)
    assert names == ["", ana, ana, ben, ""]
