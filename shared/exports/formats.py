"""The table of export formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from shared.domain.transcript import Transcript
from shared.exports import docx
from shared.exports.annotations import render_ctm, render_eaf, render_rttm, render_stm, render_textgrid
from shared.exports.document import render_json, render_markdown, render_txt
from shared.exports.pdf import render_pdf
from shared.exports.subtitles import render_srt, render_vtt
from shared.exports.tables import render_csv


class Render(Protocol):
    def __call__(self, transcript: Transcript, *, emotion: bool) -> bytes:
        """The content of the file; `emotion=False` omits all readings."""
        ...


@dataclass(frozen=True, slots=True)
class Format:
    suffix: str
    media_type: str
    render: Render


FORMATS: Mapping[str, Format] = {
    form.suffix: form
    for form in (
        Format("json", "application/json", render_json),
        Format("vtt", "text/vtt", render_vtt),
        Format("srt", "application/x-subrip", render_srt),
        Format("txt", "text/plain", render_txt),
        Format("md", "text/markdown", render_markdown),
        Format("csv", "text/csv", render_csv),
        Format("rttm", "text/plain", render_rttm),
        Format("ctm", "text/plain", render_ctm),
        Format("stm", "text/plain", render_stm),
        Format("TextGrid", "text/plain", render_textgrid),
        Format("eaf", "application/xml", render_eaf),
        Format("docx", docx.MEDIA_TYPE, docx.render_docx),
        Format("pdf", "application/pdf", render_pdf),
    )
}
