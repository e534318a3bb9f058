from __future__ import annotations

from pathlib import Path

import pytest

from shared.domain.error import InvalidTranscript
from shared.domain.span import span
from shared.domain.speech import Speech, Transcription
from shared.domain.stage_event import StageEvent, StageWarned
from shared.pipeline.artifacts import SpeechMap, Turns
from shared.pipeline.platform.cue import Cue
from shared.pipeline.platform.stages import ReadPlatformTranscript, TurnsFromWords
from shared.pipeline.stage import Workspace
from tests.fakes import probe, word, workspace

CUES = (
    Cue(start=1, end=2, text="hello there", speaker="Ana"),
    Cue(start=4, end=5, text="good bye", speaker="Ben"),
    Cue(start=90, end=95, text="too late", speaker="Ana"),
)


def ready(tmp_path: Path, events: list[StageEvent], seconds: float = 10.0) -> Workspace:
    speech = SpeechMap(tracks=(Speech(spans=(span(1.2, 1.8), span(4, 5))),))
    return workspace(tmp_path, "transcribe", events, decode=probe(seconds), detect_speech=speech)


def test_platform_words_and_names_replace_transcription(tmp_path: Path) -> None:
    events: list[StageEvent] = []
    work = ready(tmp_path, events)
    stage = ReadPlatformTranscript(CUES, "0" * 64, "en")
    stage.run(work, ())
    transcription = Transcription.model_validate_json((work.folder / "transcribe.json").read_bytes())
    assert [(one.text, one.speaker) for one in transcription.words][:3] == [
        ("hello", "Ana"),
        ("there", "Ana"),
        ("good", "Ben"),
    ]
    assert (transcription.words[0].start, transcription.words[1].end) == (1.2, 1.8)
    assert transcription.language == "en"
    assert [event.code for event in events if isinstance(event, StageWarned)] == ["cues_beyond_end"]
    assert stage.identity() != ReadPlatformTranscript(CUES, "1" * 64, "en").identity()


def test_transcript_of_another_recording_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(InvalidTranscript, match="after the end"):
        ReadPlatformTranscript(CUES, "0" * 64).run(ready(tmp_path, [], seconds=0.5), ())


def test_turns_are_derived_from_named_words(tmp_path: Path) -> None:
    words = (
        word("one", 0, 0.5, "Ana"), word("two", 0.6, 1.0, "Ana"), word("three", 1.0, 1.5, "Ben"),
        word("four", 5.0, 5.5, "Ben"), word("who", 6.0, 6.5),
    )  # fmt: skip
    work = workspace(tmp_path, "diarize", transcribe=Transcription(words=words))
    stage = TurnsFromWords()
    stage.run(work, ())
    made = Turns.model_validate_json((work.folder / "diarize.json").read_bytes())
    assert [(turn.speaker, turn.start, turn.end) for turn in made.turns] == [
        ("S1", 0, 1.0), ("S2", 1.0, 1.5), ("S2", 5.0, 5.5), ("S3", 6.0, 6.5),
    ]  # fmt: skip
    assert made.names == {"S1": "Ana", "S2": "Ben", "S3": "Unknown"}
    assert stage.identity() == TurnsFromWords().identity()


def test_unused_known_voices_give_a_warning(tmp_path: Path) -> None:
    events: list[StageEvent] = []
    work = workspace(tmp_path, "diarize", events, transcribe=Transcription(words=(word("one", 0, 0.5, "Ana"),)))
    TurnsFromWords(unused_voices=1).run(work, ())
    assert [event.code for event in events if isinstance(event, StageWarned)] == ["voices_unused"]


def test_turns_of_platform_speakers_overlap(tmp_path: Path) -> None:
    """Ana speaks on while Ben says a word; a pause in which somebody else speaks ends a turn sooner."""
    words = (
        word("so", 0, 0.5, "Ana"), word("we", 0.6, 1.0, "Ana"), word("yes", 0.7, 1.1, "Ben"),
        word("go", 1.1, 1.5, "Ana"), word("now", 2.0, 2.5, "Ben"), word("fine", 2.1, 2.6, "Ana"),
    )  # fmt: skip
    work = workspace(tmp_path, "diarize", transcribe=Transcription(words=words))
    TurnsFromWords().run(work, ())
    made = Turns.model_validate_json((work.folder / "diarize.json").read_bytes())
    assert [(turn.speaker, turn.start, turn.end) for turn in made.turns] == [
        ("S1", 0, 1.5), ("S2", 0.7, 1.1), ("S2", 2.0, 2.5), ("S1", 2.1, 2.6),
    ]  # fmt: skip
    assert {turn.confidence for turn in made.turns} == {None}


@pytest.mark.parametrize(("name", "expected"), [("Ana", "Unknown"), (None, None)])
def test_cue_without_a_name_is_unknown_if_others_have_one(
    tmp_path: Path, name: str | None, expected: str | None
) -> None:
    cues = (Cue(start=1, end=2, text="hello", speaker=name), Cue(start=1, end=2, text="well"))
    work = ready(tmp_path, [])
    ReadPlatformTranscript(cues, "0" * 64).run(work, ())
    words = Transcription.model_validate_json((work.folder / "transcribe.json").read_bytes()).words
    assert [(one.text, one.speaker) for one in words] == [("hello", name), ("well", expected)]
