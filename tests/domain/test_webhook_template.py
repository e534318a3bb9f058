"""Templates of webhook bodies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from shared.domain.error import InvalidRequest
from shared.domain.webhook import EventType, build_event
from shared.domain.webhook_template import MAX_LENGTH, fill_template, write_template

AT = datetime(2026, 11, 2, tzinfo=UTC)


def filled(template: Mapping[str, object], event_type: EventType, data: dict[str, object]) -> object:
    return json.loads(fill_template(write_template(template), build_event(event_type, AT, data).body))


def test_texts_contain_the_fields_of_the_event() -> None:
    template = {"text": "{type}: <{page_url}|{job_id}>", "blocks": [{"n": 1, "t": "{status}"}, None, True]}
    data: dict[str, object] = {"job_id": "j", "status": "done", "transcript_url": "https://u.example/v1/transcripts/j"}
    assert filled(template, EventType.TRANSCRIPT_READY, data) == {
        "text": "transcript.ready: <https://u.example/meetings/j|j>",
        "blocks": [{"n": 1, "t": "done"}, None, True],
    }


def test_a_field_that_an_event_does_not_have_is_empty() -> None:
    failed: dict[str, object] = {"job_id": "j", "status": "failed", "error": {"code": "no_audio", "stage": "decode"}}
    template = {"text": "{error_code}{transcript_url}"}
    assert filled(template, EventType.JOB_FAILED, failed) == {"text": "no_audio"}
    assert filled(template, EventType.TEST, {}) == {"text": ""}


def test_values_cannot_change_the_form_of_the_json() -> None:
    hostile: dict[str, object] = {"job_id": '", "x": "{status}', "status": "s"}
    assert filled({"text": "{job_id}"}, EventType.TRANSCRIPT_READY, hostile) == {"text": '", "x": "{status}'}


@pytest.mark.parametrize("template", [{"text": "{metadata}"}, {"{words}": 1}, {"text": "x" * MAX_LENGTH}])
def test_unknown_fields_and_long_templates_are_refused(template: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        write_template(template)
