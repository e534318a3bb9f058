"""Jitsi as a Service: `RECORDING_UPLOADED`, with a link that is valid for one day."""

from __future__ import annotations

import base64
from datetime import datetime

from pydantic import BaseModel, Field
from starlette.datastructures import Headers

from services.gateway.body_parsers import validate
from services.gateway.connectors.connector import PlatformRecording, Received, RemoteFile, WebhookConnector
from services.gateway.connectors.settings import JaasSettings
from services.gateway.connectors.signatures import is_fresh, require_signature, same, sign, single

UPLOADED = "RECORDING_UPLOADED"


class Data(BaseModel):
    link: str = Field(default="", alias="preAuthenticatedLink", repr=False)


class Event(BaseModel):
    idempotency_key: str = Field(alias="idempotencyKey", min_length=1)
    event_type: str = Field(alias="eventType")
    app_id: str = Field(default="", alias="appId")
    room: str = Field(default="", alias="fqn")
    data: Data = Data()


class Jaas(WebhookConnector):
    name = "jaas"
    settings: JaasSettings

    def __init__(self, settings: JaasSettings) -> None:
        self.settings = settings

    def verify_and_read(self, headers: Headers, body: bytes, now: datetime) -> Received:
        given = [pair.strip().partition("=")[::2] for pair in single(headers, "x-jaas-signature").split(",")]
        timestamp = dict(given).get("t", "")
        secret = self.settings.secret.get_secret_value()
        expected = base64.b64encode(sign(secret, f"{timestamp}.".encode() + body)).decode()
        signed = [same(value, expected) for scheme, value in given if scheme == "v1"]
        require_signature(any(signed), is_fresh(timestamp, now))
        event = validate(Event, body)
        if event.event_type != UPLOADED or not event.data.link:
            return Received()
        return Received(
            PlatformRecording(
                key=event.idempotency_key,
                mix=RemoteFile(url=event.data.link, name="jitsi.mp4"),
                source={"app_id": event.app_id, "room": event.room},
            )
        )
