"""Decodes audio into a file of 16 kHz mono samples, positioned by the timestamps of the recording."""

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
from shared.engines.decoder.open import HINT, Packets, find_video, opened, recording_start
from shared.engines.decoder.warnings import promised_end, warnings_of
from shared.engines.settings import MediaSettings
from shared.ports.media import SAMPLE_RATE, Floats, Progress

MIN_GAP = round(0.1 * SAMPLE_RATE)  # smaller timestamp steps are jitter
MAX_STEP_BACK = SAMPLE_RATE  # a clock that falls further behind the samples has been reset
RESAMPLER_LAG = 64  # input samples that the resampler may keep or add at its ends
AUDIBLE = 1e-4  # -80 dBFS; a stream below it is silent
BLOCK = 60 * SAMPLE_RATE
SAMPLE_BYTES = 4
# Alternative versions of the main stream: they are not part of the meeting's audio.
ALTERNATIVES = (
    Disposition.dub,
    Disposition.comment,
    Disposition.karaoke,
    Disposition.hearing_impaired,
    Disposition.visual_impaired,
    Disposition.clean_effects,
)


class _StreamMixer:
    """Adds one audio stream to the mix and tracks the position of its next sample."""

    def __init__(
        self, stream: Any, mix: BinaryIO, channels: Sequence[BinaryIO], start: float, at: int, cap: int, min_rate: int
    ) -> None:
        self.at = at  # samples since the recording's start; negative ones are left out
        self.end = 0  # position after the last written sample; a gap at the end does not count
        self.audible = False
        self.clock_jumped = False
        self._stream = stream
        self._mix, self._channels = mix, channels
        self._start, self._cap, self._min_rate = start, cap, min_rate
        self._offset = -at
        self._layout: str | None = None
        self._format: tuple[object, ...] = ()
        self._rate = SAMPLE_RATE
        self._resampler: av.AudioResampler | None = None
        self._pending = 0.0  # seconds of input that the resampler has not returned

    def write_frame(self, frame: av.AudioFrame) -> None:
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if form != self._format:
            # Resampling from 1 Hz takes half a minute to prepare, and expands each packet to gigabytes.
            if frame.sample_rate < self._min_rate:
                raise UnsupportedMedia(f"The sound has {frame.sample_rate} samples per second only.", hint=HINT)
            # Platforms change rate and channels during a call; the output keeps the layout of the first frame.
            self.flush_resampler()
            self._format, self._layout, self._rate = form, self._layout or frame.layout.name, frame.sample_rate
            # Interleaved: PyAV 18 reads beyond its memory when a planar frame has more than 8 channels.
            self._resampler = av.AudioResampler(format="flt", layout=self._layout, rate=SAMPLE_RATE)
        if frame.time is not None:
            self._follow_clock(round((frame.time - self._start) * SAMPLE_RATE))
        frame.pts = None  # otherwise the resampler fills a timestamp gap by itself
        self._pending += frame.samples / frame.sample_rate
        self._write(frame)

    def flush_resampler(self) -> None:
        """Write the buffered samples and check their count: out of memory, the resampler drops samples silently."""
        if self._resampler is None:
            return
        self._write(None)
        if self._pending > MIN_GAP / SAMPLE_RATE + RESAMPLER_LAG / self._rate:
            raise DecodeFailed(
                "Audio was lost while it was resampled to 16 kHz.",
                hint="Raise MEDIA__MAX_MEMORY_MB, or export it again.",
            )
        self._resampler, self._pending = None, 0.0

    def _follow_clock(self, due: int) -> None:
        """Leave a gap, which reads as silence, where nothing was recorded: a muted microphone, a late start."""
        ahead = due - self._offset - self.at
        if ahead < -MAX_STEP_BACK or self.at + ahead > self._cap:
            self._offset += ahead
            self.clock_jumped = True
        elif ahead > MIN_GAP:
            self.at += ahead

    def _write(self, frame: av.AudioFrame | None) -> None:
        assert self._resampler is not None  # noqa: S101  (both callers set it)
        for block in self._resampler.resample(frame):
            interleaved = np.asarray(block.to_ndarray(), dtype=np.float32)
            planes = interleaved.reshape(-1, block.layout.nb_channels).T  # (channel, sample)
            if self.at + planes.shape[1] > self._cap:
                raise MediaTooLarge(
                    f"The recording is longer than {self._cap / SAMPLE_RATE / 3600:g} hours.",
                    hint="Cut it, or raise MEDIA__MAX_SECONDS.",
                )
            self._pending -= planes.shape[1] / SAMPLE_RATE
            if self.at < 0:
                before = min(-self.at, planes.shape[1])
                planes, self.at = planes[:, before:], self.at + before
                if self.at < 0:
                    continue
            sound = planes.mean(axis=0, dtype=np.float32)
            self.audible = self.audible or bool(np.abs(sound).max(initial=0.0) > AUDIBLE)
            _add(self._mix, self.at, sound)
            for file, plane in zip(self._channels, planes, strict=bool(self._channels)):
                _add(file, self.at, plane)
            self.at += planes.shape[1]
            self.end = self.at


