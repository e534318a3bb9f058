"""Measures the diarization error rate on recordings and simulated meetings, collar 0, overlap scored.

python bench/diarization.py [FOLDER WITH THE SHARED DATA] [FOLDER WITH CLIPS AND THEIR RTTM …] [speaker=ENGINE] [-v]

A set whose folder is missing is skipped. Every set is measured with each segmentation engine that can run here.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pyannote.core import Annotation, Segment, Timeline
from pyannote.metrics.diarization import DiarizationErrorRate
from scipy.signal import fftconvolve

sys.path.insert(0, str(Path(__file__).parents[1]))

from services.trainer.datasets.voices import HELD_OUT_SPEAKERS, held_out_speakers, reader
from services.trainer.segmentation.simulate import add_reverberation, background_noise
from services.trainer.speaker.channels import CHANNELS
from services.trainer.voice.channel_augmentation import telephone_band
from shared.domain.error import EngineUnavailable
from shared.domain.speech import SpeakerTurn
from shared.engines.catalog import SEGMENTATION, SPEAKER, VAD, Setup, choose
from shared.engines.decoder.sound import decode_sound
from shared.engines.settings import EngineSettings, MediaSettings
from shared.pipeline.diarize import Diarize
from shared.ports.engines import SpeechSegmenter
from shared.ports.media import SAMPLE_RATE, Audio, Floats

ENCODER = next((argument[8:] for argument in sys.argv if argument.startswith("speaker=")), None)
FOLDERS = [Path(argument) for argument in sys.argv[1:] if not argument.startswith(("-", "speaker="))]
DATA = FOLDERS[0] if FOLDERS else Path(os.environ.get("UNDERTONE_SHARED_DATA", "../shared/data"))
SAMPLES = Path(__file__).parents[1] / "samples"
SOUNDS = (".flac", ".wav", ".opus", ".mp3", ".mp4")


@dataclass(frozen=True)
class Meeting:
    name: str
    audio: Audio
    turns: list[tuple[float, float, str]]


def load(path: Path) -> Floats:
    with tempfile.TemporaryDirectory() as folder:
        mix = Path(folder, "mix.f32")
        decode_sound(str(path), mix, MediaSettings(), channels_into=None, progress=lambda _: None)
        return np.fromfile(mix, dtype="<f4")


def voiced(piece: Floats, pause: float = 0.4, below: float = 35.0) -> Iterator[tuple[float, float]]:
    """Yield the voiced spans of a clean recording: the pauses of a reader are not speech."""
    step = SAMPLE_RATE // 50
    levels = np.array([np.sqrt(np.mean(piece[first : first + step] ** 2)) for first in range(0, len(piece), step)])
    loud = np.flatnonzero(levels > levels.max() * 10 ** (-below / 20)) * 0.02
    if len(loud):
        breaks = np.flatnonzero(np.diff(loud) > pause)
        for begin, end in zip([0, *(breaks + 1)], [*breaks, len(loud) - 1], strict=True):
            yield float(loud[begin]), float(loud[end]) + 0.02


class Stage:
    """Builds a simulated meeting."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.sound = np.zeros(200 * SAMPLE_RATE, dtype=np.float32)
        self.turns: list[tuple[float, float, str]] = []
        self.now = 0.5

    def add_turn(self, piece: Floats, who: str, heard: Floats | None = None) -> None:
        """Add a turn; `heard` is what a room or a channel makes of it."""
        start = int(self.now * SAMPLE_RATE)
        sound = piece if heard is None else heard
        self.sound[start : start + len(sound)] += sound
        self.turns += [(self.now + begin, self.now + end, who) for begin, end in voiced(piece)]
        self.now += len(piece) / SAMPLE_RATE

    def meeting(self, name: str, noise_below: float | None = None) -> Meeting:
        """Add mild noise, or room noise `noise_below` decibels below the voices, and return the meeting."""
        sound = self.sound[: int((self.now + 1) * SAMPLE_RATE)]
        if noise_below is None:
            noise = self.random.normal(0, 0.002, len(sound))
        else:
            noise = background_noise(len(sound), self.random)
            frames = sound[: len(sound) // 160 * 160].reshape(-1, 160)
            loud = np.percentile(np.sqrt(np.square(frames).mean(axis=1)), 90)
            noise *= loud * 10 ** (-noise_below / 20) / np.sqrt(np.square(noise).mean())
        return Meeting(name, Audio((sound + noise).astype(np.float32)), self.turns)


def simulated(speakers: int, seed: int, overlap: float = 0.0, *, far: bool = False, mixed: bool = False) -> Meeting:
    """A minute and a half of read speech in turns of 1.5 to 8 s, with pauses, different levels and mild noise.

    The speakers are held out from the training of the speaker encoder and the segmentation. `far` adds reverberation.
    With `mixed`, each of them changes between two channels.
    """
    stage = Stage(seed)
    random = stage.random
    files = sorted((DATA / "speech" / "librispeech_speakers").glob("*.opus"))
    held_out = held_out_speakers(map(reader, files))
    files = [file for file in files if reader(file) in held_out]
    chosen = [load(files[number]) for number in random.choice(len(files), speakers, replace=False)]
    chosen = [voice / np.abs(voice).max() * random.uniform(0.15, 0.6) for voice in chosen]
    distance = random.uniform(0.4, 1.0) if far else 0.0
    rooms = [add_reverberation(min(1.0, distance * random.uniform(0.7, 1.3)), random) for _ in chosen if far]
    channels = [random.choice(list(CHANNELS), 2, replace=False).tolist() for _ in chosen] if mixed else []
    positions, last = [0] * speakers, -1
    while stage.now < 90:
        who = last = int(random.choice([number for number in range(speakers) if number != last] or [0]))
        length = int(random.uniform(1.5, 8.0) * SAMPLE_RATE)
        if positions[who] + length > len(chosen[who]):
            positions[who] = 0
        piece = chosen[who][positions[who] : positions[who] + length]
        heard = piece
        if far:
            heard = fftconvolve(piece, rooms[who]).astype(np.float32)
        elif mixed:
            heard = CHANNELS[channels[who][random.integers(2)]](piece, random)
        stage.add_turn(piece, f"spk{who}", heard)
        positions[who] += length
        stage.now += -random.uniform(0.3, 1.5) if random.random() < overlap else random.uniform(0.1, 1.0)
    name = f"{speakers} speakers, overlap {overlap:.0%}, seed {seed}"
    return stage.meeting(name, random.uniform(5.0, 20.0) if far else None)


def acted(actors: int, seed: int) -> Meeting:
    """A minute and a half of actors held out from training, with another emotion in every sentence."""
    stage = Stage(seed)
    random = stage.random
    numbers = sorted(name.removeprefix("ravdess ") for name in HELD_OUT_SPEAKERS if name.startswith("ravdess"))
    clips = {who: sorted((DATA / "voice" / "ravdess").rglob(f"03-*-{who}.*")) for who in numbers}
    chosen, last = random.choice(sorted(clips), actors, replace=False), ""
    while stage.now < 90:
        who = last = str(random.choice([one for one in chosen if one != last] or chosen))
        for _ in range(random.integers(1, 4)):
            piece = load(clips[who][random.integers(len(clips[who]))])
            stage.add_turn(piece * random.uniform(0.15, 0.6) / max(float(np.abs(piece).max()), 1e-6), who)
            stage.now += random.uniform(0.1, 0.5)
    return stage.meeting(f"{actors} actors, seed {seed}")


def telephone(seed: int) -> Meeting:
    """Two of the held-out readers in turns of 2 to 8 s, in the band of a telephone."""
    meeting = simulated(2, seed, overlap=0.2)
    return Meeting(meeting.name, Audio(telephone_band(meeting.audio.samples)), meeting.turns)


def recordings(folder: Path) -> Iterator[Meeting]:
    """The clips of a folder that its RTTM files describe."""
    reference: dict[str, list[tuple[float, float, str]]] = {}
    for path in sorted(folder.glob("*.rttm")):
        for line in path.read_text(encoding="utf-8").splitlines():
            _, name, _, start, duration, _, _, who, *_ = line.split()
            reference.setdefault(name, []).append((float(start), float(start) + float(duration), who))
    for name, turns in sorted(reference.items()):
        for path in sorted(folder.glob(f"{name}.*")):
            if path.suffix in SOUNDS:
                yield Meeting(name, Audio(load(path)), turns)


def annotation(turns: list[tuple[float, float, str]]) -> Annotation:
    made = Annotation()
    for number, (start, end, who) in enumerate(turns):
        made[Segment(start, end), number] = who
    return made


def speech_turns(turns: list[SpeakerTurn]) -> list[tuple[float, float, str]]:
    return [(turn.start, turn.end, turn.speaker) for turn in turns]


def main() -> None:
    setup = Setup(engines=EngineSettings(), media=MediaSettings())
    detector, encoder = choose(VAD, None, setup), choose(SPEAKER, ENCODER, setup)
    stages = [Diarize(segmenter, encoder) for segmenter in segmenters(setup)]
    for title, meetings in sets():
        speech = [detector.detect(meeting.audio, lambda _: None) for meeting in meetings]
        for stage in stages:
            found = [
                stage.diarize(meeting.audio, spans, lambda _: None)
                for meeting, spans in zip(meetings, speech, strict=True)
            ]
            print_scores(f"{title}, {stage.engine}", meetings, found)


def segmenters(setup: Setup) -> Iterator[SpeechSegmenter]:
    for name in SEGMENTATION.classes:
        try:
            yield choose(SEGMENTATION, name, setup)
        except EngineUnavailable as error:
            print(f"skipped: {error.message}")


def sets() -> Iterator[tuple[str, list[Meeting]]]:
    for folder in (SAMPLES, DATA / "speech" / "ami", *FOLDERS[1:]):
        if folder.is_dir():
            yield f"clips of {folder.name}", list(recordings(folder))
        else:
            print(f"skipped: there is no {folder}")
    if not DATA.is_dir():
        print(f"skipped: there is no {DATA}; UNDERTONE_SHARED_DATA names the folder of the shared data")
        return
    yield "2-4 speakers", [simulated(2 + seed % 3, seed) for seed in range(12)]
    yield "5-8 speakers", [simulated(5 + seed % 4, 100 + seed) for seed in range(8)]
    yield "2-4 speakers, overlap", [simulated(2 + seed % 3, 200 + seed, overlap=0.4) for seed in range(6)]
    yield "2-4 speakers, far", [simulated(2 + seed % 3, 400 + seed, far=True) for seed in range(12)]
    yield "2-4 actors in every mood", [acted(2 + seed % 3, 300 + seed) for seed in range(9)]
    yield "2 speakers, telephone", [telephone(500 + seed) for seed in range(4)]
    yield "1 speaker", [simulated(1, 600 + seed) for seed in range(10)]
    yield "1 actor in every mood", [acted(1, 700 + seed) for seed in range(4)]
    yield "2-4 speakers, mixed channels", [simulated(2 + seed % 3, 800 + seed, mixed=True) for seed in range(12)]


def print_scores(title: str, meetings: list[Meeting], found: list[list[SpeakerTurn]]) -> None:
    metric = DiarizationErrorRate(collar=0.0, skip_overlap=False)
    counted = 0
    for meeting, turns in zip(meetings, found, strict=True):
        whole = Timeline([Segment(0, meeting.audio.duration)])
        error = metric(annotation(meeting.turns), annotation(speech_turns(turns)), uem=whole)
        speakers = len({turn.speaker for turn in turns})
        counted += speakers == len({who for _, _, who in meeting.turns})
        if "-v" in sys.argv:
            print(f"  {meeting.name:40} DER {error:.3f}  speakers found {speakers}")
    total = sum(row["total"] for _, row in metric.results_)
    parts = {
        key: sum(row[key] for _, row in metric.results_) / total
        for key in ("missed detection", "false alarm", "confusion")
    }
    print(
        f"{title:50} DER {abs(metric):.3f}  "
        + "  ".join(f"{key} {value:.3f}" for key, value in parts.items())
        + f"  count right {counted}/{len(meetings)}"
    )


if __name__ == "__main__":
    main()
