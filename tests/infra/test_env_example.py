"""`.env.example` names every setting with its default, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings

from services.courier.settings import CourierSettings, RetentionSettings
from services.gateway.settings import GatewaySettings
from services.results.settings import ResultsSettings
from services.worker.settings import WorkerSettings
from shared.engines.settings import EngineSettings, MediaSettings
from shared.infra.address_rule import OutboundSettings
from shared.infra.queue_settings import QueueSettings, RedisSettings
from shared.infra.secret_encryption import SecretSettings
from shared.infra.settings import DatabaseSettings, GovernanceSettings, LogSettings, PublicSettings, StorageSettings
from shared.infra.telemetry import TelemetrySettings

ROOMS: tuple[type[BaseSettings], ...] = (
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
    RedisSettings,
    QueueSettings,
    ResultsSettings,
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


def test_the_example_names_every_setting_with_its_default() -> None:
    expected = {
        f"{room.model_config['env_prefix']}{name}".upper(): written(field.get_default(call_default_factory=True))
        for room in ROOMS
        for name, field in room.model_fields.items()
    }
    found = dict(re.findall(r"^#?([A-Z]+__[A-Z_]+)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))
    assert found == expected


def test_every_room_is_in_the_example() -> None:
    """A new settings class cannot be forgotten here: the rooms are found in the source."""
    source = "".join(
        path.read_text() for room in ("shared", "services") for path in Path(EXAMPLE.parent, room).rglob("*.py")
    )
    assert len(re.findall(r"class \w+\(BaseSettings\)", source)) == len(ROOMS)
