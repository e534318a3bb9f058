"""The settings that each service reads, for tests that compare them with a deployment's variables."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pydantic_settings import BaseSettings

from services.courier.settings import CourierSettings
from services.gateway.connectors.settings import (
    BigBlueButtonSettings,
    GenericSettings,
    JaasSettings,
    LiveKitSettings,
    NextcloudSettings,
    WatchSettings,
    ZoomSettings,
)
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
from tests.container.compose_file import ROOT

DATABASE = (DatabaseSettings, LogSettings, TelemetrySettings)
STATE = (*DATABASE, StorageSettings)
QUEUE = (RedisSettings, QueueSettings)
OUTBOUND = (OutboundSettings, SecretSettings)
CONNECTORS = (
    ZoomSettings,
    LiveKitSettings,
    JaasSettings,
    BigBlueButtonSettings,
    NextcloudSettings,
    GenericSettings,
    WatchSettings,
)
READ: Mapping[str, tuple[type[BaseSettings], ...]] = {
    "gateway": (*STATE, *QUEUE, *OUTBOUND, GatewaySettings, GovernanceSettings, *CONNECTORS),
    "results": (*STATE, ResultsSettings, SharingSettings, NotesSettings, RetentionSettings),
    "courier": (*DATABASE, *OUTBOUND, CourierSettings),
    "dispatcher": (*STATE, *QUEUE, PublicSettings, RetentionSettings),
    "worker-cpu": (*STATE, *QUEUE, PublicSettings, WorkerSettings, EngineSettings, MediaSettings),
    "worker-gpu": (*STATE, *QUEUE, PublicSettings, WorkerSettings, EngineSettings, MediaSettings),
}
# Set by the image, or unavailable in a container.
ELSEWHERE = {
    "STORAGE__FOLDER",
    "ENGINES__MODELS_DIR",
    "ENGINES__HUB_URL",
    "ENGINES__FETCH",
    "WORKER__SCRATCH",
    "GATEWAY__KEYLESS",
    "RESULTS__KEYLESS",
}


def read_by(service: str) -> set[str]:
    """The settings that a deployment must pass to this service."""
    names = {
        f"{group.model_config['env_prefix']}{field}".upper() for group in READ[service] for field in group.model_fields
    }
    return names - ELSEWHERE


def example() -> dict[str, str]:
    """Every variable of `.env.example` with its default."""
    return dict(re.findall(r"^#?([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
