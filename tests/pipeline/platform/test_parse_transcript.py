from __future__ import annotations

import json

import pytest

from shared.domain.error import InvalidTranscript
from shared.domain.span import span
from shared.exports.formats import FORMATS
from shared.pipeline.platform.cue import MAX_BYTES, Cue
from shared.pipeline.platform.parse_transcript import (
    SpeechClock,
    names_speakers,
    read_platform_transcript,
    words_of,
)
from tests.exports.sample import transcript

ZOOM = """WEBVTT

1
00:00:01.000 --> 00:00:03.500
Ana Lopez: Good morning: shall we start?

2
00:00:04.000 --> 00:00:06.000
Ben de Vries: Yes. The plan: go.

3
00:00:06.500 --> 00:00:07.000
it is short
"""
TEAMS = """\ufeffWEBVTT\r
\r
NOTE made by somebody\r
over two lines\r
\r
STYLE\r
::cue { color: red }\r
\r
0b5a-11/3-0\r
00:00:01.000 --> 00:00:03.500 align:start position:0%\r
<v Ana Lopez>We &lt;really&gt; lost\r
the <b>customer</b>.</v>\r
\r
0b5a-11/3-1\r
00:03.600 --> 00:05.000\r
<v.loud Ben &amp; Co>Oh no.</v> <v Ana Lopez>Yes, I am afraid.</v>\r
"""
SRT = """1
00:00:01,000 --> 00:00:03,500
Ana: We lost it.

2
00:00:04,000 --> 00:00:06,000
Ben: Oh no.
"""


def read(text: str) -> list[tuple[str | None, str]]:
    return [(cue.speaker, cue.text) for cue in read_platform_transcript(text.encode())]


def test_zoom_names_are_line_prefixes() -> None:
    assert read(ZOOM) == [
        ("Ana Lopez", "Good morning: shall we start?"),
        ("Ben de Vries", "Yes. The plan: go."),
        ("Ben de Vries", "it is short"),
    ]


def test_teams_names_are_voice_tags() -> None:
    cues = read_platform_transcript(TEAMS.encode())
    assert [(cue.speaker, cue.text) for cue in cues] == [
        ("Ana Lopez", "We <really> lost the customer."),
        ("Ben & Co", "Oh no."),
        ("Ana Lopez", "Yes, I am afraid."),
    ]
    assert cues[1].end == cues[2].start, "two voices share the time of their cue"
    assert (cues[1].start, cues[2].end) == (3.6, 5.0)


def test_srt_is_parsed() -> None:
    assert read(SRT) == [("Ana", "We lost it."), ("Ben", "Oh no.")]
    assert names_speakers(read_platform_transcript(SRT.encode()))


def test_utf_16_is_detected_by_its_byte_order_mark() -> None:
    assert read_platform_transcript(SRT.encode("utf-16"))[0].speaker == "Ana"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("I <3 you", "I <3 you"),
        ("a <b>bold</b> < word", "a bold < word"),
        ("more &#99999999999999999999999; &#65;", "more \ufffd; A"),
        ("&#" + "9" * 5000, "\ufffd"),
    ],
)
def test_markup_that_is_none_is_text(body: str, text: str) -> None:
    assert read(f"WEBVTT\n\n00:01.000 --> 00:02.000\n{body}\n") == [(None, text)]


def test_json_of_version_1_is_parsed() -> None:
    given = transcript()
    fields = json.loads(given.model_dump_json(exclude={"turns"})) | {"schema_version": 1}
    rendered = FORMATS["json"].render(given, emotion=True)
    assert read_platform_transcript(json.dumps(fields).encode()) == read_platform_transcript(rendered)


def test_utterance_of_blanks_has_no_words() -> None:
    given = transcript()
    blank = given.utterances[0].model_copy(update={"text": " ", "words": ()})
    content = given.model_copy(update={"utterances": (blank, given.utterances[1])}).model_dump_json()
    assert [cue.text for cue in read_platform_transcript(content.encode())] == [given.utterances[1].text]


