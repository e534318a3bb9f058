"""Export as JSON, plain text and Markdown."""

from __future__ import annotations

import re
from typing import Any

from shared.domain.transcript import Transcript
from shared.exports.captions import plain
from shared.exports.subtitles import clock


def render_json(transcript: Transcript, *, emotion: bool) -> bytes:
    """The complete transcript; see docs/transcript.schema.json."""
    if not emotion:
        bare = tuple(utterance.model_copy(update={"emotion": None}) for utterance in transcript.utterances)
        transcript = transcript.model_copy(update={"utterances": bare})
    return (transcript.model_dump_json(indent=2) + "\n").encode()


def transcript_schema() -> dict[str, Any]:
    return Transcript.model_json_schema(mode="serialization")


def render_txt(transcript: Transcript, *, emotion: bool) -> bytes:
    names = transcript.names
    lines = [plain(transcript.recording.name), plain(transcript.disclosure.notice), ""]
    for utterance in transcript.utterances:
        label = (
            f"  [{utterance.emotion.label} {utterance.emotion.confidence:.0%}]" if emotion and utterance.emotion else ""
        )
        name = plain(names[utterance.speaker])
        lines.append(f"{clock(utterance.start, '.')[:8]}  {name}: {plain(utterance.text)}{label}")
    return ("\n".join(lines) + "\n").encode()


def render_markdown(transcript: Transcript, *, emotion: bool) -> bytes:
    lines = [f"> {_escaped(transcript.disclosure.notice)}", "", f"# {_escaped(transcript.recording.name)}", ""]
    if emotion:
        lines += ["| time | speaker | words | perceived |", "|---|---|---|---|"]
    else:
        lines += ["| time | speaker | words |", "|---|---|---|"]
    names = transcript.names
    for utterance in transcript.utterances:
        cells = [
            clock(utterance.start, ".")[:8],
            _escaped(names[utterance.speaker]),
            _escaped(utterance.text),
        ]
        if emotion:
            reading = utterance.emotion
            cells.append(f"{reading.label} {reading.confidence:.0%}" if reading else "")
        lines.append(f"| {' | '.join(cells)} |")
    return ("\n".join(lines) + "\n").encode()


def _escaped(text: str) -> str:
    return re.sub(r"([\\`|*_\[\]<>#])", r"\\\1", plain(text))
