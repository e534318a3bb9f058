"""Callbacks with the whole transcript: the gateway renders them, since the courier reads no transcripts."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import unquote, urlsplit

from services.gateway.callbacks import Callback
from services.gateway.compat.deepgram.options import ListenOptions
from services.gateway.compat.deepgram.views import show
from services.gateway.compat.synchronous import read_transcript
from services.gateway.context import Context
from services.gateway.jobs import find_job
from shared.domain.error import JobFailed, UndertoneError
from shared.domain.tenant import Scope
from shared.domain.webhook import PayloadFormat, WebhookEndpoint
from shared.infra.web.authenticator import Caller

METADATA = "deepgram"  # the entry of a job's metadata with what its callback repeats


def callback_to(url: str, method: str) -> Callback:
    """Credentials in the URL become a header, which is stored encrypted."""
    payload = PayloadFormat.DEEPGRAM_PUT if method.upper() == "PUT" else PayloadFormat.DEEPGRAM
    parts = urlsplit(url)
    if parts.username is None:
        return Callback(url, payload)
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return Callback(bare, payload, f"Authorization: Basic {base64.b64encode(pair.encode()).decode()}")


def remember(options: ListenOptions, warnings: list[str], caller: Caller) -> dict[str, Any]:
    """The metadata of a job with a callback; its readings depend on the key that asked for it."""
    given = options.model_dump(mode="json", exclude_defaults=True)
    return {METADATA: {"options": given, "warnings": warnings, "emotion": caller.has_scope(Scope.EMOTIONS_READ)}}


def render_callbacks(gateway: Context) -> None:
    """Hand the callbacks of ended jobs to the courier; several gateways may do this at once."""
    for endpoint in gateway.endpoints.without_delivery(PayloadFormat.DEEPGRAM, PayloadFormat.DEEPGRAM_PUT):
        gateway.deliveries.add(endpoint, _body(gateway, endpoint))


def _body(gateway: Context, endpoint: WebhookEndpoint) -> bytes:
    job_id = endpoint.job_id or ""
    try:
        record = find_job(gateway, endpoint.tenant, job_id)
        wanted: Any = record.metadata.get(METADATA) or {}
        scopes = {Scope.TRANSCRIPTS_READ, *([Scope.EMOTIONS_READ] if wanted.get("emotion") else [])}
        caller = Caller(tenant=endpoint.tenant, key_id=record.key_id, scopes=frozenset(scopes))
        shown = read_transcript(gateway, caller, job_id, METADATA)
    except UndertoneError as error:
        code = error.job_code if isinstance(error, JobFailed) else error.code
        return json.dumps({"err_code": code.upper(), "err_msg": error.message, "request_id": job_id}).encode()
    options = ListenOptions.model_validate(wanted.get("options", {}))
    return json.dumps(show(record, shown, options, wanted.get("warnings", ())), ensure_ascii=False).encode()
