"""The optional stage after a job's end that renders the recording with its transcript as captions."""

from __future__ import annotations

from services.worker.lease_keeper import LeaseKeeper
from services.worker.stage_files import StageFiles
from services.worker.stage_timeout import max_attempt_seconds
from shared.domain.error import NoVideo
from shared.domain.job_blobs import captioned_key
from shared.domain.stage_plan import CAPTION
from shared.engines.captions.video import caption_video
from shared.engines.settings import MediaSettings
from shared.exports.caption_lines import caption_lines
from shared.infra.artifacts_blobs import blocks_of


def make_captioned_video(files: StageFiles, lease: LeaseKeeper, media: MediaSettings, *, max_seconds: float) -> None:
    """The video is stored before the database row is updated; a failed attempt leaves no partial file in storage."""
    key = captioned_key(files.job.id)
    if files.blobs.size(files.tenant, key) is not None:
        return
    transcript = files.transcript()
    if not transcript.recording.has_video:
        raise NoVideo("The recording has no video track for captions.")
    seconds = max_attempt_seconds(CAPTION, transcript.recording.duration, max_seconds=max_seconds)
    lease.limit(seconds)
    video = files.workdir / "captioned.mp4"
    caption_video(
        files.files(CAPTION.opens).recording,
        caption_lines(transcript, emotion=True),
        transcript.disclosure.notice,
        video,
        burn=True,
        # Every frame is drawn and encoded, which takes longer than decoding.
        settings=media.model_copy(update={"max_decode_seconds": max(media.max_decode_seconds, seconds)}),
        progress=lease.progress,
    )
    lease.check()
    files.blobs.put(files.tenant, key, blocks_of(video))
