"""Stores artifacts in the blob store: files are uploaded one by one, and the manifest completes the artifact."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from shared.domain.blob import Blob
from shared.domain.error import NotFound, StoredDataMissing
from shared.domain.value import Value
from shared.infra.artifacts_folder import FolderArtifacts
from shared.infra.hashing_reader import BLOCK, HashingReader
from shared.ports.blobs import BlobStore

MANIFEST = "manifest.json"


class ArtifactManifest(Value):
    """The list of an artifact's files; it is written last, so an artifact without a manifest does not exist."""

    files: Mapping[str, Blob]


class BlobArtifacts:
    """`folder` is a key prefix in the blob store; `workdir` is an empty local folder that the caller removes.

    `check` is called before each write and raises when the lease is lost.
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
        self.made: list[str] = []  # keys of newly created artifacts

    def find(self, key: str) -> Path | None:
        """Returns the artifact, or None if it is missing or incomplete; its stage then creates it again."""
        try:
            return self.fetch(key)
        except StoredDataMissing:
            return None

    def fetch(self, key: str, *, ending: str = "") -> Path | None:
        """Downloads the artifact, or only its files whose names end with `ending`, and returns the local folder."""
        if found := self._local.find(key):
            return found
        manifest = self._manifest(key)
        if manifest is None:
            return None
        with self._local.making(key) as folder:
            for name, blob in manifest.files.items():
                if name.endswith(ending):
                    download(self._blobs, self._tenant, f"{self._folder}/{key}/{name}", folder / name, blob.sha256)
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


def download(blobs: BlobStore, tenant: str, key: str, target: Path, sha256: str) -> None:
    """Downloads a blob and verifies its hash."""
    try:
        counted = HashingReader(blobs.read(tenant, key), None)
    except NotFound:
        raise StoredDataMissing("A file of this job is missing from storage.") from None
    with target.open("wb") as out:
        for block in counted:
            out.write(block)
    if counted.blob.sha256 != sha256:
        raise StoredDataMissing("A file of this job does not match its stored hash.")


def blocks_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block
