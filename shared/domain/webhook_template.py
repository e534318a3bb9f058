"""Templates of webhook bodies: JSON whose texts contain fields of the event, as in `{"text": "Ready: {page_url}"}`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from shared.domain.error import InvalidRequest

MAX_LENGTH = 4000
FIELDS = ("type", "job_id", "status", "transcript_url", "page_url", "error_code")
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


def write_template(template: Mapping[str, Any]) -> str:
    """The template as text; raises for a field that events do not have."""
    text = json.dumps(template, ensure_ascii=False)
    if len(text) > MAX_LENGTH:
        raise InvalidRequest(f"The template is longer than {MAX_LENGTH} characters.")
    if unknown := sorted(set(_PLACEHOLDER.findall(text)) - set(FIELDS)):
        raise InvalidRequest(f"Events have no {', '.join(unknown)}.", hint=f"Use {', '.join(FIELDS)}.")
    return text


def fill_template(template: str, event: bytes) -> bytes:
    """The body for this event; a field that it does not have is empty."""
    parsed = json.loads(event)
    data = parsed["data"]
    transcript_url = data.get("transcript_url", "")
    values = {
        "type": parsed["type"],
        "job_id": data.get("job_id", ""),
        "status": data.get("status", ""),
        "transcript_url": transcript_url,
        "page_url": transcript_url.replace("/v1/transcripts/", "/meetings/"),
        "error_code": data.get("error", {}).get("code", ""),
    }
    return json.dumps(_filled(json.loads(template), values), ensure_ascii=False).encode()


def _filled(part: Any, values: dict[str, str]) -> Any:
    match part:
        case str():
            return _PLACEHOLDER.sub(lambda found: values[found[1]], part)
        case dict():
            return {name: _filled(value, values) for name, value in part.items()}
        case list():
            return [_filled(value, values) for value in part]
        case _:
            return part
