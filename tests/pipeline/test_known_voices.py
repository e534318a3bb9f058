"""Speakers are named by reference clips of their voices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from shared.domain.error import InvalidRequest, NoAudio
from shared.domain.job import Source
from shared.domain.recording import Probe
from shared.domain.speech import Speech
from shared.domain.stage_event import StageEvent, StageWarned
from shared.pipeline.artifacts import SpeechMap, Turns
from shared.pipeline.known_voices import KnownVoices
from shared.ports.media import Audio, Floats
from tests.fakes import ScriptedDecoder, ScriptedEncoder, probe, tone, workspace, write_audio
from tests.pipeline.test_diarize import HIGH, LOW, MIDDLE, conversation, stage


@dataclass
class DecoderOfFiles(ScriptedDecoder):
    """Writes the samples of the file with this name."""

    sounds: Mapping[str, Floats] = field(default_factory=dict)

    def decode(self, media: Path, into: Path, **options: object) -> Probe:
        self.samples = self.sounds[media.name]
        return super().decode(media, into, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("references", "names", "warnings"),
    [
        ({"Ana": LOW, "Ben": HIGH}, {"S1": "Ben", "S2": "Ana"}, []),
        ({"Ben": HIGH}, {"S1": "Ben"}, []),
        ({"Carl": MIDDLE, "Ana": LOW}, {"S2": "Ana"}, ["1 of 2 known voices were not found."]),
        ({"Ana": LOW, "Twin": LOW}, {"S2": "Twin"}, ["1 of 2 known voices were not found."]),
    ],
)
def test_speakers_get_the_name_of_the_voice_that_is_theirs(
    tmp_path: Path, references: Mapping[str, float], names: Mapping[str, str], warnings: list[str]
) -> None:
    audio, turns = conversation((HIGH, 4), (LOW, 4), (HIGH, 3))
    speech = SpeechMap(tracks=(Speech(spans=tuple(where for _, where in turns)),))
    events: list[StageEvent] = []
    work = workspace(tmp_path, "diarize", events, decode=probe(), detect_speech=speech)
    write_audio(work, audio.samples)
    decoder = DecoderOfFiles(sounds={f"{name}.wav": tone(3, hertz) for name, hertz in references.items()})
    clips = tuple((Source(name=name, sha256="0" * 64), Path(f"{name}.wav")) for name in references)
    plain = stage(turns)
    one = type(plain)(plain.segmenter, plain.encoder, known=KnownVoices(decoder, clips))
    one.run(work, ())
    made = Turns.model_validate_json((work.folder / "diarize.json").read_bytes())
    assert (made.recognised, made.names) == (names, {})
    assert [event.message for event in events if isinstance(event, StageWarned)] == warnings
    assert [path.name for path in work.folder.iterdir()] == ["diarize.json"], "nothing of the voices is kept"
    assert one.identity() != plain.identity()


class Broken(ScriptedDecoder):
    def decode(self, media: Path, into: Path, **options: object) -> Probe:
        raise NoAudio("It has no sound.")


def test_an_unusable_clip_is_named_as_the_reason() -> None:
    known = KnownVoices(Broken(), ((Source(name="Ana", sha256="0" * 64), Path("ana.wav")),))
    with pytest.raises(InvalidRequest, match=r"known voice cannot be used\. It has no sound\."):
        known.recognise([], Audio(tone(1)), ScriptedEncoder())
