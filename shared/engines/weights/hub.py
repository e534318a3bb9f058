"""Downloads weights from a Hugging Face hub, or a mirror of it, at a pinned revision."""

from __future__ import annotations

import errno
import io
import logging
from collections.abc import Callable
from pathlib import Path

from shared.domain.error import EngineUnavailable
from shared.engines.settings import EngineSettings
from shared.engines.weights.description import Weights
from shared.engines.weights.installed import matches

ANSWER_SECONDS = 5.0  # for a first answer: a machine without a network must not wait longer

Progress = Callable[[int, int], None]  # bytes so far, all bytes


def fetch_from_hub(weights: Weights, settings: EngineSettings, folder: Path, progress: Progress) -> str:
    """Download the files that are missing in the folder, continue incomplete ones, and return the address."""
    # Imported late: it takes 0.3 s, and most commands fetch nothing.
    import httpx2  # noqa: PLC0415
    from huggingface_hub import get_hf_file_metadata, hf_hub_url  # noqa: PLC0415
    from huggingface_hub.file_download import http_get  # noqa: PLC0415
    from huggingface_hub.utils.tqdm import disable_progress_bars  # noqa: PLC0415

    disable_progress_bars()  # the caller shows the progress of all files
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    done = 0
    for file in weights.files:
        path = folder / file.path
        url = hf_hub_url(weights.repository, file.path, revision=weights.revision, endpoint=settings.hub_url)
        if not matches(path, file):
            if path.exists() and path.stat().st_size >= file.size:
                path.unlink()
            try:
                get_hf_file_metadata(url, token=False, timeout=ANSWER_SECONDS)  # unlike the download, without retries
                with _Output(path, done, weights.bytes, progress) as out:
                    http_get(url, out, resume_size=out.tell(), expected_size=file.size)
            except (httpx2.HTTPError, OSError) as error:
                if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise
                raise EngineUnavailable(f"{settings.hub_url} did not send {file.path} ({_reason(error)}).") from error
        done += file.size
        progress(done, weights.bytes)
    return f"{settings.hub_url}/{weights.repository} at {weights.revision}"


class _Output(io.FileIO):
    """A file that is continued, and that reports the bytes of all files so far."""

    def __init__(self, path: Path, before: int, total: int, progress: Progress) -> None:
        super().__init__(path, "ab")
        self._before = before
        self._total = total
        self._progress = progress

    def write(self, block: bytes) -> int:  # type: ignore[override]
        written = super().write(block)
        self._progress(self._before + self.tell(), self._total)
        return written


def _reason(error: Exception) -> str:
    response = getattr(error, "response", None)
    return type(error).__name__ if response is None else f"status {response.status_code}"
