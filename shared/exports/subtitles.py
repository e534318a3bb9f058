"""Export as WebVTT and SRT."""

from __future__ import annotations

from shared.domain.transcript import Transcript
from shared.exports.captions import captions, plain


def clock(seconds: float, point: str) -> str:
    """Format a time with at least two digits of hours, and milliseconds."""
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    whole, thousandths = divmod(rest, 1000)
    return f"{hours:02d}:{minutes:02d}:{whole:02d}{point}{thousandths:03d}"


def render_vtt(transcript: Transcript, *, emotion: bool) -> bytes:
    """Every cue starts with a voice tag; the perceived emotion is the class of the tag."""
    blocks = ["WEBVTT", f"NOTE\n{_escaped(transcript.disclosure.notice)}"]
    for caption in captions(transcript, emotion=emotion):
        # A ">" in a name would end the tag, so it is replaced rather than escaped.
        name = plain(caption.speaker).replace(">", "›").replace("&", "&amp;").replace("<", "&lt;")
        voice = f"v.{caption.emotion.label}" if caption.emotion else "v"
        times = f"{clock(caption.start, '.')} --> {clock(caption.end, '.')}"
        blocks.append(f"{times}\n<{voice} {name}>{_escaped(caption.text)}")
    return ("\n\n".join(blocks) + "\n").encode()


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def render_srt(transcript: Transcript, *, emotion: bool) -> bytes:
    """The first caption of each turn starts with the speaker's name. SRT does not support comments."""
    blocks: list[str] = []
    before: str | None = None
    for number, caption in enumerate(captions(transcript, emotion=emotion), start=1):
        name = f"{_bare(caption.speaker)}: " if caption.speaker != before else ""
        label = f" [{caption.emotion.label}]" if caption.emotion else ""
        before = caption.speaker
        times = f"{clock(caption.start, ',')} --> {clock(caption.end, ',')}"
        blocks.append(f"{number}\n{times}\n{name}{_bare(caption.text)}{label}\n")
    return ("\n".join(blocks)).encode()


def _bare(text: str) -> str:
    """Replace angle brackets: players treat anything between them as markup and drop it."""
    return plain(text).replace("<", "‹").replace(">", "›")
