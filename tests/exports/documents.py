"""Reads exports back as text, with libraries other than those that write them."""

from __future__ import annotations

import io
import zipfile

from pypdf import PdfReader


def text_of(name: str, content: bytes) -> str:
    """All text that an export in this format contains, also what its reader does not show."""
    if name == "docx":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return "\n".join(archive.read(part).decode() for part in archive.namelist())
    if name == "pdf":
        reader = PdfReader(io.BytesIO(content))
        return "\n".join([str(reader.metadata), *(page.extract_text() for page in reader.pages)])
    return content.decode()