def decode_sound(
    path: str, mix: Path, settings: MediaSettings, *, at: float = 0.0, channels_into: Path | None, progress: Progress
) -> Probe:
    """Decode the audio of one file and return its probe; the main stream's channels go into `channels_into`.

    `at` is the time of the file's first sample, in seconds after the beginning of the written samples.
    """
    with opened(path, settings) as container:
        streams = _part_of_meeting(container)
        main = streams[0]
        channels = _channel_files(main, channels_into, settings)
        packets = Packets(container, streams)
        promised = promised_end(container, Path(path))
        start, cap = recording_start(container), round(settings.max_seconds * SAMPLE_RATE)
        limits = start, round(at * SAMPLE_RATE), cap, settings.min_sample_rate
        with mix.open("w+b") as file:
            mixers = {
                stream.index: _StreamMixer(stream, file, channels if stream is main else (), *limits)
                for stream in streams
            }
            try:
                _decode_into(packets, mixers, promised, progress)
                _level(file, sum(mixer.audible for mixer in mixers.values()))
            finally:
                for channel in channels:
                    channel.close()
        samples = max(mixer.end for mixer in mixers.values())
        if samples == 0 and at < 0:
            raise DecodeFailed("The track ends before the recording begins.", hint="Leave it out, or change its start.")
        if samples == 0:
            raise DecodeFailed("No audio could be decoded from the recording.", hint=HINT)
        clock_jumped = any(mixer.clock_jumped for mixer in mixers.values())
        notes = warnings_of(packets, Path(path), container.format.name, promised, clock_jumped=clock_jumped)
        if channels_into is not None and not channels:
            notes.append("The recording has one channel only, so its channels could not be separated.")
        seconds = mixers[main.index].end / SAMPLE_RATE
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
    """Return the streams to mix, the main one first.

    Recorders write either the mix followed by its parts (OBS), or one stream per participant (Craig, Riverside).
    The file does not say which. Adding a part to its mix only makes it louder, while leaving out a participant loses
    words: so all streams are mixed, except translations and commentaries, which would overlap the meeting.
    """
    if not container.streams.audio:
        raise NoAudio("The recording has no audio.", hint="Export it together with its audio.")
    known = [stream for stream in container.streams.audio if stream.codec_context is not None]
    if not known:
        raise UnsupportedMedia("The recording's audio codec cannot be decoded.", hint=HINT)
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
            f"The recording has {count} channels; at most {settings.max_audio_streams} can be separated.",
            hint="Decode it without separate channels.",
        )
    return [(folder / f"track-{number}.f32").open("w+b") for number in range(count)]


def _decode_into(packets: Packets, mixers: dict[int, _StreamMixer], promised: float | None, progress: Progress) -> None:
    reported = 0.0
    for index, frames in packets:
        for frame in frames:
            mixers[index].write_frame(frame)
        if promised and (share := min(1.0, mixers[index].at / SAMPLE_RATE / promised)) >= reported + 0.01:
            reported = share
            progress(share)
    for mixer in mixers.values():
        mixer.flush_resampler()


def _add(file: BinaryIO, at: int, samples: Floats) -> None:
    """Add samples to those of the other streams; a gap before them uses no disk space (sparse file)."""
    file.seek(at * SAMPLE_BYTES)
    existing = np.frombuffer(file.read(len(samples) * SAMPLE_BYTES), dtype="<f4")
    if len(existing):
        samples = samples.copy()
        samples[: len(existing)] += existing
        file.seek(at * SAMPLE_BYTES)
    file.write(samples.astype("<f4").tobytes())


def _level(mix: BinaryIO, audible: int) -> None:
    """Divide the sum of the streams by their number, so that it cannot clip."""
    if audible < 2:
        return
    mix.seek(0)
    while block := mix.read(BLOCK * SAMPLE_BYTES):
        mix.seek(-len(block), 1)
        mix.write((np.frombuffer(block, dtype="<f4") / np.float32(audible)).tobytes())
        mix.flush()


def _probe_video(container: av.container.InputContainer) -> VideoProbe | None:
    stream = find_video(container)
    rate = stream and (stream.average_rate or stream.guessed_rate)
    if stream is None or not rate:
        return None
    return VideoProbe(width=stream.width, height=stream.height, frames_per_second=float(rate))
