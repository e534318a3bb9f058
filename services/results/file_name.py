"""The file name of a download: the recording's name without characters that are unsafe in file systems or headers."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath
from urllib.parse import quote

MAX_LENGTH = 100
# Control characters, marks that change the text direction, and characters reserved by Windows or a shell.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff<>:"/\\|?*%;\']+')
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)", re.IGNORECASE)


def file_name(recording: str, suffix: str) -> str:
    """`stand up.mp4` and `vtt` become `stand up.vtt`; a name without safe characters becomes `transcript`."""
    name = PurePosixPath(recording.replace("\\", "/")).name
    stem = name.rpartition(".")[0] or name
    stem = _UNSAFE.sub("_", unicodedata.normalize("NFC", stem))[:MAX_LENGTH].strip(" ._")
    # Half of a surrogate pair cannot be encoded.
    stem = stem.encode("utf-8", errors="ignore").decode()
    return f"{'transcript' if not stem or _DEVICES.fullmatch(stem) else stem}.{suffix}"


def disposition(name: str, *, inline: bool = False) -> str:
    """The Content-Disposition header with an ASCII name for old clients and the full name (RFC 6266)."""
    plain = re.sub(r"[^\x20-\x7e]", "_", name)
    kind = "inline" if inline else "attachment"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
