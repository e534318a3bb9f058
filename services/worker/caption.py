"""The stage that follows a job's end where it is wished for: the recording once more, with its transcript in it."""

from __future__ import annotations

from services.worker.desk import Desk
from services.worker.hold import Hold
from services.worker.limits import longest_attempt
from shared.domain.error import NoVideo
from shared.domain.job_blobs import captioned_key
from shared.domain.work import CAPTION
from shared.engines.caption_video import caption_video
from shared.engines.settings import MediaSettings
from shared.exports.video import lines_of
from shared.infra.artifacts_blobs import blocks_of


def make_captioned(desk: Desk, hold: Hold, media: MediaSettings, *, longest: float) -> None:
    """It lies in storage before the row says so; what an attempt that broke in between left there is whole."""
    key = captioned_key(desk.job.id)
    if desk.blobs.size(desk.tenant, key) is not None:
        return
    transcript = desk.transcript()
    if not transcript.recording.has_video:
        raise NoVideo("The recording has no picture to put captions on.")
    seconds = longest_attempt(CAPTION, transcript.recording.duration, longest=longest)
    hold.limit(seconds)
    made = desk.room / "captioned.mp4"
    caption_video(
        desk.files(CAPTION).recording,
        lines_of(transcript, emotion=True),
        transcript.disclosure.notice,
        made,
        burn=True,
        # Every frame is drawn and encoded: that takes longer than decoding may.
        settings=media.model_copy(update={"max_decode_seconds": max(media.max_decode_seconds, seconds)}),
        progress=hold.progress,
    )
    hold.check()
    desk.blobs.put(desk.tenant, key, blocks_of(made))
