"""Writes the captioned video: an mp4 with speaker, words and perceived emotion, burnt in or as a subtitle track."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from shared.domain.caption import CaptionLine
from shared.engines.captions.request import CaptionRequest
from shared.engines.decoder.sandbox import sandboxed_child
from shared.engines.settings import MediaSettings
from shared.ports.media import Progress


def caption_video(
    media: Path,
    lines: Sequence[CaptionLine],
    notice: str,
    target: Path,
    *,
    burn: bool,
    settings: MediaSettings,
    progress: Progress,
) -> None:
    """Write to a temporary file and rename it, so that the target is either complete or unchanged."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as folder, media.open("rb") as file:
        made = Path(folder, "captioned.mp4").resolve()
        request = CaptionRequest(
            media=f"/proc/self/fd/{file.fileno()}",
            into=str(made),
            burn=burn,
            notice=notice,
            lines=tuple(lines),
        )
        with sandboxed_child("captions", request, [file.fileno()], settings) as child:
            for report in child.reports():
                if report.progress is not None:
                    progress(report.progress)
        made.chmod(0o644)
        made.replace(target)
