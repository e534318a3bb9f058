"""DOCX and PDF are read back, whatever a transcript contains."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from docx import Document
from pypdf import PdfReader

from shared.domain.emotion import EMOTIONS
from shared.domain.speech import Utterance
from shared.domain.transcript import Transcript
from shared.exports.docx import render_docx
from shared.exports.pdf import BOXES, render_pdf
from tests.exports.documents import text_of
from tests.exports.sample import ANA, BEN, EVE, transcript
from tests.exports.test_summary import meeting, with_emotion
from tests.fakes import reading, utterance

HEBREW, ARABIC, JAPANESE = "שלום לכולם", "مرحبا بالجميع", "こんにちは"
ATTACKS = [
    "<w:p><w:r><w:t>x</w:t></w:r></w:p>",
    "]]></w:t><!-- & &amp; &lt;",
    "<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]>&y;",
    "(\\) Tj ET <</S/JavaScript/JS(app.alert(1))>>",
    '=HYPERLINK("http://example.com")',
    "\x00\x01\x07\x1b[31m\x0b\x0c\x85\u2028\ufffe\uffff\x9f",
    "\u202eevil\u202c \u2066x\u2069 \u200f",
    f"{HEBREW} and {ARABIC} 123",
    "a" * 3000,
    "😀 𝒳 " + JAPANESE,
    "e\u0301" * 50,
]


def attacked(text: str) -> Transcript:
    """The text as title, name and words."""
    one = Utterance(index=0, start=0, end=2, speaker="S1", text=text, words=())
    made = transcript((one,))
    named = made.speakers[0].model_copy(update={"name": text})
    recording = made.recording.model_copy(update={"name": text})
    return made.model_copy(update={"speakers": (named,), "recording": recording, "language": 'en"><x/>'})


def pages(content: bytes) -> list[str]:
    return [page.extract_text() for page in PdfReader(io.BytesIO(content), strict=True).pages]


def test_docx_has_title_talk_time_and_every_utterance() -> None:
    document = Document(io.BytesIO(render_docx(transcript(), emotion=True)))
    assert document.core_properties.title == "stand up.mp4"
    texts = [one.text for one in document.paragraphs]
    assert texts[:2] == ["stand up.mp4", transcript().disclosure.notice]
    assert [one.text for one in document.paragraphs if one.style and one.style.name == "Heading 1"] == [
        "Talk time",
        "Transcript",
    ]
    rows = [[cell.text for cell in row.cells] for row in document.tables[0].rows]
    assert rows[0] == ["Speaker", "Talk time", "Share"] and [row[0] for row in rows[1:]] == [ANA, BEN, EVE]
    assert f"{ANA}  00:00:00  sadness 60%\nWe lost the customer --> yesterday." in texts
    assert f'{BEN}  00:00:03\nShe said "no" & left <there> at once.' in texts
    assert texts[-1] == f"{BEN}  99:59:59  sadness 60%\nFour days later."


def test_pdf_has_the_summary_the_drawings_and_every_utterance() -> None:
    content = render_pdf(transcript(), emotion=True)
    reader = PdfReader(io.BytesIO(content), strict=True)
    assert reader.metadata is not None and reader.metadata.title == "stand up.mp4"
    text = " ".join("\n".join(pages(content)).split())
    assert transcript().disclosure.notice in text
    assert "We lost the customer --> yesterday." in text and 'She said "no" & left <there> at once.' in text
    assert f"{ANA}: 2 turns" in text and "sadness 60%" in text and "99:59:59" in text
    outline: list[Any] = reader.outline
    assert [one.title for one in outline] == [
        "Talk time",
        "Perceived emotion of each speaker",
        "Course of the perceived valence",
        "Transcript",
    ]


def test_turning_points_lead_into_the_transcript() -> None:
    good, bad = (reading(joy=0.7).model_copy(update={"valence": value}) for value in (0.7, -0.6))
    made = meeting(
        with_emotion(utterance(0, 0, 50), good), with_emotion(utterance(1, 60, 110, text="turning words"), bad)
    )
    reader = PdfReader(io.BytesIO(render_pdf(made, emotion=True)))
    assert (
        "1. At 00:00:55 it goes from +0.70 to -0.60."
        in reader.pages[0].extract_text() + reader.pages[-1].extract_text()
    )
    links = [note.get_object() for page in reader.pages for note in page.get("/Annots", [])]
    (target,) = [page for page in reader.pages for link in links if page.indirect_reference == link["/Dest"][0]]
    assert "turning words" in target.extract_text()


@pytest.mark.parametrize(("name", "render"), [("docx", render_docx), ("pdf", render_pdf)])
def test_documents_without_emotion_name_none(name: str, render: Any) -> None:
    bare, whole = (text_of(name, render(transcript(), emotion=emotion)) for emotion in (False, True))
    assert not [label for label in EMOTIONS if label in bare]
    assert "sadness" in whole
    assert "Four days later." in bare


@pytest.mark.parametrize("text", ATTACKS)
def test_docx_is_valid_whatever_is_said(text: str) -> None:
    content = render_docx(attacked(text), emotion=True)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None and len(archive.namelist()) == 6
        for part in archive.namelist():
            ET.fromstring(archive.read(part))  # noqa: S314 - made by the code under test
    document = Document(io.BytesIO(content))
    assert len(document.paragraphs) == 5
    assert set(document.paragraphs[-1].text).isdisjoint("\x00\x07\x1b\u202e\u2066\ufffe")


@pytest.mark.parametrize("text", ATTACKS)
def test_pdf_is_valid_whatever_is_said(text: str) -> None:
    content = render_pdf(attacked(text), emotion=True)
    assert "Transcript" in "\n".join(pages(content))
    reader = PdfReader(io.BytesIO(content), strict=True)
    root: Any = reader.trailer["/Root"]
    assert {"/OpenAction", "/AA", "/AcroForm", "/Names"}.isdisjoint(root)
    assert all({"/AA", "/Annots"}.isdisjoint(page) for page in reader.pages)


def test_right_to_left_text_is_marked_and_drawn_in_its_order() -> None:
    given = transcript((utterance(0, 0, 2, text=HEBREW), utterance(1, 2, 4, text=ARABIC), utterance(2, 4, 6)))
    with zipfile.ZipFile(io.BytesIO(render_docx(given, emotion=False))) as archive:
        document = archive.read("word/document.xml").decode()
    assert document.count("<w:bidi/>") == 2 and document.count("<w:rtl/>") == 2
    assert HEBREW in document and ARABIC in document
    lines = [one.strip() for one in "\n".join(pages(render_pdf(given, emotion=False))).splitlines()]
    # A reader gets the letters as they are drawn, from left to right or in their own order.
    assert HEBREW in lines or HEBREW[::-1] in lines
    assert BOXES not in lines, "the font has both scripts"


def test_characters_without_glyphs_are_boxes_and_the_report_says_so() -> None:
    text = " ".join(
        "\n".join(pages(render_pdf(transcript((utterance(0, 0, 2, text=JAPANESE),)), emotion=False))).split()
    )
    assert BOXES in text and "□" * len(JAPANESE) in text


def test_long_words_are_divided_at_the_margin() -> None:
    word = "".join(chr(ord("a") + number % 26) for number in range(500))
    text = "".join("\n".join(pages(render_pdf(transcript((utterance(0, 0, 2, text=word),)), emotion=False))).split())
    assert word in text


def test_a_speaker_without_talk_and_a_page_full_of_speakers_are_drawn() -> None:
    given = transcript(tuple(utterance(n, 3 * n, 3 * n + 2, f"S{n % 3 + 1}") for n in range(3)))
    many = tuple(given.speakers[0].model_copy(update={"id": f"X{n}", "name": f"Guest {n}"}) for n in range(60))
    content = render_pdf(given.model_copy(update={"speakers": (*given.speakers, *many)}), emotion=True)
    assert "Guest 59" in "\n".join(pages(content))


def test_the_libraries_of_pdf_are_loaded_only_for_pdf() -> None:
    code = "import sys, shared.exports.formats; print([n for n in ('reportlab', 'bidi', 'PIL') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
