"""Export as DOCX for word processors: the speakers' talk time as a table, and the transcript as paragraphs.

Office Open XML is a ZIP of XML files; the few that a transcript needs are written here, always with the same bytes.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape, quoteattr

from shared.domain.transcript import Transcript
from shared.exports.direction import document_text, starts_right
from shared.exports.drawings import short_clock
from shared.exports.summary import summarize

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
WRITTEN = (1980, 1, 1, 0, 0, 0)  # the first date of ZIP: the same transcript gives the same bytes
XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
OFFICE = "http://schemas.openxmlformats.org"
WORD = f"{OFFICE}/wordprocessingml/2006/main"
TYPES = f"""{XML}<Types xmlns="{OFFICE}/package/2006/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Default Extension="xml" ContentType="application/xml"/>
<Override PartName="/word/document.xml" ContentType="{MEDIA_TYPE}.main+xml"/>
<Override PartName="/word/styles.xml" \
ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.styles+xml"/>
<Override PartName="/docProps/core.xml" ContentType="application/vnd.openxmlformats-package.core-properties+xml"/>
</Types>"""
RELATIONS = f"""{XML}<Relationships xmlns="{OFFICE}/package/2006/relationships">
<Relationship Id="r1" Type="{OFFICE}/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/>
<Relationship Id="r2" Type="{OFFICE}/package/2006/relationships/metadata/core-properties" Target="docProps/core.xml"/>
</Relationships>"""
DOCUMENT_RELATIONS = f"""{XML}<Relationships xmlns="{OFFICE}/package/2006/relationships">
<Relationship Id="r1" Type="{OFFICE}/officeDocument/2006/relationships/styles" Target="styles.xml"/>
</Relationships>"""
# Name, base style, properties of its paragraphs, properties of its text.
STYLES = (
    ("Normal", "", '<w:spacing w:after="120"/>', '<w:sz w:val="22"/>'),
    ("Title", "Normal", '<w:spacing w:after="60"/>', '<w:b/><w:sz w:val="36"/>'),
    (
        "Heading 1",
        "Normal",
        '<w:keepNext/><w:spacing w:before="240"/><w:outlineLvl w:val="0"/>',
        '<w:b/><w:sz w:val="28"/>',
    ),
    ("Disclosure", "Normal", "", '<w:i/><w:color w:val="565D66"/><w:sz w:val="20"/>'),
)
FACT = '<w:color w:val="565D66"/><w:sz w:val="18"/>'


def render_docx(transcript: Transcript, *, emotion: bool) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (
            ("[Content_Types].xml", TYPES),
            ("_rels/.rels", RELATIONS),
            ("word/_rels/document.xml.rels", DOCUMENT_RELATIONS),
            ("word/styles.xml", _styles(transcript.language)),
            ("word/document.xml", _document(transcript, emotion=emotion)),
            ("docProps/core.xml", _properties(transcript)),
        ):
            entry = zipfile.ZipInfo(name, WRITTEN)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return out.getvalue()


def _document(transcript: Transcript, *, emotion: bool) -> str:
    body = "".join(_body(transcript, emotion=emotion))
    page = '<w:sectPr><w:pgSz w:w="11906" w:h="16838"/><w:pgMar w:top="1134" w:right="1134" w:bottom="1134" '
    page += 'w:left="1134" w:header="567" w:footer="567" w:gutter="0"/></w:sectPr>'
    return f'{XML}<w:document xmlns:w="{WORD}"><w:body>{body}{page}</w:body></w:document>'


def _body(transcript: Transcript, *, emotion: bool) -> Iterator[str]:
    yield _paragraph([_run(document_text(transcript.recording.name))], "Title")
    yield _paragraph([_run(document_text(transcript.disclosure.notice))], "Disclosure")
    yield _paragraph([_run("Talk time")], "Heading1")
    speakers = summarize(transcript, emotion=False).speakers
    rows = [(document_text(one.name), short_clock(one.talk_seconds), f"{one.share:.0%}") for one in speakers]
    yield _table([("Speaker", "Talk time", "Share"), *rows])
    yield _paragraph([_run("Transcript")], "Heading1")
    names = {speaker: document_text(name) for speaker, name in transcript.names.items()}
    for utterance in transcript.utterances:
        name, text = names.get(utterance.speaker, utterance.speaker), document_text(utterance.text)
        facts = f"  {short_clock(utterance.start)}"
        if emotion and utterance.emotion:
            facts += f"  {utterance.emotion.label} {utterance.emotion.confidence:.0%}"
        runs = [_run(name, "<w:b/>"), _run(facts, FACT), "<w:r><w:br/></w:r>", _run(text)]
        yield _paragraph(runs, "Normal", right=starts_right(text))


def _paragraph(runs: Sequence[str], style: str, *, right: bool = False) -> str:
    direction = "<w:bidi/>" if right else ""
    return f'<w:p><w:pPr><w:pStyle w:val="{style}"/>{direction}</w:pPr>{"".join(runs)}</w:p>'


def _run(text: str, properties: str = "") -> str:
    properties += "<w:rtl/>" if starts_right(text) else ""
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{escape(text)}</w:t></w:r>'


def _table(rows: Sequence[Sequence[str]]) -> str:
    edges = "".join(f'<w:{edge} w:val="single" w:sz="4" w:color="D9D5CD"/>' for edge in ("top", "bottom", "insideH"))
    lines = []
    for number, row in enumerate(rows):
        cells = "".join(f"<w:tc><w:tcPr/>{_paragraph([_run(cell)], 'Normal')}</w:tc>" for cell in row)
        heading = "<w:trPr><w:tblHeader/></w:trPr>" if number == 0 else ""
        lines.append(f"<w:tr>{heading}{cells}</w:tr>")
    grid = "<w:tblGrid>" + '<w:gridCol w:w="3000"/>' * len(rows[0]) + "</w:tblGrid>"
    properties = f'<w:tblPr><w:tblW w:w="0" w:type="auto"/><w:tblBorders>{edges}</w:tblBorders></w:tblPr>'
    return f"<w:tbl>{properties}{grid}{''.join(lines)}</w:tbl>"


def _styles(language: str | None) -> str:
    defaults = (
        f'<w:rFonts w:ascii="Calibri" w:hAnsi="Calibri" w:cs="Arial"/><w:lang w:val={quoteattr(language or "en")}/>'
    )
    styles = []
    for name, base, paragraph, text in STYLES:
        key = name.replace(" ", "")
        first = ' w:default="1"' if name == "Normal" else ""
        inherits = f'<w:basedOn w:val="{base}"/>' if base else ""
        styles.append(
            f'<w:style w:type="paragraph"{first} w:styleId="{key}"><w:name w:val="{name}"/>{inherits}'
            f"<w:pPr>{paragraph}</w:pPr><w:rPr>{text}</w:rPr></w:style>"
        )
    return (
        f'{XML}<w:styles xmlns:w="{WORD}"><w:docDefaults><w:rPrDefault><w:rPr>{defaults}</w:rPr></w:rPrDefault>'
        f"</w:docDefaults>{''.join(styles)}</w:styles>"
    )


def _properties(transcript: Transcript) -> str:
    title = escape(document_text(transcript.recording.name))
    return (
        f'{XML}<cp:coreProperties xmlns:cp="{OFFICE}/package/2006/metadata/core-properties" '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{title}</dc:title><dc:creator>Undertone</dc:creator>'
        "</cp:coreProperties>"
    )
