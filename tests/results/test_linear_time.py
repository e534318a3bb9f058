"""Pages, searches and compatible APIs take linear time for every transcript."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from services.gateway.compat import passages
from services.gateway.compat.assemblyai.exports import find_phrases
from services.results.content_response import matches
from services.results.page.lines import MAX_NAMED, lines_of
from services.results.page.ribbon import lanes_of
from shared.domain.edit import Accept, Operation, Rename, Replace, SetSpeaker, Split
from shared.domain.notes import parts, prompt, read_answer
from shared.domain.search import fold, highlight, parse_phrases
from shared.domain.speech import Utterance, Word
from shared.domain.transcript import Transcript
from tests.editing import edited
from tests.exports.sample import transcript
from tests.exports.test_linear_time import many_speakers, one_speaker, one_utterance
from tests.fakes import utterance, word
from tests.scaling import LIMIT, growth

Build = Callable[[int], Transcript]
View = Callable[[Transcript], object]


def at_once(size: int) -> Transcript:
    """Every speaker speaks during the whole meeting."""
    made = many_speakers(size)
    long = tuple(one.model_copy(update={"start": 0.0, "end": 3600.0}) for one in made.utterances)
    return made.model_copy(update={"utterances": long})


def unspaced(size: int) -> Transcript:
    """One utterance whose words are not the parts between its spaces."""
    words = tuple(Word(text="ab", start=1, end=1) for _ in range(50 * size))
    return transcript((Utterance(index=0, start=0, end=2, speaker="S1", text="ab" * 50 * size, words=words),))


VIEWS: dict[str, View] = {
    "lines": lambda given: list(lines_of(given, emotion=True)),
    "lanes": lambda given: lanes_of(given, emotion=True),
    "captions": lambda given: passages.render_srt(passages.utterances(given), 1000),
    "sentences": lambda given: passages.sentences(passages.utterances(given)),
    "paragraphs": lambda given: passages.paragraphs(passages.utterances(given)),
    "pauses": lambda given: passages.split_at_pauses(passages.utterances(given), 0.5),
    "renamed": lambda given: edited(given, Rename(speaker=given.speakers[0].id, name="Ana")),
}


@pytest.mark.parametrize("build", [many_speakers, one_speaker, one_utterance, at_once, unspaced])
@pytest.mark.parametrize("name", VIEWS)
def test_twice_the_transcript_takes_twice_the_time(name: str, build: Build) -> None:
    def prepare(size: int) -> Callable[[], object]:
        given = build(size)
        return lambda: VIEWS[name](given)

    assert growth(prepare, 100) < LIMIT


TEXTS: dict[str, Callable[[str], object]] = {
    "fold": fold,
    "phrases": lambda text: list(parse_phrases(text)),
    "highlighted words": lambda text: highlight(text, [("a",), ("b",)]),
    "highlighted phrase": lambda text: highlight(text, [("a",) * 100]),
    "ETags": lambda text: matches(text, '"x"'),
}


@pytest.mark.parametrize("piece", ["a ", "a b ", "\u0e01", '"', '"a', "a-", " ", "e\u0301", 'W/"', "*,"])
@pytest.mark.parametrize("name", TEXTS)
def test_twice_the_text_takes_twice_the_time(name: str, piece: str) -> None:
    def prepare(size: int) -> Callable[[], object]:
        text = piece * size
        return lambda: TEXTS[name](text)

    assert growth(prepare, 1000) < LIMIT


EDITS: dict[str, Callable[[int], Operation]] = {
    "split": lambda size: Split(utterance=0, word=size),
    "accept": lambda size: Accept(utterance=0, words=tuple(range(min(size, 1000)))),
    "replace": lambda _: Replace(find="a b a b b", replacement="(a+)+$"),
    "replace words": lambda _: Replace(find="ab", replacement="", whole_words=True, case=True),
    "speaker": lambda _: SetSpeaker(utterances=(0,), name="Zoe"),
}


@pytest.mark.parametrize("name", EDITS)
def test_each_edit_of_twice_the_words_takes_twice_the_time(name: str) -> None:
    def prepare(size: int) -> Callable[[], object]:
        given = transcript((utterance(0, 0, size, "S1", "a b " * size),))
        return lambda: edited(given, EDITS[name](size))

    assert growth(prepare, 100) < LIMIT


ANSWERS: dict[str, str] = {
    "braces": "{",
    "claims": '{"text": "x", "utterances": [0]},',
    "control characters": "\\u0000",
    "blanks": " ",
}


@pytest.mark.parametrize("piece", ANSWERS)
def test_reading_twice_the_answer_of_a_language_model_takes_twice_the_time(piece: str) -> None:
    def prepare(size: int) -> Callable[[], object]:
        repeated = ANSWERS[piece] * size
        claims = repeated.rstrip(",") if piece == "claims" else f'{{"text": "{repeated}", "utterances": [0]}}'
        content = f'{{"summary": [{claims}]}}'
        return lambda: read_answer(content, {0})

    assert growth(prepare, 2000) < LIMIT


@pytest.mark.parametrize("build", [many_speakers, one_utterance, unspaced])
def test_sending_twice_the_transcript_to_a_language_model_takes_twice_the_time(build: Build) -> None:
    def prepare(size: int) -> Callable[[], object]:
        given = build(size)
        return lambda: [prompt(part, given.names, emotion=True, mark="===") for part in parts(given.utterances, 1000)]

    assert growth(prepare, 200) < LIMIT


def test_more_phrases_are_searched_without_a_search_of_all_words() -> None:
    said: Sequence[Word] = [word(f"w{number % 5000}", number, number + 0.5) for number in range(20_000)]

    def prepare(size: int) -> Callable[[], object]:
        phrases = [f"w{number} w{number + 1}" for number in range(size)]
        return lambda: find_phrases(said, phrases)

    assert growth(prepare, 100) < 8, "the index of the words is most of the work"


def test_a_line_names_only_the_first_speakers_of_a_crowd() -> None:
    crowd = tuple(utterance(n, 0, 100, f"S{n}", "a") for n in range(100))
    made = many_speakers(100).model_copy(update={"utterances": crowd})
    lines = list(lines_of(made, emotion=False))
    assert [len(line.overlaps.split(", ")) for line in lines[-2:]] == [MAX_NAMED, MAX_NAMED]
