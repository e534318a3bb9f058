"""Fixtures: the service over a real database and real blobs, with finished jobs of the sample transcript."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from services.results.app import results_services
from services.results.settings import FeatureSettings, ResultsSettings
from shared.domain.job_blobs import transcript_key
from shared.domain.job_record import JobFailure
from shared.domain.tenant import Scope
from shared.domain.transcript import Transcript
from shared.exports.document import render_json
from shared.infra.database.engine import Database, open_database
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.search import SqlTranscriptIndex
from shared.infra.database.work import SqlWorkStore
from shared.infra.key_verifier import make_key
from shared.infra.language_model import NotesSettings
from shared.infra.web.application import create_application
from shared.ports.blobs import BlobStore
from tests.exports.sample import transcript
from tests.service_fakes import ONE_STAGE, MovableClock, held, new_job
from tests.stores import Stores

READ = frozenset({Scope.TRANSCRIPTS_READ})
FEEL = READ | {Scope.EMOTIONS_READ}
ALL = FEEL | {Scope.RECORDINGS_WRITE}
ADMIN = frozenset({Scope.ADMIN})


@dataclass
class ResultsHarness:
    """The stores behind the service, and API keys for it."""

    database: Database
    blobs: BlobStore
    clock: MovableClock
    app: FastAPI
    stores: Stores

    def key(self, scopes: Collection[Scope] = ALL, tenant: str = "ours") -> str:
        text, key = make_key(tenant, scopes, self.clock.now)
        SqlKeyStore(self.database).add(key)
        return text

    def web(self, scopes: Collection[Scope] = ALL, tenant: str = "ours") -> TestClient:
        headers = {"Authorization": f"Bearer {self.key(scopes, tenant)}"}
        return TestClient(self.app, headers=headers)

    def queued(self, tenant: str = "ours", *, text_only: bool = False) -> str:
        new = new_job(ONE_STAGE)
        if text_only:
            job = new.job.model_copy(update={"platform_transcript": new.job.recording, "text_only": True})
            new = new.model_copy(update={"job": job})
        return SqlJobStore(self.database).add(tenant, new).id

    def done(self, tenant: str = "ours", published: Transcript | None = None, *, text_only: bool = False) -> Transcript:
        job_id = self.queued(tenant, text_only=text_only)
        made = (published or transcript()).model_copy(update={"job_id": job_id})
        self.blobs.put(tenant, transcript_key(job_id), [render_json(made, emotion=True)])
        SqlTranscriptIndex(self.database).index_transcript(tenant, made)
        work = SqlWorkStore(self.database)
        work.publish(held(work, job_id, "publish"), seconds=1)
        return made

    def erase(self, job_id: str) -> None:
        SqlJobStore(self.database).erase("ours", job_id, by="test", reason="asked")

    def failed(self, code: str) -> str:
        job_id, work = self.queued(), SqlWorkStore(self.database)
        work.fail(held(work, job_id, "publish"), JobFailure(code=code, message="It has no sound."))
        return job_id


def opened_app(
    database: Database,
    blobs: BlobStore,
    *,
    keyless: bool = False,
    per_minute: int = 100_000,
    origins: str = "",
    notes: NotesSettings | None = None,
) -> FastAPI:
    settings = ResultsSettings.model_validate(
        {"keyless": keyless, "cors_origins": origins, "requests_per_minute": per_minute}
    )
    return create_application(
        results_services(database, blobs, keyless=keyless, features=FeatureSettings(notes=notes or NotesSettings())),
        settings,
        database,
    )


@pytest.fixture
def harness(stores: Stores) -> Iterator[ResultsHarness]:
    clock = MovableClock()
    database = open_database(stores.database_url, clock=clock)
    for tenant in ("ours", "theirs"):
        SqlKeyStore(database).ensure_tenant(tenant)
    blobs = stores.blobs()
    yield ResultsHarness(database, blobs, clock, opened_app(database, blobs), stores)
    database.close()
