"""Fetches weights from a hub: downloads are resumable, verified, and moved into place only when complete."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx

from shared.domain.error import EngineUnavailable, StorageFull
from shared.engines.settings import EngineSettings
from shared.engines.weights.installed import (
    MANIFEST,
    HubFile,
    HubModel,
    WeightsManifest,
    folder_of,
    hub_model,
    verify,
)

BESIDE_WEIGHTS = re.compile(r"(config|preprocessor_config|tokenizer|vocabulary)\.(json|txt)")
MAX_BYTES = 8 * 2**30
MAX_REDIRECTS = 5
RESERVE = 256 * 2**20  # bytes of disk space to leave free

Progress = Callable[[int, int], None]  # bytes downloaded, total bytes


def fetch(name: str, settings: EngineSettings, progress: Progress) -> Path:
    """Fetch the weights, except files that are already complete; return their folder."""
    model = hub_model(name)
    if settings.commercial_only and not model.commercial_use:
        raise EngineUnavailable(
            f"The weights {name} may not be used commercially, and ENGINES__COMMERCIAL_ONLY is set."
        )
    target = folder_of(name, settings)
    partial = target.with_name(f".{target.name}.partial")
    partial.mkdir(parents=True, exist_ok=True)
    try:
        with _locked(partial), httpx.Client(timeout=30.0, follow_redirects=False, trust_env=True) as client:
            manifest = _manifest(client, model, settings.hub_url)
            _fetch_files(client, manifest, settings.hub_url, partial, progress)
            (partial / MANIFEST).write_text(manifest.model_dump_json(indent=2))
            shutil.rmtree(target, ignore_errors=True)
            (partial / ".lock").unlink()
            partial.rename(target)
    except httpx.HTTPError as error:
        raise EngineUnavailable(
            f"{name} could not be fetched: {type(error).__name__}.",
            hint=f"Check the connection to {settings.hub_url}; then `{model.hint}` resumes the download.",
        ) from error
    return target


def _manifest(client: httpx.Client, model: HubModel, hub: str) -> WeightsManifest:
    """Get the repository's files at its current revision, with their hashes, from the hub."""
    url = f"{hub}/api/models/{model.repository}?blobs=true"
    with _get(client, url) as response:
        response.read()
        listing = response.json()
    files = tuple(
        HubFile(
            path=entry["rfilename"],
            size=entry["size"],
            sha256=(entry.get("lfs") or {}).get("sha256"),
            blob_id=entry.get("blobId"),
        )
        for entry in listing["siblings"]
        if entry["rfilename"] == model.weights or BESIDE_WEIGHTS.fullmatch(entry["rfilename"])
    )
    if not any(file.path == model.weights and file.sha256 for file in files):
        raise EngineUnavailable(f"{model.repository} contains no supported weights.")
    if sum(file.size for file in files) > MAX_BYTES:
        raise EngineUnavailable(f"{model.repository} is larger than {MAX_BYTES // 2**30} GiB.")
    return WeightsManifest(repository=model.repository, revision=listing["sha"], files=files)


def _fetch_files(client: httpx.Client, manifest: WeightsManifest, hub: str, folder: Path, progress: Progress) -> None:
    total = sum(file.size for file in manifest.files)
    finished = 0
    for file in manifest.files:
        path = folder / file.path
        url = f"{hub}/{manifest.repository}/resolve/{manifest.revision}/{quote(file.path)}"
        if not verify(path, file):
            for received in _download(client, url, path, file):
                progress(finished + received, total)
            if not verify(path, file):
                path.unlink(missing_ok=True)
                raise EngineUnavailable(f"{file.path} does not match the hash from the hub; it was deleted.")
        finished += file.size
        progress(finished, total)


def _download(client: httpx.Client, url: str, path: Path, file: HubFile) -> Iterator[int]:
    """Download the rest of the file and yield the bytes downloaded so far."""
    have = path.stat().st_size if path.exists() else 0
    if have >= file.size:
        path.unlink(missing_ok=True)
        have = 0
    if shutil.disk_usage(path.parent).free - (file.size - have) < RESERVE:
        raise StorageFull(
            f"There is not enough disk space for {file.path} ({file.size // 2**20} MiB).", hint="Free some space."
        )
    with _get(client, url, {"Range": f"bytes={have}-"} if have else {}) as response:
        resumed = response.status_code == httpx.codes.PARTIAL_CONTENT
        received = have if resumed else 0
        with path.open("ab" if resumed else "wb") as out:
            for block in response.iter_raw(1 << 20):
                received += len(block)
                if received > file.size:
                    raise EngineUnavailable(f"{file.path} is larger than the hub announced.")
                out.write(block)
                yield received
            out.flush()
            os.fsync(out.fileno())


@contextmanager
def _get(client: httpx.Client, url: str, headers: dict[str, str] | None = None) -> Iterator[httpx.Response]:
    """Follow redirects manually: a hub redirects large files to its storage, but never from https to http."""
    first = urlsplit(url)
    for _ in range(MAX_REDIRECTS + 1):
        plain_allowed = first.scheme == "http" and urlsplit(url).hostname == first.hostname
        if urlsplit(url).scheme != "https" and not plain_allowed:
            raise EngineUnavailable("The hub redirected to an address that is not https.")
        with client.stream("GET", url, headers={"Accept-Encoding": "identity", **(headers or {})}) as response:
            if response.has_redirect_location:
                url = str(response.url.join(response.headers["location"]))
                continue
            if response.status_code == httpx.codes.NOT_FOUND:
                raise EngineUnavailable(f"The hub does not have {urlsplit(url).path}.")
            response.raise_for_status()
            yield response
            return
    raise EngineUnavailable("The hub sent too many redirects.")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock the folder, so that parallel fetches of the same weights run one after the other."""
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
