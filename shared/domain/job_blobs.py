"""Where the blobs of a job lie: what came in, what its stages left, and the transcript; all below one folder."""

from __future__ import annotations


def job_folder(job_id: str) -> str:
    """All that there is of a job; erasing it erases everything."""
    return f"jobs/{job_id}"


def media_folder(job_id: str) -> str:
    """What was handed in; it goes first when the time for keeping is over."""
    return f"{job_folder(job_id)}/media"


def artifacts_folder(job_id: str) -> str:
    return f"{job_folder(job_id)}/artifacts"


def recording_key(job_id: str) -> str:
    return f"{media_folder(job_id)}/recording"


def captioned_key(job_id: str) -> str:
    """It shows the recording, so it is kept for as long as the recording is."""
    return f"{media_folder(job_id)}/captioned.mp4"


def track_key(job_id: str, number: int) -> str:
    """The participants' tracks, in the order of `Job.tracks`."""
    return f"{media_folder(job_id)}/track-{number}"


def platform_transcript_key(job_id: str) -> str:
    return f"{media_folder(job_id)}/platform-transcript"


def transcript_key(job_id: str) -> str:
    return f"{job_folder(job_id)}/transcript.json"
