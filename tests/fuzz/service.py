"""`python -m tests.fuzz.service FOLDER`: the API with two tenants, each with a finished job, and no outbound requests.

It prints one line of JSON, with its address and for each tenant a key, the ids of what it owns, and a secret word.
"""

from __future__ import annotations

import json
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import structlog
from pydantic import SecretStr

from services.cli.web import create_web
from services.gateway.context import Deployment
from services.gateway.settings import GatewaySettings
from shared.domain.job_blobs import recording_key, transcript_key
from shared.domain.tenant import Scope
from shared.domain.webhook import EventType, WebhookEndpoint
from shared.exports.document import render_json
from shared.infra.blobs_folder import FolderBlobs
from shared.infra.database.engine import Database, open_database
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.search import SqlTranscriptIndex
from shared.infra.database.webhooks import SqlEndpointStore
from shared.infra.database.work import SqlWorkStore
from shared.infra.key_verifier import make_key
from shared.infra.secret_encryption import SecretSettings, new_key
from shared.infra.settings import StorageSettings
from tests.exports.sample import transcript
from tests.fakes import utterance
from tests.gateway.serving import MP4, MemoryQueue, running
from tests.service_fakes import ONE_STAGE, held, new_job

# `theirs` may do less, so that missing scopes are tried as well.
SCOPES = {"ours": set(Scope), "theirs": {Scope.RECORDINGS_WRITE, Scope.TRANSCRIPTS_READ}}


def refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: no name is resolved, and only loopback addresses are connected to."""
    if event == "socket.getaddrinfo" and arguments[0] not in ("127.0.0.1", "::1", None):
        raise socket.gaierror(socket.EAI_NONAME, "no network")
    if event == "socket.connect" and isinstance(arguments[1], tuple) and arguments[1][0] not in ("127.0.0.1", "::1"):
        raise ConnectionRefusedError


def own(database: Database, blobs: FolderBlobs, tenant: str) -> dict[str, Any]:
    """Give a tenant a key, a finished job with a secret word in everything, and a webhook."""
    word = f"secret{tenant}zyx"
    keys = SqlKeyStore(database)
    keys.ensure_tenant(tenant)
    text, key = make_key(tenant, SCOPES[tenant], database.now)
    keys.add(key)
    job = SqlJobStore(database).add(tenant, new_job(ONE_STAGE, metadata={"word": word}))
    said = tuple(utterance(number, 2 * number, 2 * number + 1, "S1", f"{word} {number}") for number in range(3))
    made = transcript(said).model_copy(update={"job_id": job.id})
    blobs.put(tenant, transcript_key(job.id), [render_json(made, emotion=True)])
    blobs.put(tenant, recording_key(job.id), [MP4, word.encode()])
    SqlTranscriptIndex(database).index_transcript(tenant, made)
    work = SqlWorkStore(database)
    work.publish(held(work, job.id, "publish"), seconds=1)
    endpoint = WebhookEndpoint(
        id=f"{tenant:0>32}".replace("_", "0"),
        tenant=tenant,
        url=f"https://hook.example/{word}",
        event_types=frozenset(EventType),
        created_at=database.now,
    )
    SqlEndpointStore(database).add(endpoint)
    return {"key": text, "ids": [job.id, endpoint.id], "word": word}


def main(folder: Path) -> None:
    # Nobody reads standard output after the first line: a full pipe would stop the service.
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(sys.stderr))
    deployment = Deployment(
        gateway=GatewaySettings(requests_per_minute=1_000_000, events_poll_seconds=0.05, idle_seconds=2.0),
        storage=StorageSettings(folder=folder, reserve_mb=1),
        secrets=SecretSettings(keys=SecretStr(new_key())),
    )
    database = open_database(f"sqlite:///{folder / 'undertone.db'}")
    blobs = FolderBlobs(folder / "blobs")
    tenants = {tenant: own(database, blobs, tenant) for tenant in SCOPES}
    sys.addaudithook(refuse_network)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with running(create_web(deployment, database, MemoryQueue())) as address:
        sys.stdout.write(json.dumps({"address": address, "tenants": tenants}) + "\n")
        sys.stdout.flush()
        signal.pause()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
