"""The platforms that send webhooks, with their signatures, implemented independently of the connectors."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from pydantic import SecretStr

from services.gateway.connectors.settings import (
    BigBlueButtonSettings,
    ConnectorsSettings,
    GenericSettings,
    JaasSettings,
    LiveKitSettings,
    NextcloudSettings,
    WatchSettings,
    ZoomSettings,
)

SECRET = base64.b64encode(b"the secret of this platform").decode()
OTHER_SECRET = base64.b64encode(b"a secret of somebody else..").decode()
CONVERSATION = "a1b2c3d4"
ROOM = "/ocs/v2.php/apps/spreed/api/v1/recording/"
Request = tuple[bytes, dict[str, str]]  # body and headers


@dataclass(frozen=True)
class Platform:
    """`sign` gets the message, the time as text, and the secret; the name of the signature's header is lower case."""

    path: str
    message: Callable[[str], Any]  # the announcement of a recording at this URL
    sign: Callable[[bytes, str, str], Request]
    header: str = ""  # empty: the signature is in the body
    has_text_time: bool = False
    expires: bool = False
    names_address: bool = False  # of the file, which a forger would choose
    signs_body: bool = True

    def send(self, message: bytes, *, at: str | None = None, secret: str = SECRET) -> Request:
        return self.sign(message, str(int(time.time())) if at is None else at, secret)

    def announce(self, url: str = "https://files.invalid/a.mp4") -> Request:
        return self.send(json.dumps(self.message(url)).encode())


def settings(folder: Path) -> ConnectorsSettings:
    """Settings that enable every connector."""
    secret = SecretStr(SECRET)
    return ConnectorsSettings(
        zoom=ZoomSettings(secret_token=secret, tenant="ours"),
        livekit=LiveKitSettings(api_key="key", api_secret=secret, tenant="ours", settle_seconds=0),
        jaas=JaasSettings(secret=secret, tenant="ours"),
        bigbluebutton=BigBlueButtonSettings(secret=secret, url="https://bbb.invalid", tenant="ours"),
        nextcloud=NextcloudSettings(secret=secret, tenant="ours"),
        generic=GenericSettings(secret=secret, tenant="ours"),
        watch=WatchSettings(folder=str(folder), tenant="ours"),
    )


def digest(secret: str, content: bytes) -> bytes:
    return hmac.new(secret.encode(), content, hashlib.sha256).digest()


def key(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def token(claims: Mapping[str, object] | bytes, secret: str, algorithm: str = "HS256") -> str:
    content = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    head = json.dumps({"alg": algorithm, "typ": "JWT"}).encode()
    signed = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (head, content))
    return f"{signed}.{base64.urlsafe_b64encode(digest(secret, signed.encode())).decode().rstrip('=')}"


def zoom_message(url: str) -> Any:
    file = {
        "id": key(url),
        "file_type": "MP4",
        "file_extension": "MP4",
        "status": "completed",
        "download_url": url,
        "recording_start": "2026-11-26T10:00:00Z",
        "recording_end": "2026-11-26T10:30:00Z",
    }
    people = [{"file_name": "Audio - Ana", "file_extension": "M4A", "download_url": url}]
    meeting = {"uuid": key(url), "recording_files": [file], "participant_audio_files": people}
    payload = {"account_id": "a", "object": meeting}
    return {"event": "recording.completed", "download_token": "t", "payload": payload}


def zoom(message: bytes, at: str, secret: str) -> Request:
    signature = digest(secret, f"v0:{at}:".encode() + message).hex()
    return message, {"x-zm-request-timestamp": at, "x-zm-signature": f"v0={signature}"}


def livekit_message(url: str) -> Any:
    file = {"filename": "a.mp4", "location": url, "startedAt": "1764000000000000000", "endedAt": "0", "size": "5"}
    info = {"egressId": key(url), "roomId": key(url), "status": "EGRESS_COMPLETE", "participant": {"identity": "Ana"}}
    return {"event": "egress_ended", "id": "EV_1", "egressInfo": info | {"fileResults": [file]}}


def livekit(message: bytes, at: str, secret: str) -> Request:
    body_hash = base64.b64encode(hashlib.sha256(message).digest()).decode()
    claims = {"iss": "key", "exp": int(at) + 300, "sha256": body_hash}
    return message, {"authorization": token(claims, secret)}


def jaas_message(url: str) -> Any:
    data = {"preAuthenticatedLink": url, "durationSec": 5}
    return {"idempotencyKey": key(url), "eventType": "RECORDING_UPLOADED", "appId": "a", "fqn": "a/b", "data": data}


def jaas(message: bytes, at: str, secret: str) -> Request:
    signature = base64.b64encode(digest(secret, f"{at}.".encode() + message)).decode()
    return message, {"x-jaas-signature": f"t={at},v1={signature}"}


def bigbluebutton(message: bytes, at: str, secret: str) -> Request:
    del at
    return urlencode({"signed_parameters": token(message, secret)}).encode(), {}


def nextcloud_upload(message: bytes, at: str, secret: str) -> Request:
    del at
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.webm"\r\n\r\n' + message + b"\r\n--b--\r\n"
    return body, nextcloud_headers(CONVERSATION.encode(), secret) | {"content-type": "multipart/form-data; boundary=b"}


def nextcloud_notification(message: bytes, at: str, secret: str) -> Request:
    del at
    return message, nextcloud_headers(message, secret)


def nextcloud_headers(signed: bytes, secret: str) -> dict[str, str]:
    random = "r" * 64
    return {
        "talk-recording-random": random,
        "talk-recording-checksum": digest(secret, random.encode() + signed).hex(),
    }


def generic_message(url: str) -> Any:
    return {"type": "recording.ready", "data": {"url": url, "name": "a", "tracks": [{"url": url, "start": 1.5}]}}


def generic(message: bytes, at: str, secret: str) -> Request:
    number = hashlib.sha256(message).hexdigest()
    signature = hmac.new(base64.b64decode(secret), f"{number}.{at}.".encode() + message, hashlib.sha256).digest()
    signatures = f"v1,{base64.b64encode(signature).decode()}"
    return message, {"webhook-id": number, "webhook-timestamp": at, "webhook-signature": signatures}


TIMED = {"has_text_time": True, "expires": True, "names_address": True}
PLATFORMS = {
    "zoom": Platform("/v1/connectors/zoom", zoom_message, zoom, "x-zm-signature", **TIMED),
    "livekit": Platform(
        "/v1/connectors/livekit", livekit_message, livekit, "authorization", expires=True, names_address=True
    ),
    "jaas": Platform("/v1/connectors/jaas", jaas_message, jaas, "x-jaas-signature", **TIMED),
    "bigbluebutton": Platform(
        "/v1/connectors/bigbluebutton", lambda url: {"meeting_id": "m", "record_id": key(url)}, bigbluebutton
    ),
    "generic": Platform("/v1/connectors/generic", generic_message, generic, "webhook-signature", **TIMED),
    "nextcloud upload": Platform(
        f"{ROOM}{CONVERSATION}/store", lambda url: url, nextcloud_upload, "talk-recording-checksum", signs_body=False
    ),
    "nextcloud notification": Platform(
        f"{ROOM}backend", lambda url: {"type": "started"}, nextcloud_notification, "talk-recording-checksum"
    ),
}
