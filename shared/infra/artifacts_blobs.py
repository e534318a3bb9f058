"""Artifacts in the blob store: made in a folder, uploaded file by file, there once their manifest is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from shared.domain.blob import Blob
from shared.domain.error import NotFound, StoredDataMissing
from shared.domain.value import Value
from shared.infra.artifacts_folder import FolderArtifacts
from shared.infra.blobs_counted import BLOCK, HashingReader
from shared.ports.blobs import BlobStore

MANIFEST = "manifest.json"


class ArtifactManifest(Value):
    """Every file of an artifact; it is written last, so an artifact without one is not there."""

    files: Mapping[str, Blob]


class BlobArtifacts:
    """`folder` is a key in the blob store, `room` an empty folder on this machine that the caller removes.

    `check` is called before each write and raises once the right to write is lost.
    """

    def __init__(
        self, blobs: BlobStore, tenant: str, folder: str, workdir: Path, check: Callable[[], None] = lambda: None
    ) -> None:
        self._blobs = blobs
        self._tenant = tenant
        self._folder = folder
        self._workdir = workdir
        self._local = FolderArtifacts(workdir)
        self._check = check
        self.made: list[str] = []  # keys that were not there before

    def find(self, key: str) -> Path | None:
        """What is not whole any more is not there: its stage makes it anew."""
        try:
            return self.fetch(key)
        except StoredDataMissing:
            return None

    def fetch(self, key: str, *, ending: str = "") -> Path | None:
        """The artifact on this machine, or only those of its files whose names end so."""
        if found := self._local.find(key):
            return found
        manifest = self._manifest(key)
        if manifest is None:
            return None
        with self._local.making(key) as folder:
            for name, blob in manifest.files.items():
                if name.endswith(ending):
                    self._download(f"{self._folder}/{key}/{name}", folder / name, blob)
        return self._local.find(key)

    @contextmanager
    def making(self, key: str) -> Iterator[Path]:
        with self._local.making(key) as folder:
            yield folder
        self._upload(key, self._workdir / key)
        self.made.append(key)

    def _manifest(self, key: str) -> ArtifactManifest | None:
        try:
            content = b"".join(self._blobs.read(self._tenant, f"{self._folder}/{key}/{MANIFEST}"))
        except NotFound:
            return None
        return ArtifactManifest.model_validate_json(content)

    def _upload(self, key: str, folder: Path) -> None:
        files: dict[str, Blob] = {}
        for path in sorted(folder.iterdir()):
            self._check()
            files[path.name] = self._blobs.put(self._tenant, f"{self._folder}/{key}/{path.name}", blocks_of(path))
        self._check()
        manifest = ArtifactManifest(files=files).model_dump_json().encode()
        self._blobs.put(self._tenant, f"{self._folder}/{key}/{MANIFEST}", [manifest])

    def _download(self, key: str, target: Path, blob: Blob) -> None:
        download(self._blobs, self._tenant, key, target, blob.sha256)


def download(blobs: BlobStore, tenant: str, key: str, target: Path, sha256: str) -> None:
    """Bring a blob to this machine; what is not what was stored is not used."""
    try:
        counted = HashingReader(blobs.read(tenant, key), None)
    except NotFound:
        raise StoredDataMissing("A file of this job is no longer in storage.") from None
    with target.open("wb") as out:
        for block in counted:
            out.write(block)
    if counted.blob.sha256 != sha256:
        raise StoredDataMissing("A file of this job is not what was stored.")


def blocks_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block
