"""Blob keys of a job: uploaded media, stage artifacts and the transcript, all below one folder."""

from __future__ import annotations


def job_folder(job_id: str) -> str:
    """The folder of all blobs of a job; erasing it erases all data of the job in storage."""
    return f"jobs/{job_id}"


def media_folder(job_id: str) -> str:
    """The folder of the uploaded media, which retention deletes first."""
    return f"{job_folder(job_id)}/media"


def artifacts_folder(job_id: str) -> str:
    return f"{job_folder(job_id)}/artifacts"


def recording_key(job_id: str) -> str:
    return f"{media_folder(job_id)}/recording"


def captioned_key(job_id: str) -> str:
    """The captioned video; it shows the recording, so it has the same retention period."""
    return f"{media_folder(job_id)}/captioned.mp4"


def track_key(job_id: str, number: int) -> str:
    """A participant's track, numbered in the order of `Job.tracks`."""
    return f"{media_folder(job_id)}/track-{number}"


def known_voice_key(job_id: str, number: int) -> str:
    """A clip of a voice, numbered in the order of `Job.known_voices`."""
    return f"{media_folder(job_id)}/known-voice-{number}"


def platform_transcript_key(job_id: str) -> str:
    return f"{media_folder(job_id)}/platform-transcript"


def transcript_key(job_id: str) -> str:
    return f"{job_folder(job_id)}/transcript.json"
