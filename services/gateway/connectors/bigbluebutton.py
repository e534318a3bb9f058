"""BigBlueButton: its recording-ready callback, the search for lost callbacks, and captions sent back to it."""

from __future__ import annotations

import hashlib
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from datetime import datetime
from urllib.parse import parse_qs, quote, urlencode
from uuid import uuid4

from starlette.datastructures import Headers

from services.gateway.connectors.connector import PlatformRecording, Received, RemoteFile, WebhookConnector
from services.gateway.connectors.settings import BigBlueButtonSettings
from services.gateway.connectors.signatures import read_jwt, require_signature
from shared.domain.error import InvalidRequest, OutboundFailed
from shared.domain.transcript import Transcript
from shared.exports.subtitles import render_vtt
from shared.infra.outbound import Outbound

READY_URL = "bbb-recording-ready-url"  # the metadata of a meeting whose recording is to be announced
# Where the playback formats keep sound, the best first; `{}` is the id of the recording.
PLACES = (
    "/podcast/{}/audio.ogg",
    "/playback/video/{}/video-0.m4v",
    "/presentation/{}/video/webcams.webm",
    "/presentation/{}/video/webcams.mp4",
)
MAX_ANSWER = 8 << 20
ACCEPTED = "upload_text_track_success"


class BigBlueButton(WebhookConnector):
    name = "bigbluebutton"
    settings: BigBlueButtonSettings

    def __init__(self, settings: BigBlueButtonSettings) -> None:
        self.settings = settings
        self.wants_captions = settings.captions

    def verify_and_read(self, headers: Headers, body: bytes, now: datetime) -> Received:
        """The token has no expiry, so a record is accepted once, and only if the server has it (`locate`)."""
        del headers, now
        fields = parse_qs(body.decode("ascii", errors="replace"))
        claims = read_jwt(fields.get("signed_parameters", [""])[0], self.settings.secret.get_secret_value())
        record = claims.get("record_id")
        require_signature(isinstance(record, str) and 0 < len(str(record)) <= 255)
        return Received(_announced(str(record)))

    def search(self, outbound: Outbound, path: str) -> Sequence[PlatformRecording]:
        """The published recordings of meetings whose callback address ends with this path."""
        found = self._recordings(outbound, {"state": "published"})
        return [
            _announced(one.findtext("recordID", ""))
            for one in found
            if (one.findtext(f"metadata/{READY_URL}") or "").partition("?")[0].endswith(path)
        ]

    def locate(self, recording: PlatformRecording, outbound: Outbound) -> PlatformRecording:
        found = self._recordings(outbound, {"recordID": recording.key})
        one = next((one for one in found if one.findtext("recordID") == recording.key), None)
        if one is None:
            raise OutboundFailed("The server does not have this recording yet.", reason="status")
        for path in PLACES:
            url = self.settings.url.rstrip("/") + path.format(quote(recording.key, safe=""))
            if _exists(outbound, url):
                mix = RemoteFile(url=url, name=path.rpartition("/")[2])
                return recording.model_copy(update={"mix": mix})
        raise InvalidRequest(
            "The recording has no format with sound.",
            hint="Install bbb-playback-podcast or bbb-playback-video on the server, and rebuild the recording.",
        )

    def send_captions(self, recording: PlatformRecording, transcript: Transcript, outbound: Outbound) -> None:
        """Without its file the request would delete the track, and only one key of the answer means success."""
        language = transcript.language or "en"
        query = {"recordID": recording.key, "kind": "subtitles", "lang": language, "label": "Undertone"}
        boundary = uuid4().hex
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="captions.vtt"\r\n'
        captions = render_vtt(transcript, emotion=False)
        body = head.encode() + b"Content-Type: text/vtt\r\n\r\n" + captions + f"\r\n--{boundary}--\r\n".encode()
        content_type = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        answer = outbound.post(self._address("putRecordingTextTrack", query), body, content_type)
        key = _message_key(answer.excerpt)
        if key != ACCEPTED:
            raise OutboundFailed(f"The server did not accept the captions: {key or answer.status}.", reason="status")

    def _recordings(self, outbound: Outbound, query: dict[str, str]) -> Iterator[ET.Element]:
        with outbound.fetching(self._address("getRecordings", query), {}, max_bytes=MAX_ANSWER) as download:
            answer = _xml(b"".join(download.blocks))
        if answer.findtext("returncode") != "SUCCESS":
            raise OutboundFailed(
                f"The server refused the request: {answer.findtext('messageKey') or 'no reason'}.",
                reason="status",
                hint="Compare BIGBLUEBUTTON__SECRET with `bbb-conf --secret`.",
            )
        return answer.iterfind("recordings/recording")

    def _address(self, call: str, query: dict[str, str]) -> str:
        """The checksum covers the query exactly as it is sent."""
        sent = urlencode(query)
        checksum = hashlib.sha256(f"{call}{sent}{self.settings.secret.get_secret_value()}".encode()).hexdigest()
        return f"{self.settings.url.rstrip('/')}/bigbluebutton/api/{call}?{sent}&checksum={checksum}"


def _announced(record: str) -> PlatformRecording:
    return PlatformRecording(key=record, source={"record_id": record})


def _exists(outbound: Outbound, url: str) -> bool:
    try:
        with outbound.fetching(url, {}, max_bytes=1 << 62) as download:
            return bool(next(iter(download.blocks), b""))
    except OutboundFailed as error:
        if error.reason == "status":
            return False
        raise


def _xml(content: bytes) -> ET.Element:
    """Only a document type can define entities, and the answers of this API have none."""
    if b"<!DOCTYPE" in content:
        raise OutboundFailed("The server returned invalid XML.", reason="protocol")
    try:
        return ET.fromstring(content)  # noqa: S314 - see above
    except ET.ParseError:
        raise OutboundFailed("The server returned invalid XML.", reason="protocol") from None


def _message_key(answer: str) -> str:
    """The answer is JSON, and XML if the checksum is wrong."""
    try:
        if answer.lstrip().startswith("<"):
            return _xml(answer.encode()).findtext("messageKey") or ""
        return str(json.loads(answer)["response"].get("messageKey", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
