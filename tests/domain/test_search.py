"""Search queries, tokenization and highlighting."""

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
        ("\u0e31", ""),  # a combining character without a letter
    ],
)
def test_fold_removes_case_and_accents(text: str, folded: str) -> None:
    assert fold(text) == folded


def test_query_is_parsed_into_words_and_phrases() -> None:
    assert list(parse_phrases('Alpha "Beta, gamma" don\'t "open end')) == [
        ("alpha",),
        ("beta", "gamma"),
        ("don", "t"),
        ("open", "end"),
    ]
    assert list(parse_phrases('"" -- "!"')) == []


def test_query_without_condition_is_rejected() -> None:
    nothing = {"emotion": None, "speaker": None, "job": None}
    with pytest.raises(InvalidRequest, match="no word"):
        SearchQuery.parse("--", **nothing)
    with pytest.raises(InvalidRequest, match="no condition"):
        SearchQuery.parse(None, **nothing)
    assert SearchQuery.parse("", emotion=Emotion.JOY, speaker=None, job=None).emotion is Emotion.JOY


def test_matches_are_highlighted_and_text_is_escaped() -> None:
    text = 'We <b>lost</b> the "Café" & the café-bar.'
    assert highlight(text, [("cafe",), ("lost",)]) == (
        "We &lt;b&gt;<mark>lost</mark>&lt;/b&gt; the &quot;<mark>Café</mark>&quot; &amp; the <mark>café</mark>-bar."
    )
    assert highlight("the cafe", [("the", "bar")]) == "the cafe"
    assert highlight("don't do", [("don", "t")]) == "<mark>don</mark>&#x27;<mark>t</mark> do"
    assert highlight("<script>", []) == "&lt;script&gt;"