def test_colon_in_a_sentence_is_not_a_name() -> None:
    captions = "\n\n".join(
        f"00:0{n}.000 --> 00:0{n}.900\n{text}"
        for n, text in enumerate(["The plan: go", "we have", "Note this: no", "nothing else", "to say", "today"])
    )
    cues = read_platform_transcript(f"WEBVTT\n\n{captions}\n".encode())
    assert not names_speakers(cues)
    assert cues[0].text == "The plan: go"


def test_inline_word_times_are_kept() -> None:
    (cue,) = read_platform_transcript(
        b"WEBVTT\n\n00:01.000 --> 00:03.000\n<v Ana>We <00:01.500>lost the <00:02.500><c>game</c></v>\n"
    )
    words = words_of(cue, SpeechClock([]))
    assert [(word.text, word.start, word.end) for word in words] == [
        ("We", 1.0, 1.5), ("lost", 1.5, 2.0), ("the", 2.0, 2.5), ("game", 2.5, 3.0),
    ]  # fmt: skip
    assert {word.speaker for word in words} == {"Ana"}


def test_exported_json_is_parsed_with_its_words() -> None:
    given = transcript()
    cues = read_platform_transcript(FORMATS["json"].render(given, emotion=True))
    assert [cue.text for cue in cues] == [u.text for u in sorted(given.utterances, key=lambda u: u.start)]
    assert cues[0].speaker == given.speakers[0].name
    assert [word.text for word in words_of(cues[0], SpeechClock([]))] == [
        word.text for word in given.utterances[0].words
    ]


@pytest.mark.parametrize("form", ["vtt", "srt"])
def test_exported_captions_are_parsed(form: str) -> None:
    given = transcript()
    cues = read_platform_transcript(FORMATS[form].render(given, emotion=False))
    text = " ".join(cue.text for cue in cues)
    assert text.replace("‹", "<").replace("›", ">") == " ".join(
        " ".join(u.text.replace("\x07", "").split()) for u in sorted(given.utterances, key=lambda u: u.index)
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "neither WebVTT"),
        (b"Just a letter.", "neither WebVTT"),
        (b"WEBVTT\n\n00:01.000 --> 00:02.000\n\n", "no words"),
        (b"WEBVTT\n\nsoon --> later\nHello\n", "Line 3"),
        (b"WEBVTT\n\n00:05.000 --> 00:02.000\nHello\n", "line 3 ends before"),
        (b"\xff\x00\xff", "UTF-8"),
        (b" " * (MAX_BYTES + 1), "larger than 20 MiB"),
        (b'{"utterances": []}', "not an Undertone transcript"),
        (b'{"broken', "its beginning"),
        (
            FORMATS["json"].render(transcript(), emotion=True).replace(b'"schema_version": 2', b'"schema_version": 7'),
            "version 7",
        ),
    ],
)
def test_invalid_transcript_is_rejected(content: bytes, message: str) -> None:
    with pytest.raises(InvalidTranscript, match=message):
        read_platform_transcript(content)


def test_words_without_times_are_distributed_over_the_speech_in_the_cue() -> None:
    cue = Cue(start=0, end=10, text="aaaa bbbb cccc dddd", speaker="Ana")
    words = words_of(cue, SpeechClock([span(1, 2), span(7, 8), span(20, 30)]))
    assert [(word.start, word.end) for word in words] == [(1.0, 1.5), (1.5, 2.0), (7.0, 7.5), (7.5, 8.0)]


def test_words_in_a_silent_cue_are_distributed_over_the_cue() -> None:
    words = words_of(Cue(start=2, end=4, text="one two"), SpeechClock([]))
    assert [(word.start, word.end) for word in words] == [(2.0, 3.0), (3.0, 4.0)]


def test_rounded_word_times_stay_in_the_cue() -> None:
    cue = Cue(start=0, end=1, text=" ".join("abc" for _ in range(37)))
    words = words_of(cue, SpeechClock([span(0.1, 0.3), span(0.5, 0.7000001)]))
    assert all(0 <= one.start <= one.end <= 1 for one in words)
    assert words[-1].end == pytest.approx(0.7, abs=1e-3)
