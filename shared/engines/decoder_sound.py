"""Sound out of a recording: 16 kHz mono samples in a file, counted as they come and placed where their clock says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import av
import av.container
import numpy as np
from av.stream import Disposition

from shared.domain.error import DecodeFailed, MediaTooLarge, NoAudio, UnsupportedMedia
from shared.domain.recording import Probe, TrackProbe, VideoProbe
from shared.engines.decoder_open import HINT, Packets, find_video, opened, recording_start
from shared.engines.decoder_warnings import promised_end, warnings_of
from shared.engines.settings import MediaSettings
from shared.ports.media import SAMPLE_RATE, Floats, Progress

MIN_GAP = round(0.1 * SAMPLE_RATE)  # smaller steps of the clock are jitter
MAX_STEP_BACK = SAMPLE_RATE  # a clock that falls behind its own sound by more was set anew
RESAMPLER_LAG = 64  # samples of its input that it may keep or add at its ends
AUDIBLE = 1e-4  # -80 dBFS: below it a stream carries nothing
BLOCK = 60 * SAMPLE_RATE
SAMPLE_BYTES = 4
# Streams that say the same as the main one in another way: they are not part of the meeting's sound.
ALTERNATIVES = (
    Disposition.dub,
    Disposition.comment,
    Disposition.karaoke,
    Disposition.hearing_impaired,
    Disposition.visual_impaired,
    Disposition.clean_effects,
)


class _StreamMixer:
    """One audio stream on its way into the mix; it knows where its next sample belongs."""

    def __init__(self, stream: Any, mix: BinaryIO, channels: Sequence[BinaryIO], start: float, cap: int) -> None:
        self.at = 0  # samples since the recording's start
        self.end = 0  # behind the last one that was written; a hole at the end is nobody's sound
        self.heard = False
        self.clock_jumped = False
        self._stream = stream
        self._mix, self._channels = mix, channels
        self._start, self._cap = start, cap
        self._offset = 0
        self._layout: str | None = None
        self._format: tuple[object, ...] = ()
        self._rate = SAMPLE_RATE
        self._resampler: av.AudioResampler | None = None
        self._owed = 0.0  # seconds that went into the resampler and have not come out

    def write_frame(self, frame: av.AudioFrame) -> None:
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if form != self._format:
            # Platforms change rate and channels in the middle; what comes out keeps the first frame's layout.
            self.flush_resampler()
            self._format, self._layout, self._rate = form, self._layout or frame.layout.name, frame.sample_rate
            # Interleaved: PyAV 18 reads beyond its memory when a planar frame has more than 8 channels.
            self._resampler = av.AudioResampler(format="flt", layout=self._layout, rate=SAMPLE_RATE)
        if frame.time is not None:
            self._follow_clock(round((frame.time - self._start) * SAMPLE_RATE))
        frame.pts = None  # the resampler would answer a hole in the clock with its own guess
        self._owed += frame.samples / frame.sample_rate
        self._write(frame)

    def flush_resampler(self) -> None:
        """Write what the resampler still holds; without memory it drops sound and says nothing, so we count."""
        if self._resampler is None:
            return
        self._write(None)
        if self._owed > MIN_GAP / SAMPLE_RATE + RESAMPLER_LAG / self._rate:
            raise DecodeFailed(
                "Sound was lost while it was brought to 16 kHz.", hint="Raise MEDIA__MAX_MEMORY_MB, or export it again."
            )
        self._resampler, self._owed = None, 0.0

    def _follow_clock(self, due: int) -> None:
        """Leave a hole, which reads as silence, where nothing was recorded: a muted microphone, a late start."""
        ahead = due - self._offset - self.at
        if ahead < -MAX_STEP_BACK or self.at + ahead > self._cap:
            self._offset += ahead
            self.clock_jumped = True
        elif ahead > MIN_GAP:
            self.at += ahead

    def _write(self, frame: av.AudioFrame | None) -> None:
        assert self._resampler is not None  # noqa: S101  (both callers see to it)
        for block in self._resampler.resample(frame):
            interleaved = np.asarray(block.to_ndarray(), dtype=np.float32)
            planes = interleaved.reshape(-1, block.layout.nb_channels).T  # (channel, sample)
            if self.at + planes.shape[1] > self._cap:
                raise MediaTooLarge(
                    f"The recording is longer than {self._cap / SAMPLE_RATE / 3600:g} hours.",
                    hint="Cut it, or raise MEDIA__MAX_SECONDS.",
                )
            sound = planes.mean(axis=0, dtype=np.float32)
            self.heard = self.heard or bool(np.abs(sound).max(initial=0.0) > AUDIBLE)
            _add(self._mix, self.at, sound)
            for file, plane in zip(self._channels, planes, strict=bool(self._channels)):
                _add(file, self.at, plane)
            self.at += planes.shape[1]
            self.end = self.at
            self._owed -= planes.shape[1] / SAMPLE_RATE


def decode_sound(
    path: str, mix: Path, settings: MediaSettings, *, channels_into: Path | None, progress: Progress
) -> Probe:
    """Decode one file's sound and tell what it is; `channels_into` takes the main stream's channels one by one."""
    with opened(path, settings) as container:
        streams = _part_of_meeting(container)
        main = streams[0]
        channels = _channel_files(main, channels_into, settings)
        packets = Packets(container, streams)
        promised = promised_end(container, Path(path))
        start, cap = recording_start(container), round(settings.max_seconds * SAMPLE_RATE)
        with mix.open("w+b") as file:
            lanes = {
                stream.index: _StreamMixer(stream, file, channels if stream is main else (), start, cap)
                for stream in streams
            }
            try:
                _decode_into(packets, lanes, promised, progress)
                _level(file, sum(lane.heard for lane in lanes.values()))
            finally:
                for channel in channels:
                    channel.close()
        samples = max(lane.end for lane in lanes.values())
        if samples == 0:
            raise DecodeFailed("No sound could be decoded from the recording.", hint=HINT)
        clock_jumped = any(lane.clock_jumped for lane in lanes.values())
        notes = warnings_of(packets, Path(path), container.format.name, promised, clock_jumped=clock_jumped)
        if channels_into is not None and not channels:
            notes.append("The recording has one channel only, so its channels could not be kept apart.")
        seconds = lanes[main.index].end / SAMPLE_RATE
        return Probe(
            duration=samples / SAMPLE_RATE,
            sample_rate=SAMPLE_RATE,
            container=container.format.name,
            audio_codec=main.codec_context.name,
            video=_probe_video(container),
            tracks=tuple(TrackProbe(name=f"channel {n + 1}", seconds=seconds) for n in range(len(channels))),
            warnings=tuple(notes),
        )


def _part_of_meeting(container: av.container.InputContainer) -> list[Any]:
    """The streams that are mixed, the main one first.

    Recorders either put the mix first and its parts behind it (OBS), or one participant in each (Craig, Riverside).
    Nothing in the file tells which. Adding a part to its mix only makes it louder, leaving a participant out loses
    words: so all are mixed, but for translations and commentaries, which would talk over the meeting.
    """
    if not container.streams.audio:
        raise NoAudio("The recording has no sound.", hint="Export it together with its audio.")
    known = [stream for stream in container.streams.audio if stream.codec_context is not None]
    if not known:
        raise UnsupportedMedia("The recording's sound is in a codec that cannot be decoded.", hint=HINT)
    main = next((stream for stream in known if Disposition.default in stream.disposition), known[0])
    others = [
        stream
        for stream in known
        if stream is not main
        and not any(kind in stream.disposition for kind in ALTERNATIVES)
        and _language(stream) in {None, _language(main)}
    ]
    return [main, *others]


def _language(stream: Any) -> str | None:
    language: str = stream.metadata.get("language", "und")
    return None if language == "und" else language


def _channel_files(stream: Any, folder: Path | None, settings: MediaSettings) -> list[BinaryIO]:
    count = stream.codec_context.channels
    if folder is None or count < 2:
        return []
    if count > settings.max_audio_streams:
        raise MediaTooLarge(
            f"The recording has {count} channels; at most {settings.max_audio_streams} are kept apart.",
            hint="Decode it without separate channels.",
        )
    return [(folder / f"track-{number}.f32").open("w+b") for number in range(count)]


def _decode_into(packets: Packets, lanes: dict[int, _StreamMixer], promised: float | None, progress: Progress) -> None:
    told = 0.0
    for index, frames in packets:
        for frame in frames:
            lanes[index].write_frame(frame)
        if promised and (share := min(1.0, lanes[index].at / SAMPLE_RATE / promised)) >= told + 0.01:
            told = share
            progress(share)
    for lane in lanes.values():
        lane.flush_resampler()


def _add(file: BinaryIO, at: int, samples: Floats) -> None:
    """Add samples to those that other streams put there; a hole before them costs no disk."""
    file.seek(at * SAMPLE_BYTES)
    there = np.frombuffer(file.read(len(samples) * SAMPLE_BYTES), dtype="<f4")
    if len(there):
        samples = samples.copy()
        samples[: len(there)] += there
        file.seek(at * SAMPLE_BYTES)
    file.write(samples.astype("<f4").tobytes())


def _level(mix: BinaryIO, voices: int) -> None:
    """Divide the sum of several streams by their number, so that it cannot clip."""
    if voices < 2:
        return
    mix.seek(0)
    while block := mix.read(BLOCK * SAMPLE_BYTES):
        mix.seek(-len(block), 1)
        mix.write((np.frombuffer(block, dtype="<f4") / np.float32(voices)).tobytes())
        mix.flush()


def _probe_video(container: av.container.InputContainer) -> VideoProbe | None:
    stream = find_video(container)
    rate = stream and (stream.average_rate or stream.guessed_rate)
    if stream is None or not rate:
        return None
    return VideoProbe(width=stream.width, height=stream.height, frames_per_second=float(rate))
