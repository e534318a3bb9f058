"""The connectors that the settings turn on, as a part of the gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from fastapi import APIRouter
from pydantic import SecretStr, ValidationError

from services.gateway.connectors.bigbluebutton import BigBlueButton
from services.gateway.connectors.connector import Connector, PlatformRecording, WebhookConnector
from services.gateway.connectors.generic import Generic
from services.gateway.connectors.imports import Imports
from services.gateway.connectors.jaas import Jaas
from services.gateway.connectors.livekit import LiveKit
from services.gateway.connectors.nextcloud import NOTIFICATIONS, Nextcloud, nextcloud_router
from services.gateway.connectors.nextcloud import PREFIX as NEXTCLOUD
from services.gateway.connectors.routes import MAX_BODY, PREFIX, path_of, webhook_router
from services.gateway.connectors.watch import Watch
from services.gateway.connectors.zoom import Zoom
from services.gateway.context import Context
from shared.domain.error import InvalidSetting
from shared.infra.storage_factory import open_bucket

FOLDER_SECONDS = 5.0  # between searches of the watched folder
BUCKET_SECONDS = 30.0  # a storage may charge for each search


@dataclass(frozen=True, slots=True)
class Connectors:
    imports: Imports
    routers: Sequence[APIRouter]
    open_paths: Sequence[str]  # without a key: each request proves its origin by its signature
    body_limits: Mapping[str, int | None]
    background_tasks: Sequence[tuple[Callable[[], None], float]]  # with the seconds between their runs


def open_connectors(gateway: Context) -> Connectors:
    connectors = _enabled(gateway)
    imports = Imports(gateway, connectors)
    for connector in connectors:
        gateway.callbacks.cipher  # noqa: B018 - raises now, rather than at the first recording
        gateway.keys.ensure_tenant(imports.tenant_of(connector))
        _check_options(imports, connector)
    webhooks = [connector for connector in connectors if isinstance(connector, WebhookConnector)]
    routers = [webhook_router(connector, imports) for connector in webhooks]
    open_paths = [path_of(connector) for connector in webhooks]
    body_limits: dict[str, int | None] = {PREFIX: MAX_BODY}
    background_tasks: list[tuple[Callable[[], None], float]] = []
    for connector in connectors:
        match connector:
            case Nextcloud():
                routers.append(nextcloud_router(connector, imports))
                open_paths.append(NEXTCLOUD)
                body_limits |= {NOTIFICATIONS: MAX_BODY, NEXTCLOUD.rstrip("/"): None}  # the first match counts
            case BigBlueButton():
                find = partial(connector.search, gateway.outbound, path_of(connector))
                background_tasks.append(
                    (partial(_accept_found, imports, connector, find), connector.settings.poll_seconds)
                )
            case Watch():
                seconds = BUCKET_SECONDS if connector.settings.bucket else FOLDER_SECONDS
                background_tasks.append((partial(_accept_found, imports, connector, connector.search), seconds))
    return Connectors(imports, routers, open_paths, body_limits, background_tasks)


def _enabled(gateway: Context) -> Sequence[Connector]:
    settings, storage = gateway.deployment.connectors, gateway.deployment.storage
    found: list[Connector] = []
    if _is_set(settings.zoom.secret_token):
        found.append(Zoom(settings.zoom))
    if _is_set(settings.livekit.api_secret):
        _require(settings.livekit.api_key, "LIVEKIT__API_KEY")
        bucket = settings.livekit.bucket
        found.append(LiveKit(settings.livekit, open_bucket(bucket, storage) if bucket else None))
    if _is_set(settings.jaas.secret):
        found.append(Jaas(settings.jaas))
    if _is_set(settings.bigbluebutton.secret):
        _require(settings.bigbluebutton.url, "BIGBLUEBUTTON__URL")
        found.append(BigBlueButton(settings.bigbluebutton))
    if _is_set(settings.nextcloud.secret):
        found.append(Nextcloud(settings.nextcloud))
    if _is_set(settings.generic.secret):
        found.append(Generic(settings.generic))
    watch = settings.watch
    if watch.folder or watch.bucket:
        found.append(Watch(watch, open_bucket(watch.bucket, storage) if watch.bucket else None))
    return found


def _is_set(secret: SecretStr) -> bool:
    return bool(secret.get_secret_value())


def _require(value: str, setting: str) -> None:
    if not value:
        raise InvalidSetting("A connector's settings are incomplete.", hint=f"Set {setting}.")


def _check_options(imports: Imports, connector: Connector) -> None:
    try:
        imports.request_of(connector, {})
    except ValidationError as error:
        fields = ", ".join(str(one["loc"][0]) for one in error.errors() if one["loc"]) or "not JSON"
        section = connector.settings.model_config.get("env_prefix", "")
        raise InvalidSetting(
            f"{section}OPTIONS is invalid: {fields}.", hint="It takes the options of `POST /v1/recordings` as JSON."
        ) from None


def _accept_found(imports: Imports, connector: Connector, search: Callable[[], Iterable[PlatformRecording]]) -> None:
    for recording in search():
        imports.accept(connector, recording)
