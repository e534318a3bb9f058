"""Full-text search: tokens without case and accents, phrases, and highlighting."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from pydantic import AwareDatetime

from shared.domain.emotion import Emotion
from shared.domain.error import InvalidRequest
from shared.domain.normalisation import nfc
from shared.domain.value import Value

Phrase = tuple[str, ...]

# Scripts without spaces between words: every character is a token, so a word becomes a phrase.
_UNSPACED = "\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(f"[{_UNSPACED}]|[^\\W_{_UNSPACED}]+")
_PART = re.compile(r'"([^"]*)"?|(\S+)')


class SearchQuery(Value):
    """A search query; all given conditions must match."""

    phrases: tuple[Phrase, ...] = ()
    emotion: Emotion | None = None
    speaker: str | None = None  # an id, or a name without case and accents
    job: str | None = None
    created_from: AwareDatetime | None = None  # of the job
    created_before: AwareDatetime | None = None

    @classmethod
    def parse(
        cls,
        words: str | None,
        *,
        emotion: Emotion | None,
        speaker: str | None,
        job: str | None,
        created_from: datetime | None = None,
        created_before: datetime | None = None,
    ) -> SearchQuery:
        """Times alone are no condition: they would match everything that was said."""
        phrases = tuple(parse_phrases(words or ""))
        if words and not phrases:
            raise InvalidRequest("The query contains no word.")
        if not (phrases or emotion or speaker or job):
            raise InvalidRequest("The search has no condition.", hint="Give q, emotion, speaker or job.")
        return cls(
            phrases=phrases,
            emotion=emotion,
            speaker=speaker,
            job=job,
            created_from=created_from,
            created_before=created_before,
        )


class SearchResult(Value):
    """One utterance that matches the query."""

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
    """The words of an NFC text, without case and accents, with their positions."""
    for found in _WORD.finditer(text):
        letters = unicodedata.normalize("NFKD", found[0].casefold())
        word = "".join(letter for letter in letters if letter.isalnum())
        if word:
            yield Token(word, found.start(), found.end())


def fold(text: str) -> str:
    """The normalized words, joined by single spaces, as stored in the search index."""
    return " ".join(token.word for token in tokens(nfc(text)))


def parse_phrases(words: str) -> Iterator[Phrase]:
    """The phrases of a query: single words, quoted text, and words with a hyphen or an apostrophe."""
    for quoted, single in _PART.findall(nfc(words)):
        phrase = tuple(token.word for token in tokens(quoted or single))
        if phrase:
            yield phrase


def highlight(text: str, phrases: Sequence[Phrase]) -> str:
    """The text as escaped HTML, with matches between <mark> and </mark>."""
    text = nfc(text)
    found = list(tokens(text))
    hits = _hits([token.word for token in found], phrases)
    made, edge = [], 0
    for token, hit in zip(found, hits, strict=True):
        if hit:
            made += [
                html.escape(text[edge : token.start]),
                f"<mark>{html.escape(text[token.start : token.end])}</mark>",
            ]
            edge = token.end
    return "".join([*made, html.escape(text[edge:])])


def _hits(words: Sequence[str], phrases: Sequence[Phrase]) -> bytearray:
    """For each word whether it is part of a phrase; each word is one character, so that `find` compares phrases."""
    codes = {word: chr(number) for number, word in enumerate({word for phrase in phrases for word in phrase}, 1)}
    coded = "".join(codes.get(word, "\0") for word in words)
    hits = bytearray(len(words))
    for phrase in phrases:
        sought = "".join(codes[word] for word in phrase)
        at = coded.find(sought)
        while at >= 0:
            hits[at : at + len(phrase)] = b"\1" * len(phrase)
            at = coded.find(sought, at + 1)
    return hits
