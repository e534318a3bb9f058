"""Generates the sample meeting: python -m samples.make_standup [FOLDER] (needs Debian's flite)."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from samples.gallery import FRAMES_PER_SECOND, film
from samples.references import write_references
from samples.sound import Meeting, synthesize_meeting
from samples.story import STORY
from shared.ports.media import SAMPLE_RATE

NAME = "standup"
POSTER_AT = 66.4  # seconds: a turn of Ana with joy


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    meeting = synthesize_meeting(STORY)
    write_movie(meeting, folder / f"{NAME}.mp4")
    write_poster(folder / f"{NAME}.mp4", folder / f"{NAME}.png")
    write_references(meeting, folder, NAME, round(len(meeting.sound) / SAMPLE_RATE, 3))


def write_movie(meeting: Meeting, path: Path) -> None:
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as movie:
        picture = movie.add_stream("h264", rate=FRAMES_PER_SECOND)
        picture.width, picture.height, picture.pix_fmt = 640, 360, "yuv420p"
        picture.options = {"crf": "24", "preset": "slow", "tune": "animation"}
        voice = movie.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        voice.bit_rate = 56_000
        for number, pixels in enumerate(film(meeting)):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FRAMES_PER_SECOND)
            movie.mux(picture.encode(frame))
            movie.mux(voice.encode(_sound(meeting, number)))
        movie.mux(picture.encode(None))
        movie.mux(voice.encode(None))


def _sound(meeting: Meeting, number: int) -> av.AudioFrame:
    """Return the audio of one video frame."""
    first, last = (round(n * SAMPLE_RATE / FRAMES_PER_SECOND) for n in (number, number + 1))
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(meeting.sound[None, first:last]), "fltp", "mono")
    frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, first, Fraction(1, SAMPLE_RATE)
    return frame


def write_poster(movie: Path, path: Path) -> None:
    with av.open(str(movie)) as opened:
        frame = next(frame for frame in opened.decode(video=0) if frame.time >= POSTER_AT)
        cv2.imwrite(str(path), frame.to_ndarray(format="bgr24"), [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    main()
