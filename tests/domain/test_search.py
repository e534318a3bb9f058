"""What is looked for, and how it is shown where it was found."""

from __future__ import annotations

import pytest

from shared.domain.emotion import Emotion
from shared.domain.error import InvalidRequest
from shared.domain.search import SearchQuery, fold, highlight, parse_phrases


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Größe, ÉTÉ & naïve", "grosse ete naive"),
        ("cafe\u0301", "cafe"),
        ("snake_case don't", "snake case don t"),
        ("会議A", "会 議 a"),
        ("½ km²", "12 km2"),
        (" \x00…", ""),
        ("Ⅷ", "viii"),
        ("\u0e31", ""),  # a sign that belongs to a letter
    ],
)
def test_words_are_kept_without_case_and_accents(text: str, folded: str) -> None:
    assert fold(text) == folded


def test_a_query_is_words_and_phrases() -> None:
    assert list(parse_phrases('Alpha "Beta, gamma" don\'t "open end')) == [
        ("alpha",),
        ("beta", "gamma"),
        ("don", "t"),
        ("open", "end"),
    ]
    assert list(parse_phrases('"" -- "!"')) == []


def test_a_query_asks_for_something() -> None:
    nothing = {"emotion": None, "speaker": None, "job": None}
    with pytest.raises(InvalidRequest, match="no word"):
        SearchQuery.parse("--", **nothing)
    with pytest.raises(InvalidRequest, match="Nothing"):
        SearchQuery.parse(None, **nothing)
    assert SearchQuery.parse("", emotion=Emotion.JOY, speaker=None, job=None).emotion is Emotion.JOY


def test_what_was_found_is_marked_and_everything_is_escaped() -> None:
    text = 'We <b>lost</b> the "Café" & the café-bar.'
    assert highlight(text, [("cafe",), ("lost",)]) == (
        "We &lt;b&gt;<mark>lost</mark>&lt;/b&gt; the &quot;<mark>Café</mark>&quot; &amp; the <mark>café</mark>-bar."
    )
    assert highlight("the cafe", [("the", "bar")]) == "the cafe"
    assert highlight("don't do", [("don", "t")]) == "<mark>don</mark>&#x27;<mark>t</mark> do"
    assert highlight("<script>", []) == "&lt;script&gt;"
