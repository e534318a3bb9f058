"""Looking for what was said: words without case and accents, phrases, and where they stand in a text."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from shared.domain.emotion import Emotion
from shared.domain.error import InvalidRequest
from shared.domain.value import Value

Phrase = tuple[str, ...]

# Scripts that put no spaces between words: every character counts as a word, and a word becomes a phrase.
_UNSPACED = "\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(f"[{_UNSPACED}]|[^\\W_{_UNSPACED}]+")
_PART = re.compile(r'"([^"]*)"?|(\S+)')


class SearchQuery(Value):
    """What is looked for; everything that is given must hold."""

    phrases: tuple[Phrase, ...] = ()
    emotion: Emotion | None = None
    speaker: str | None = None  # an id, or a name without case and accents
    job: str | None = None

    @classmethod
    def parse(cls, words: str | None, *, emotion: Emotion | None, speaker: str | None, job: str | None) -> SearchQuery:
        phrases = tuple(parse_phrases(words or ""))
        if words and not phrases:
            raise InvalidRequest("There is no word in what is looked for.")
        if not (phrases or emotion or speaker or job):
            raise InvalidRequest("Nothing is looked for.", hint="Give q, emotion, speaker or job.")
        return cls(phrases=phrases, emotion=emotion, speaker=speaker, job=job)


class SearchResult(Value):
    """One utterance that was looked for."""

    job_id: str
    utterance: int
    start: float
    end: float
    speaker: str
    name: str
    text: str


class Token(NamedTuple):
    word: str
    start: int
    end: int


def tokens(text: str) -> Iterator[Token]:
    """The words of an NFC text, without case and accents, and where they stand in it."""
    for found in _WORD.finditer(text):
        letters = unicodedata.normalize("NFKD", found[0].casefold())
        word = "".join(letter for letter in letters if letter.isalnum())
        if word:
            yield Token(word, found.start(), found.end())


def fold(text: str) -> str:
    """The same words with single spaces between: what is kept to be searched."""
    return " ".join(token.word for token in tokens(unicodedata.normalize("NFC", text)))


def parse_phrases(words: str) -> Iterator[Phrase]:
    """Words apart may stand anywhere; what is quoted, or holds a hyphen or an apostrophe, stands together."""
    for quoted, single in _PART.findall(unicodedata.normalize("NFC", words)):
        phrase = tuple(token.word for token in tokens(quoted or single))
        if phrase:
            yield phrase


def highlight(text: str, phrases: Sequence[Phrase]) -> str:
    """The text as HTML, escaped, with what was looked for between <mark> and </mark>."""
    text = unicodedata.normalize("NFC", text)
    there = list(tokens(text))
    hits: set[int] = set()
    for phrase in phrases:
        for place in range(len(there) - len(phrase) + 1):
            if tuple(token.word for token in there[place : place + len(phrase)]) == phrase:
                hits.update(range(place, place + len(phrase)))
    made, edge = "", 0
    for place, token in enumerate(there):
        if place in hits:
            made += html.escape(text[edge : token.start]) + f"<mark>{html.escape(text[token.start : token.end])}</mark>"
            edge = token.end
    return made + html.escape(text[edge:])
