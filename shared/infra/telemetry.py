"""Optional tracing: every job is one trace whose id is the job id, so that messages need no trace context."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from pydantic import SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.domain.error import InvalidSetting


class TelemetrySettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="TELEMETRY__", frozen=True)

    endpoint: str = ""
    """An OpenTelemetry collector that takes OTLP over HTTP, such as http://collector:4318; empty: no traces."""

    headers: SecretStr = SecretStr("")
    """Headers for the collector, as comma-separated name=value pairs."""

    @field_validator("headers")
    @classmethod
    def _named(cls, headers: SecretStr) -> SecretStr:
        if not all(name.strip() and part for name, part, _ in _pairs(headers)):
            raise ValueError("headers must be comma-separated name=value pairs")
        return headers

    @property
    def header_values(self) -> dict[str, str]:
        return {name.strip(): value.strip() for name, _, value in _pairs(self.headers)}


def _pairs(headers: SecretStr) -> list[tuple[str, str, str]]:
    return [one.partition("=") for one in headers.get_secret_value().split(",") if one.strip()]


class TraceSpanKind(StrEnum):
    """The OpenTelemetry span kinds that are used."""

    SERVER = "server"
    CLIENT = "client"
    CONSUMER = "consumer"


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSpan:
    """A finished operation with its duration. Attributes are ids, counts and codes; no content, names or paths."""

    name: str
    kind: TraceSpanKind
    started_ns: int  # nanoseconds since 1970
    ended_ns: int = field(default_factory=time.time_ns)
    job_id: str | None = None  # the job's trace; None: a new trace
    starts_job: bool = False  # the root span of the job's trace
    failed: bool = False
    attributes: Mapping[str, str | int | float | bool] = field(default_factory=dict)


class Tracer(Protocol):
    def record(self, span: TraceSpan) -> None:
        """Records a span without blocking, even if it cannot be sent."""
        ...

    def close(self) -> None:
        """Sends the spans that are still buffered."""
        ...


class NullTracer:
    def record(self, span: TraceSpan) -> None:
        """Discards the span."""

    def close(self) -> None:
        pass


NULL_TRACER = NullTracer()


def make_tracer(settings: TelemetrySettings, service: str) -> Tracer:
    if not settings.endpoint:
        return NULL_TRACER
    try:
        # Optional, so that images without telemetry stay small.
        from shared.infra.telemetry_otlp import OtlpTracer  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise InvalidSetting(
            "TELEMETRY__ENDPOINT is set, but the OpenTelemetry packages are not installed.",
            hint="pip install 'undertone[telemetry]', or build the images with UNDERTONE_TELEMETRY=1; "
            "or leave TELEMETRY__ENDPOINT empty.",
        ) from error
    return OtlpTracer(settings.endpoint, settings.header_values, service)
