from __future__ import annotations

from pathlib import Path

from shared.domain.span import span
from shared.domain.speech import Speech, Transcription
from shared.domain.stage_event import StageEvent, StageWarned
from shared.infra.artifacts_folder import FolderArtifacts
from shared.pipeline.annotate import ensure
from shared.pipeline.artifacts import SpeechMap
from shared.pipeline.stage import Workspace
from shared.pipeline.transcribe import Transcribe, cut_at_pauses
from tests.fakes import ScriptedTranscriber, leave_sound, probe, silent, word, workspace


def ready(tmp_path: Path, speech: SpeechMap, heard: list[StageEvent] | None = None) -> Workspace:
    work = workspace(tmp_path, "transcribe", heard, decode=probe(), detect_speech=speech)
    leave_sound(work, silent(3), silent(3), silent(3))
    return work


def hearing(folder: Path) -> Transcription:
    return Transcription.model_validate_json((folder / "transcribe.json").read_bytes())


MIX = SpeechMap(tracks=(Speech(spans=(span(0, 3),)),))
WORDS = [word("one", 0.5, 1.0), word("two", 1.0, 1.5)]


def test_the_mix_is_heard_in_the_language_that_was_found(tmp_path: Path) -> None:
    heard: list[StageEvent] = []
    work = ready(tmp_path, MIX, heard)
    Transcribe(ScriptedTranscriber(WORDS, note="Only a floor.", language="de")).run(work, ())
    made = hearing(work.folder)
    assert ([one.text for one in made.words], made.language, made.language_confidence) == (["one", "two"], "de", 0.9)
    assert [event.message for event in heard if isinstance(event, StageWarned)] == ["Only a floor."]


def test_a_wished_language_is_not_looked_for(tmp_path: Path) -> None:
    work, twin = ready(tmp_path, MIX), ScriptedTranscriber(WORDS, language=None)
    Transcribe(twin, "fr").run(work, ())
    assert twin.asked == ["fr"]
    assert hearing(work.folder).language == "fr"


def test_a_recogniser_is_told_which_words_may_be_said_or_the_reader_that_it_cannot_be(tmp_path: Path) -> None:
    heard: list[StageEvent] = []
    twin = ScriptedTranscriber(WORDS)
    Transcribe(twin, vocabulary=("Sara", "Marc")).run(ready(tmp_path / "one", MIX, heard), ())
    assert twin.told == [("Sara", "Marc")]
    deaf = ScriptedTranscriber(WORDS, room=0)
    Transcribe(deaf, vocabulary=("Sara",)).run(ready(tmp_path / "two", MIX, heard), ())
    Transcribe(deaf).run(ready(tmp_path / "three", MIX, heard), ())
    assert [event.code for event in heard if isinstance(event, StageWarned)] == ["vocabulary_unused"]


def test_of_a_vocabulary_that_is_too_long_the_first_are_told_and_the_reader_hears_of_the_rest(tmp_path: Path) -> None:
    heard: list[StageEvent] = []
    twin = ScriptedTranscriber(WORDS, room=2)
    Transcribe(twin, vocabulary=("Sara", "Marc", "Jon")).run(ready(tmp_path, MIX, heard), ())
    assert twin.told == [("Sara", "Marc")]
    (warned,) = [event for event in heard if isinstance(event, StageWarned)]
    assert warned.code == "vocabulary_cut"
    assert "2 of the 3" in warned.message and "'Jon'" in warned.message


def test_nothing_heard_needs_no_warning_about_the_hearing(tmp_path: Path) -> None:
    heard: list[StageEvent] = []
    Transcribe(ScriptedTranscriber([], note="Only a floor.")).run(ready(tmp_path, MIX, heard), ())
    assert not [event for event in heard if isinstance(event, StageWarned)]


def test_words_of_a_track_carry_its_name(tmp_path: Path) -> None:
    tracks = (Speech(track="Ana", spans=(span(0.4, 1.2),)), Speech(track="Ben", spans=(span(0.9, 2),)))
    work = ready(tmp_path, SpeechMap(tracks=tracks))
    Transcribe(ScriptedTranscriber(WORDS)).run(work, ())
    assert [(one.text, one.speaker) for one in hearing(work.folder).words] == [
        ("one", "Ana"), ("two", "Ana"), ("two", "Ben"),
    ]  # fmt: skip


def test_a_long_recording_is_heard_in_parts_that_join_to_the_same_words(tmp_path: Path) -> None:
    spans = tuple(span(start, start + 50) for start in range(0, 2000, 60))
    words = [word(f"w{start}", start + 1, start + 2) for start in range(0, 2000, 60)]
    work = ready(tmp_path, SpeechMap(tracks=(Speech(spans=spans),)))
    stage = Transcribe(ScriptedTranscriber(words))
    parts = stage.split(work)
    assert len(parts) == 4
    assert all(any(part.start == one.start for one in spans) for part in parts[1:]), "cut where speech begins"
    made = ensure(stage, "transcribe/1", dict(work.inputs), FolderArtifacts(tmp_path / "store"), lambda event: None)
    assert [one.text for one in hearing(made).words] == [one.text for one in words]


def test_a_short_or_silent_recording_is_not_split() -> None:
    assert cut_at_pauses([]) == ()
    assert cut_at_pauses([span(0, 800)]) == ()


def test_what_it_is_depends_on_the_engine_and_the_language() -> None:
    one = Transcribe(ScriptedTranscriber([]))
    assert one.engine == "scripted-asr"
    assert one.identity() != Transcribe(ScriptedTranscriber([]), "de").identity()
    assert one.identity() != Transcribe(ScriptedTranscriber([]), vocabulary=("Sara",)).identity()
