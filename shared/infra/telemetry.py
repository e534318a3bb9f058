"""Traces by setting: every job is one trace whose id is the job's own, so that no message carries a context along."""

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
    """Headers that the collector asks for, as name=value with commas between."""

    @field_validator("headers")
    @classmethod
    def _named(cls, headers: SecretStr) -> SecretStr:
        if not all(name.strip() and part for name, part, _ in _pairs(headers)):
            raise ValueError("headers are written as name=value, with commas between")
        return headers

    @property
    def header_values(self) -> dict[str, str]:
        return {name.strip(): value.strip() for name, _, value in _pairs(self.headers)}


def _pairs(headers: SecretStr) -> list[tuple[str, str, str]]:
    return [one.partition("=") for one in headers.get_secret_value().split(",") if one.strip()]


class TraceSpanKind(StrEnum):
    """What a service was to whoever stands at the other end."""

    SERVER = "server"
    CLIENT = "client"
    CONSUMER = "consumer"


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSpan:
    """Something that was done and how long it took. Its facts are ids, counts, codes; no content, names or paths."""

    name: str
    kind: TraceSpanKind
    started_ns: int  # nanoseconds since 1970
    ended_ns: int = field(default_factory=time.time_ns)
    job_id: str | None = None  # whose trace it belongs to; without one it is a trace of its own
    starts_job: bool = False  # all else that is done for the job hangs below it
    failed: bool = False
    attributes: Mapping[str, str | int | float | bool] = field(default_factory=dict)


class Tracer(Protocol):
    def record(self, span: TraceSpan) -> None:
        """At once, whatever becomes of it: who works is never held up by who watches."""
        ...

    def close(self) -> None:
        """Send what is still to be sent."""
        ...


class NullTracer:
    def record(self, span: TraceSpan) -> None:
        """No traces are wanted."""

    def close(self) -> None:
        pass


NULL_TRACER = NullTracer()


def make_tracer(settings: TelemetrySettings, service: str) -> Tracer:
    if not settings.endpoint:
        return NULL_TRACER
    try:
        # Most deployments do without, and the images have no room for what nobody asked for.
        from shared.infra.telemetry_otlp import OtlpTracer  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise InvalidSetting(
            "TELEMETRY__ENDPOINT is set, but what sends traces is not installed.",
            hint="pip install 'undertone[telemetry]', or build the images with UNDERTONE_TELEMETRY=1; "
            "or leave TELEMETRY__ENDPOINT empty.",
        ) from error
    return OtlpTracer(settings.endpoint, settings.header_values, service)
