"""The stores of a test: SQLite and a folder, or the PostgreSQL and S3 servers that the environment names.

UNDERTONE_TEST_POSTGRES=postgresql://user:password@host/database and UNDERTONE_TEST_S3=http://key:secret@host:port
name the servers. Each test has its own schema and its own bucket.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import obstore
import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from shared.infra.blobs_object import s3_store
from shared.infra.database.engine import Database
from shared.infra.settings import StorageSettings
from shared.infra.storage_factory import open_blob_store, open_unencrypted_blobs
from shared.ports.blobs import BlobStore

POSTGRES = "UNDERTONE_TEST_POSTGRES"
POSTGRES_DATA = "UNDERTONE_TEST_POSTGRES_DATA"
S3 = "UNDERTONE_TEST_S3"
# A checkpoint removes old segments of the log; the first one needs a new segment, to which the log is switched.
MAINTENANCE = ("VACUUM FULL", "CHECKPOINT", "SELECT pg_switch_wal()", "CHECKPOINT")


@dataclass(frozen=True)
class Stores:
    folder: Path
    database_url: str
    bucket: dict[str, str]  # the fields of StorageSettings; empty for a folder
    master_keys: str = ""  # that encrypt the blobs, if any

    @property
    def settings(self) -> dict[str, Any]:
        """The fields of StorageSettings."""
        secret = {name: SecretStr(text) for name, text in self.bucket.items() if name.endswith("key")}
        keys = SecretStr(self.master_keys)
        return {"folder": self.folder, "reserve_mb": 0, "encryption_keys": keys, **self.bucket, **secret}

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a process that uses these stores."""
        bucket = {f"STORAGE__{name.upper()}": text for name, text in self.bucket.items()}
        return {
            "STORAGE__FOLDER": str(self.folder),
            "STORAGE__ENCRYPTION_KEYS": self.master_keys,
            "DATABASE__URL": self.database_url,
            **bucket,
        }

    @property
    def is_postgres(self) -> bool:
        return self.database_url.startswith("postgresql")

    def blobs(self, database: Database | None = None) -> BlobStore:
        """The blobs as a service opens them, or without a database as they are stored."""
        storage = StorageSettings(**self.settings)
        return open_unencrypted_blobs(storage) if database is None else open_blob_store(storage, database)

    def contents(self) -> Iterator[tuple[str, bytes]]:
        """The name and content of everything that the stores keep: files, objects, PostgreSQL's data folder."""
        folders = [self.folder]
        if self.is_postgres:
            folders.append(Path(os.environ[POSTGRES_DATA]))
        if self.bucket:
            yield from bucket_objects(self.bucket)
        for folder in folders:
            yield from ((str(path), path.read_bytes()) for path in folder.rglob("*") if path.is_file())

    def flush(self) -> None:
        """Makes PostgreSQL write rows and column statistics to its files; otherwise it does so at an unknown time."""
        self._execute("ANALYZE", "CHECKPOINT")

    def maintain(self) -> None:
        """Runs the commands of docs/operations.md that remove deleted data from PostgreSQL's files."""
        self._execute(*MAINTENANCE)

    def _execute(self, *statements: str) -> None:
        if not self.is_postgres:
            return
        address = make_url(self.database_url).set(drivername="postgresql+psycopg")
        engine = create_engine(address, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        engine.dispose()


@contextmanager
def opened_stores(folder: Path) -> Iterator[Stores]:
    if not (POSTGRES in os.environ and S3 in os.environ):
        yield Stores(folder, f"sqlite:///{folder / 'undertone.db'}", {})
        return
    with ExitStack() as after:
        address = after.enter_context(postgres_schema())
        yield Stores(folder, address, after.enter_context(s3_bucket()))


def stores_name() -> str:
    return "PostgreSQL and S3" if POSTGRES in os.environ and S3 in os.environ else "SQLite and a folder"


@contextmanager
def postgres_schema() -> Iterator[str]:
    """The URL of an empty schema of the test server."""
    if POSTGRES not in os.environ:
        pytest.skip(f"no PostgreSQL server (set {POSTGRES}=postgresql://user:password@host/database)")
    url = make_url(os.environ[POSTGRES])
    schema = f"test_{uuid4().hex}"
    admin = create_engine(url.set(drivername="postgresql+psycopg"))
    with admin.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    yield url.update_query_dict({"options": f"-csearch_path={schema}"}).render_as_string(hide_password=False)
    with admin.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    admin.dispose()


@contextmanager
def s3_bucket() -> Iterator[dict[str, str]]:
    """A new bucket of the test server, which accepts requests without a signature."""
    if S3 not in os.environ:
        pytest.skip(f"no S3 server (set {S3}=http://key:secret@host:port)")
    url = httpx.URL(os.environ[S3])
    endpoint = f"{url.scheme}://{url.host}:{url.port}"
    bucket = f"test-{uuid4().hex}"
    httpx.put(f"{endpoint}/{bucket}").raise_for_status()
    found = {"bucket": bucket, "endpoint": endpoint, "access_key": url.username, "secret_key": url.password}
    yield found
    storage = s3_store(region="us-east-1", **found)
    for batch in obstore.list(storage):
        obstore.delete(storage, [one["path"] for one in batch])
    httpx.delete(f"{endpoint}/{bucket}").raise_for_status()


def bucket_objects(bucket: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    storage = s3_store(region="us-east-1", **bucket)
    for batch in obstore.list(storage):
        for one in batch:
            yield one["path"], bytes(obstore.get(storage, one["path"]).bytes())
