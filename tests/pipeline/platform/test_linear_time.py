"""Reading a platform's transcript takes linear time, whatever it contains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from shared.domain.job import Job, Source
from shared.domain.span import span
from shared.domain.speech import Speech, Transcription
from shared.domain.transcript import Provenance
from shared.exports.document import render_json
from shared.pipeline.annotate import StageRecord
from shared.pipeline.artifacts import Readings, SpeechMap, Turns, Utterances
from shared.pipeline.compose import Compose
from shared.pipeline.platform.parse_transcript import read_platform_transcript
from shared.pipeline.platform.stages import ReadPlatformTranscript, TurnsFromWords
from shared.pipeline.publish import Publish
from tests.exports.test_linear_time import many_speakers
from tests.fakes import probe, workspace
from tests.scaling import LIMIT, growth

CUE = "WEBVTT\n\n00:00.000 --> 00:02.000\n"


def cues(size: int, texts: Sequence[str]) -> bytes:
    """Cues that all last for the whole meeting; `#` stands for the number of the cue."""
    timed = (f"00:00.000 --> 06:00:00.000\n{texts[n % len(texts)].replace('#', str(n))}" for n in range(size))
    return "\n\n".join(["WEBVTT", *timed]).encode()


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "open tags": lambda size: f"{CUE}a{'<' * 200 * size}".encode(),
    "open tags before a closed one": lambda size: f"{CUE}a{'<' * 200 * size}> a".encode(),
    "voice classes": lambda size: f"{CUE}a{'<v.' * 50 * size}> a".encode(),
    "voices": lambda size: f"{CUE}{'<v A>a' * 5 * size}".encode(),
    "blanks in a voice": lambda size: f"{CUE}a<v{' ' * 200 * size}".encode(),
    "blanks": lambda size: f"{CUE}{' ' * 200 * size}a: b".encode(),
    "blanks before a timing": lambda size: f"{CUE}a\n\n{' ' * 200 * size}00:01.000 --> 00:02.000\na".encode(),
    "clocks": lambda size: f"{CUE}{'a<00:01.000>' * 5 * size}".encode(),
    "references": lambda size: f"{CUE}a &#{'9' * 200 * size};{'&' * 50 * size}".encode(),
    "names": lambda size: f"{CUE}{'A b ' * 50 * size}: x".encode(),
    "notes": lambda size: f"{CUE}a\n\n{'NOTE' * 50 * size}".encode() + b"\n\nNOTE x" * size,
    "voices of cues": lambda size: cues(size, ["<v Ana #>hello there</v>", "hello"]),
    "prefixed names": lambda size: cues(size, ["Ana Lopez: hello", "hello"]),
    "JSON": lambda size: render_json(many_speakers(size), emotion=True),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_twice_the_transcript_is_parsed_in_twice_the_time(name: str) -> None:
    def prepare(size: int) -> Callable[[], object]:
        content = HOSTILE[name](size)
        return lambda: read_platform_transcript(content)

    assert growth(prepare, 200) < LIMIT


@pytest.mark.parametrize("texts", [["<v A#>hello there", "hello"], ["<v A>hello</v><v B#>so", "<v C>well"]])
def test_twice_the_cues_take_twice_the_time_in_every_stage(tmp_path: Path, texts: Sequence[str]) -> None:
    def prepare(size: int) -> Callable[[], object]:
        given = read_platform_transcript(cues(size, texts))
        spoken = tuple(span(2 * n, 2 * n + 1) for n in range(size))
        folder = tmp_path / str(size)
        folder.mkdir()
        work = workspace(
            folder,
            "",
            decode=probe(6 * 3600),
            detect_speech=SpeechMap(tracks=(Speech(spans=spoken),)),
            read_emotions=Readings(readings=(), used=()),
            transcribe=Transcription(words=()),
            diarize=Turns(turns=()),
            compose=Utterances(utterances=()),
        )
        for name, path in work.inputs.items():
            record = StageRecord(provenance=Provenance(stage=name, engine="e", seconds=1.0), warnings=())
            (path / "record.json").write_text(record.model_dump_json())
        job = Job(id="job", recording=Source(name="a.mp4", sha256="a" * 64))
        stages = (
            ReadPlatformTranscript(given, "0" * 64),
            TurnsFromWords(),
            Compose(),
            Publish(job),
        )

        def run() -> None:
            for stage in stages:
                output = work.inputs.get(stage.spec.name, work.folder)
                stage.run(replace(work, stage=stage.spec.name, folder=output, emit=lambda _: None), ())

        return run

    assert growth(prepare, 150) < LIMIT
