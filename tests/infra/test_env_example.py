"""Tests that `.env.example` has exactly the settings of the code, with their defaults."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from pydantic_settings import BaseSettings

from services.courier.settings import CourierSettings
from services.gateway.settings import GatewaySettings
from services.results.settings import ResultsSettings, SharingSettings
from services.worker.settings import WorkerSettings
from shared.engines.settings import EngineSettings, MediaSettings
from shared.infra.address_rule import OutboundSettings
from shared.infra.language_model import NotesSettings
from shared.infra.queue_settings import QueueSettings, RedisSettings
from shared.infra.retention_settings import RetentionSettings
from shared.infra.secret_encryption import SecretSettings
from shared.infra.settings import DatabaseSettings, GovernanceSettings, LogSettings, PublicSettings, StorageSettings
from shared.infra.telemetry import TelemetrySettings
from tests.container.settings_read import CONNECTORS

SETTINGS: tuple[type[BaseSettings], ...] = (
    EngineSettings,
    MediaSettings,
    GovernanceSettings,
    OutboundSettings,
    StorageSettings,
    DatabaseSettings,
    SecretSettings,
    CourierSettings,
    RetentionSettings,
    WorkerSettings,
    GatewaySettings,
    *CONNECTORS,
    RedisSettings,
    QueueSettings,
    ResultsSettings,
    SharingSettings,
    NotesSettings,
    PublicSettings,
    LogSettings,
    TelemetrySettings,
)
EXAMPLE = Path(__file__).parents[2] / ".env.example"


def written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, Path):
        return str(value).replace(str(Path.home()), "~")
    return str(value)


def test_example_has_every_setting_with_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")  # noqa: S108 - where most systems have it; TMPDIR may differ here
    expected = {
        f"{settings.model_config['env_prefix']}{name}".upper(): written(field.get_default(call_default_factory=True))
        for settings in SETTINGS
        for name, field in settings.model_fields.items()
    }
    found = dict(re.findall(r"^#?([A-Z]+__[A-Z_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))
    assert found == expected


def test_example_covers_every_settings_class() -> None:
    """Counts the settings classes in the source, so that a new class cannot be forgotten in SETTINGS."""
    source = "".join(
        path.read_text() for package in ("shared", "services") for path in Path(EXAMPLE.parent, package).rglob("*.py")
    )
    assert len(re.findall(r"class \w+\((?:(?:Web|Connector)Settings, )?BaseSettings\)", source)) == len(SETTINGS)
