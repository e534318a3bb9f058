"""SageMaker's runtime API, as boto3's client `sagemaker-runtime` calls it and as SageMaker calls a container."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import anyio.to_thread
from fastapi import APIRouter, Request
from pydantic import ConfigDict, Field
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response

from services.gateway.body_parsers import download, read_whole, validate
from services.gateway.compat.api import CompatibleApi, UnsupportedOption, check_options, read_options
from services.gateway.compat.passages import Passage, utterances
from services.gateway.compat.synchronous import submit_or_join, transcript_when_done
from services.gateway.context import Context
from services.gateway.dependencies import Gateway, TranscriptCaller, UploadCaller
from services.gateway.job_intake import IncomingUpload
from shared.domain.job_request import JobRequest
from shared.infra.checks import run_checks
from shared.infra.storage_factory import open_bucket
from shared.infra.transcript_reader import VisibleTranscript
from shared.infra.web.dialect import Dialect, Failure

NAME = "sagemaker"
ENDPOINTS, INVOCATIONS, PING = "/endpoints", "/invocations", "/ping"
ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
PREFIX = "x-amzn-sagemaker-"
IGNORED = ("inference-id",)
S3 = "s3://"
JSON_TYPES = ("", "*/*", "application/json")
CREDENTIAL = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/,\s]+)/")  # the access key id, which is the API key
# The vendor's error types by our status; the client repeats a request after 429, 500, 502, 503 and 504.
ERRORS = {
    HTTPStatus.UNAUTHORIZED: (403, "UnrecognizedClientException"),
    HTTPStatus.FORBIDDEN: (403, "AccessDeniedException"),
    HTTPStatus.REQUEST_TIMEOUT: (503, "ServiceUnavailable"),
    HTTPStatus.CONFLICT: (424, "ModelError"),  # the job failed
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (413, "ValidationError"),
    HTTPStatus.TOO_MANY_REQUESTS: (429, "ThrottlingException"),
    HTTPStatus.BAD_GATEWAY: (530, "InternalDependencyException"),  # the recording could not be fetched
    HTTPStatus.SERVICE_UNAVAILABLE: (503, "ServiceUnavailable"),
    HTTPStatus.INSUFFICIENT_STORAGE: (413, "ValidationError"),
}

router = APIRouter(include_in_schema=False)


class Invocation(JobRequest):
    """A body of JSON: the address of the recording, and options of the native API; others are checked by name."""

    model_config = ConfigDict(extra="allow")

    video_path: str = Field(min_length=1, max_length=4000, repr=False)


@router.post(ENDPOINTS + "/{name}/invocations")
@router.post(INVOCATIONS)
async def invoke(request: Request, gateway: Gateway, caller: UploadCaller, reader: TranscriptCaller) -> Response:
    _check_headers(request.headers)
    body = gateway.body_of(request)
    is_json = request.headers.get("content-type", "").partition(";")[0].strip() == "application/json"

    def read(incoming: IncomingUpload) -> JobRequest:
        blocks = incoming.with_heartbeat(body.blocks())
        fields: dict[str, Any] = {}
        if is_json:
            wanted = validate(Invocation, read_whole(blocks))
            check_options(wanted.model_extra or {}, supported=(), ignored=())
            _fetch(gateway, incoming, wanted.video_path)
            fields = wanted.model_dump(include=set(JobRequest.model_fields), exclude_defaults=True)
        else:
            incoming.put_recording(None, blocks)
        return read_options(request.headers, fields)

    record = await submit_or_join(gateway, caller, request, read)
    shown = await transcript_when_done(gateway, reader, request, record.id, NAME)
    return JSONResponse(show(shown), headers={"x-Amzn-Invoked-Production-Variant": "undertone"})


@router.post(ENDPOINTS + "/{name}/async-invocations")
@router.post(ENDPOINTS + "/{name}/invocations-response-stream")
def refuse(caller: UploadCaller, name: str) -> None:
    del caller, name
    raise UnsupportedOption("Not supported: asynchronous and streamed invocations.", hint="Use POST /v1/recordings.")


@router.get(PING)
async def ping(gateway: Gateway) -> Response:
    """Whether SageMaker may send recordings to this container."""
    ready = all((await anyio.to_thread.run_sync(run_checks, gateway.checks)).values())
    return Response(status_code=HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)


def _check_headers(headers: Headers) -> None:
    given = {name.removeprefix(PREFIX): value for name, value in headers.items() if name.startswith(PREFIX)}
    check_options(given, supported=("custom-attributes",), ignored=IGNORED)
    if headers.get("accept", "") not in JSON_TYPES:
        raise UnsupportedOption("Not supported: Accept other than application/json.")


def _fetch(gateway: Context, incoming: IncomingUpload, address: str) -> None:
    if address.startswith(S3):
        bucket, _, key = address.removeprefix(S3).partition("/")
        label, blocks = key.rpartition("/")[2], _object(gateway, bucket, key)
        incoming.put_recording(label, incoming.with_heartbeat(blocks))
    elif urlsplit(address).scheme in ("https", "http"):  # OUTBOUND__PLAIN_HTTP allows http
        download(gateway, incoming, incoming.put_recording, address, None)
    else:
        raise UnsupportedOption("The video_path is s3://bucket/key or an https address.")


def _object(gateway: Context, bucket: str, key: str) -> Iterator[bytes]:
    """Only from buckets for recordings: that of the service has the data of every tenant."""
    storage = gateway.deployment.storage
    if not key or bucket not in gateway.settings.input_buckets or bucket == storage.bucket:
        raise UnsupportedOption(
            "The video_path names an object that this deployment does not read.",
            hint="The operator lists buckets for recordings in GATEWAY__INPUT_BUCKETS.",
        )
    return open_bucket(bucket, storage).read(key)


def show(shown: VisibleTranscript) -> dict[str, Any]:
    transcript = shown.transcript
    return {
        "utterances": [_utterance(one, shown) for one in utterances(transcript)],
        "undertone": {
            "job_id": transcript.job_id,
            "disclosure": transcript.disclosure.model_dump(mode="json"),
            "warnings": transcript.warnings,
        },
    }


def _utterance(passage: Passage, shown: VisibleTranscript) -> dict[str, Any]:
    reading = passage.emotion if shown.emotion else None
    return {
        "start_time": passage.start,
        "end_time": passage.end,
        "text": passage.text,
        "speaker": shown.transcript.speakers[passage.speaker].name,
        "emotions": _ranked(reading.scores.root) if reading else [],
        "sentiments": _ranked(reading.sentiment.scores.root) if reading else [],
    }


def _ranked(scores: dict[Any, float]) -> list[dict[str, Any]]:
    ranked = sorted(scores.items(), key=lambda pair: pair[1], reverse=True)
    return [{"label": label, "confidence": score} for label, score in ranked]


def _write_error(failure: Failure) -> tuple[int, dict[str, Any]]:
    server_error = failure.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    other = (500, "InternalFailure") if server_error else (400, "ValidationError")
    status, kind = ERRORS.get(HTTPStatus(failure.status), other)
    error: dict[str, Any] = {"__type": kind, "message": failure.message, "code": kind, "undertone_code": failure.code}
    if kind == "ModelError":
        error |= {"OriginalStatusCode": HTTPStatus.UNPROCESSABLE_ENTITY, "OriginalMessage": failure.message}
    return status, error


API = CompatibleApi(
    router=router,
    dialects=(
        Dialect(prefixes=(ENDPOINTS,), write_error=_write_error, key_schemes=(), key_pattern=CREDENTIAL),
        Dialect(prefixes=(INVOCATIONS,), write_error=_write_error, key_header=ATTRIBUTES, key_schemes=()),
    ),
    body_limits={ENDPOINTS: None, INVOCATIONS: None},
    open_paths=(PING,),
)
