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
from tests.fakes import ScriptedTranscriber, probe, silent, word, workspace, write_audio


def ready(tmp_path: Path, speech: SpeechMap, events: list[StageEvent] | None = None) -> Workspace:
    work = workspace(tmp_path, "transcribe", events, decode=probe(), detect_speech=speech)
    write_audio(work, silent(3), silent(3), silent(3))
    return work


def transcription(folder: Path) -> Transcription:
    return Transcription.model_validate_json((folder / "transcribe.json").read_bytes())


MIX = SpeechMap(tracks=(Speech(spans=(span(0, 3),)),))
WORDS = [word("one", 0.5, 1.0), word("two", 1.0, 1.5)]


def test_mix_is_transcribed_in_the_detected_language(tmp_path: Path) -> None:
    events: list[StageEvent] = []
    work = ready(tmp_path, MIX, events)
    Transcribe(ScriptedTranscriber(WORDS, note="Only a floor.", language="de")).run(work, ())
    made = transcription(work.folder)
    assert ([one.text for one in made.words], made.language, made.language_confidence) == (["one", "two"], "de", 0.9)
    assert [event.message for event in events if isinstance(event, StageWarned)] == ["Only a floor."]


def test_requested_language_is_not_detected(tmp_path: Path) -> None:
    work, transcriber = ready(tmp_path, MIX), ScriptedTranscriber(WORDS, language=None)
    Transcribe(transcriber, "fr").run(work, ())
    assert transcriber.languages == ["fr"]
    assert transcription(work.folder).language == "fr"


def test_vocabulary_is_passed_or_a_warning_is_given(tmp_path: Path) -> None:
    events: list[StageEvent] = []
    transcriber = ScriptedTranscriber(WORDS)
    Transcribe(transcriber, vocabulary=("Sara", "Marc")).run(ready(tmp_path / "one", MIX, events), ())
    assert transcriber.vocabularies == [("Sara", "Marc")]
    unsupported = ScriptedTranscriber(WORDS, capacity=0)
    Transcribe(unsupported, vocabulary=("Sara",)).run(ready(tmp_path / "two", MIX, events), ())
    Transcribe(unsupported).run(ready(tmp_path / "three", MIX, events), ())
    assert [event.code for event in events if isinstance(event, StageWarned)] == ["vocabulary_unused"]


def test_long_vocabulary_is_cut_with_a_warning(tmp_path: Path) -> None:
    events: list[StageEvent] = []
    transcriber = ScriptedTranscriber(WORDS, capacity=2)
    Transcribe(transcriber, vocabulary=("Sara", "Marc", "Jon")).run(ready(tmp_path, MIX, events), ())
    assert transcriber.vocabularies == [("Sara", "Marc")]
    (warned,) = [event for event in events if isinstance(event, StageWarned)]
    assert warned.code == "vocabulary_cut"
    assert "2 of the 3" in warned.message and "'Jon'" in warned.message


def test_speech_without_words_is_a_warning_with_its_time(tmp_path: Path) -> None:
    events: list[StageEvent] = []
    late = Speech(track="Ana", spans=(span(0, 2), span(3600, 3663.5), span(3700, 3701)))
    tracks = (late, Speech(track="Ben", spans=(span(0.4, 1.6),)))
    words = [word("one", 0.5, 1.5), word("two", 3600.2, 3660)]
    work = ready(tmp_path, SpeechMap(tracks=tracks), events)
    Transcribe(ScriptedTranscriber(words)).run(work, ())
    (warned,) = [event for event in events if isinstance(event, StageWarned)]
    assert warned.code == "speech_without_words"
    assert warned.message == "No words were recognised in detected speech: 1:01:00.0 to 1:01:03.5."


def test_warning_about_speech_without_words_lists_ten_times(tmp_path: Path) -> None:
    events: list[StageEvent] = []
    speech = SpeechMap(tracks=(Speech(spans=tuple(span(start, start + 2) for start in range(0, 36, 3))),))
    Transcribe(ScriptedTranscriber([])).run(ready(tmp_path, speech, events), ())
    (warned,) = [event for event in events if isinstance(event, StageWarned)]
    assert warned.message.count(" to ") == 10
    assert warned.message.endswith("0:00:27.0 to 0:00:29.0 and 2 more.")


def test_empty_transcription_has_no_recogniser_warning(tmp_path: Path) -> None:
    events: list[StageEvent] = []
    Transcribe(ScriptedTranscriber([], note="Only a floor.")).run(ready(tmp_path, MIX, events), ())
    assert "recogniser" not in [event.code for event in events if isinstance(event, StageWarned)]


def test_words_of_a_track_have_its_name(tmp_path: Path) -> None:
    tracks = (Speech(track="Ana", spans=(span(0.4, 1.2),)), Speech(track="Ben", spans=(span(0.9, 2),)))
    work = ready(tmp_path, SpeechMap(tracks=tracks))
    Transcribe(ScriptedTranscriber(WORDS)).run(work, ())
    assert [(one.text, one.speaker) for one in transcription(work.folder).words] == [
        ("one", "Ana"), ("two", "Ana"), ("two", "Ben"),
    ]  # fmt: skip


def test_long_recording_is_transcribed_in_parts(tmp_path: Path) -> None:
    spans = tuple(span(start, start + 50) for start in range(0, 2000, 60))
    words = [word(f"w{start}", start + 1, start + 2) for start in range(0, 2000, 60)]
    work = ready(tmp_path, SpeechMap(tracks=(Speech(spans=spans),)))
    stage = Transcribe(ScriptedTranscriber(words))
    parts = stage.split(work)
    assert len(parts) == 4
    assert all(any(part.start == one.start for one in spans) for part in parts[1:]), "split at the start of speech"
    made = ensure(stage, "transcribe/1", dict(work.inputs), FolderArtifacts(tmp_path / "store"), lambda event: None)
    assert [one.text for one in transcription(made).words] == [one.text for one in words]


def test_short_or_silent_recording_is_not_split() -> None:
    assert cut_at_pauses([]) == ()
    assert cut_at_pauses([span(0, 800)]) == ()


def test_identity_depends_on_language_and_vocabulary() -> None:
    one = Transcribe(ScriptedTranscriber([]))
    assert one.engine == "scripted-asr"
    assert one.identity() != Transcribe(ScriptedTranscriber([]), "de").identity()
    assert one.identity() != Transcribe(ScriptedTranscriber([]), vocabulary=("Sara",)).identity()
