"""The stage that follows a job's end where it is wished for: the recording once more, with its transcript in it."""

from __future__ import annotations

from services.worker.lease_keeper import LeaseKeeper
from services.worker.stage_files import StageFiles
from services.worker.stage_timeout import max_attempt_seconds
from shared.domain.error import NoVideo
from shared.domain.job_blobs import captioned_key
from shared.domain.work import CAPTION
from shared.engines.caption_video import caption_video
from shared.engines.settings import MediaSettings
from shared.exports.video import lines_of
from shared.infra.artifacts_blobs import blocks_of


def make_captioned_video(files: StageFiles, lease: LeaseKeeper, media: MediaSettings, *, max_seconds: float) -> None:
    """It lies in storage before the row says so; what an attempt that broke in between left there is whole."""
    key = captioned_key(files.job.id)
    if files.blobs.size(files.tenant, key) is not None:
        return
    transcript = files.transcript()
    if not transcript.recording.has_video:
        raise NoVideo("The recording has no picture to put captions on.")
    seconds = max_attempt_seconds(CAPTION, transcript.recording.duration, max_seconds=max_seconds)
    lease.limit(seconds)
    made = files.workdir / "captioned.mp4"
    caption_video(
        files.files(CAPTION).recording,
        lines_of(transcript, emotion=True),
        transcript.disclosure.notice,
        made,
        burn=True,
        # Every frame is drawn and encoded: that takes longer than decoding may.
        settings=media.model_copy(update={"max_decode_seconds": max(media.max_decode_seconds, seconds)}),
        progress=lease.progress,
    )
    lease.check()
    files.blobs.put(files.tenant, key, blocks_of(made))
