"""Every export format is parsed by a library that its users use."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pympi
import pysubs2
import pytest
import webvtt
from praatio import textgrid
from pyannote.database.util import load_rttm

from shared.domain.emotion import EMOTIONS
from shared.domain.speech import Utterance
from shared.domain.transcript import Transcript
from shared.exports.document import transcript_schema
from shared.exports.formats import FORMATS
from tests.exports.documents import text_of
from tests.exports.sample import ANA, BEN, EVE, transcript
from tests.fakes import turn, utterance

# meeteval has no wheels and needs a C++ compiler, so only `make check` installs it.
needs_meeteval = pytest.mark.skipif(find_spec("meeteval") is None, reason="make check installs meeteval")
SCHEMA = Path(__file__).parents[2] / "docs" / "transcript.schema.json"


def render(name: str, *, emotion: bool = True, given: Transcript | None = None) -> bytes:
    return FORMATS[name].render(given or transcript(), emotion=emotion)


def read_with_meeteval(path: Path) -> list[Any]:
    return list(import_module("meeteval.io").load(path))


def saved(tmp_path: Path, name: str, **options: object) -> Path:
    path = tmp_path / f"out.{name}"
    path.write_bytes(render(name, **options))  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_empty_transcript_is_rendered(name: str, tmp_path: Path) -> None:
    assert isinstance(render(name, given=transcript(())), bytes)


@pytest.mark.parametrize("name", FORMATS)
def test_emotion_can_be_omitted_from_every_format(name: str) -> None:
    assert "sadness" not in text_of(name, render(name, emotion=False))


@pytest.mark.parametrize("name", ["json", "vtt", "txt", "md", "docx", "pdf"])
def test_disclosure_is_in_every_format_that_supports_it(name: str) -> None:
    assert "erceived emotion" in text_of(name, render(name))
    assert "erceived emotion" in text_of(name, render(name, emotion=False))


def test_json_round_trips() -> None:
    assert Transcript.model_validate_json(render("json")) == transcript()
    first = json.loads(render("json"))["utterances"][0]
    assert (first["start"], first["emotion"]["scores"]["sadness"]) == (0.48, 0.6)


def test_published_schema_matches_the_model() -> None:
    assert json.loads(SCHEMA.read_text()) == transcript_schema()


def test_webvtt_has_every_word_and_a_voice_for_every_cue(tmp_path: Path) -> None:
    cues = list(webvtt.read(str(saved(tmp_path, "vtt"))))
    assert cues[0].voice == "Ana &lt;Ops› &amp; Co"
    assert cues[0].raw_text.startswith("<v.sadness ")
    assert cues[0].text == "We lost the customer --&gt; yesterday."
    assert cues[1].raw_text.startswith(f"<v {BEN}>")
    assert cues[1].text == 'She said "no" &amp; left &lt;there&gt; at once.'
    assert all(cue.voice for cue in cues)
    assert sum(cue.text.count("word") for cue in cues) == 60
    assert all(len(cue.text) <= 90 for cue in cues)
    assert cues[-1].start == "99:59:59.000"
    assert cues[-1].end == "100:00:01.500"


def test_srt_has_every_word_and_the_speaker_at_each_turn(tmp_path: Path) -> None:
    events = pysubs2.load(str(saved(tmp_path, "srt", emotion=False))).events
    assert events[0].plaintext == "Ana ‹Ops› & Co: We lost the customer --› yesterday."
    assert events[1].plaintext == f'{BEN}: She said "no" & left ‹there› at once.'
    continued = [event.plaintext for event in events if event.plaintext.startswith("word")]
    assert continued, "only the first caption of a turn has the speaker's name"
    assert events[-1].start == 359_999_000


def test_csv_is_parsed_and_no_cell_is_a_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(render("csv").decode())))
    assert len(rows) == 6
    assert rows[2]["speaker"] == f"'{EVE}"
    assert rows[4]["text"].startswith("'-1")
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row.values())
    assert sum(float(rows[0][emotion]) for emotion in EMOTIONS) == pytest.approx(1.0, abs=1e-3)
    assert rows[0]["modality_face"] == "unavailable:no_video"
    assert rows[1]["emotion"] == ""
    bare = csv.DictReader(io.StringIO(render("csv", emotion=False).decode()))
    assert set(bare.fieldnames or ()) == {
        "index", "start", "end", "speaker", "text",
    }  # fmt: skip


def with_turns() -> Transcript:
    """Ana speaks on while Ben interrupts, and another device records her, too."""
    turns = (turn("S1", 0, 9), turn("S1", 4, 10), turn("S2", 3, 5), turn("S2", 7.0, 7.0))
    return transcript().model_copy(update={"turns": turns})


TURNS = {ANA: [(0.0, 10.0)], BEN: [(3.0, 5.0)], EVE: []}


def test_rttm_has_the_turns_with_their_overlaps(tmp_path: Path) -> None:
    path = saved(tmp_path, "rttm", given=with_turns())
    turns = [(segment.start, segment.end, name) for segment, _, name in tracks_of(path)]
    assert turns == [(0.0, 10.0, "Ana_<Ops>_&_Co"), (3.0, 5.0, "Ben_Müller")]


def tracks_of(path: Path) -> Iterator[Any]:
    yield from load_rttm(path)["stand_up"].itertracks(yield_label=True)


def test_rttm_of_version_1_has_a_turn_for_each_utterance(tmp_path: Path) -> None:
    names = [name for _, _, name in tracks_of(saved(tmp_path, "rttm"))]
    assert names[:2] == ["Ana_<Ops>_&_Co", "Ben_Müller"]


def test_textgrid_has_a_tier_of_turns_for_each_speaker(tmp_path: Path) -> None:
    grid = textgrid.openTextgrid(
        str(saved(tmp_path, "TextGrid", given=with_turns(), emotion=False)), includeEmptyIntervals=False
    )
    found = {name: [entry[:2] for entry in grid.getTier(f"{name}-turns").entries] for name in TURNS}
    assert found == TURNS
    assert grid.getTier(f"{BEN}-turns").entries[0].label == BEN


def test_eaf_has_a_tier_of_turns_for_each_speaker(tmp_path: Path) -> None:
    file = pympi.Elan.Eaf(str(saved(tmp_path, "eaf", given=with_turns(), emotion=False)))
    for name, spans in TURNS.items():
        expected = [(round(start * 1000), round(end * 1000), name) for start, end in spans]
        assert file.get_annotation_data_for_tier(f"{name}-turns") == expected


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"json", "rttm", "TextGrid", "eaf", "docx", "pdf"}))
def test_other_formats_do_not_depend_on_turns(name: str) -> None:
    assert render(name, given=with_turns()) == render(name)


@needs_meeteval
def test_rttm_omits_an_utterance_without_duration(tmp_path: Path) -> None:
    assert len(read_with_meeteval(saved(tmp_path, "rttm"))) == 5


@needs_meeteval
def test_ctm_is_sorted_and_has_every_word(tmp_path: Path) -> None:
    lines = read_with_meeteval(saved(tmp_path, "ctm"))
    starts = [float(line.begin_time) for line in lines]
    assert starts == sorted(starts)
    assert len(lines) == sum(len(u.words) for u in transcript().utterances)


@needs_meeteval
def test_stm_has_words_and_speakers(tmp_path: Path) -> None:
    lines = read_with_meeteval(saved(tmp_path, "stm"))
    assert lines[1].transcript == 'She said "no" & left ‹there› at once.'
    assert lines[0].speaker_id == "Ana_<Ops>_&_Co"


ALL_TIERS = {f"{name}{suffix}" for name in TURNS for suffix in ("", "-emotion", "-turns")}


def test_textgrid_has_three_tiers_for_each_speaker(tmp_path: Path) -> None:
    grid = textgrid.openTextgrid(str(saved(tmp_path, "TextGrid")), includeEmptyIntervals=False)
    assert set(grid.tierNames) == ALL_TIERS
    assert grid.getTier(BEN).entries[0].label == 'She said "no" & left <there> at once.'
    assert grid.getTier(f"{ANA}-emotion").entries[0].label == "sadness"
    assert "-emotion" not in saved(tmp_path, "TextGrid", emotion=False).read_text()


def test_eaf_emotion_annotation_refers_to_the_utterance(tmp_path: Path) -> None:
    file = pympi.Elan.Eaf(str(saved(tmp_path, "eaf")))
    assert set(file.get_tier_names()) == ALL_TIERS
    assert file.get_annotation_data_for_tier(ANA)[0] == (480, 3920, "We lost the customer --> yesterday.")
    assert file.get_ref_annotation_data_for_tier(f"{ANA}-emotion")[0][2] == "sadness"
    bare = pympi.Elan.Eaf(str(saved(tmp_path, "eaf", emotion=False)))
    assert set(bare.get_tier_names()) == ALL_TIERS - {f"{name}-emotion" for name in TURNS}


def overlapping() -> tuple[Utterance, ...]:
    return (
        utterance(0, 0.0, 2.0),
        utterance(1, 1.0, 3.0),
        utterance(2, 1.5, 2.5),
        utterance(3, 3.4996, 3.4999, text="a"),
        utterance(4, 5.0, 6.0, "S2"),
    )


def test_annotations_in_a_tier_do_not_overlap(tmp_path: Path) -> None:
    """Overlapping utterances of one speaker (two devices) are clipped; those without duration are dropped."""
    given = transcript(overlapping())
    grid = textgrid.openTextgrid(str(saved(tmp_path, "TextGrid", given=given)), includeEmptyIntervals=False)
    assert [entry[:2] for entry in grid.getTier(ANA).entries] == [(0.0, 2.0), (2.0, 3.0)]
    file = pympi.Elan.Eaf(str(saved(tmp_path, "eaf", given=given)))
    assert [data[:2] for data in file.get_annotation_data_for_tier(ANA)] == [(0, 2000), (2000, 3000)]


def test_very_short_annotations_and_gaps_are_rounded_to_a_valid_length(tmp_path: Path) -> None:
    given = transcript((utterance(0, 0.0015, 0.0025, text="a"), utterance(1, 0.002500001, 60.0, text="b")))
    file = pympi.Elan.Eaf(str(saved(tmp_path, "eaf", given=given)))
    assert file.get_annotation_data_for_tier(ANA)[0][:2] == (2, 3)
    grid = textgrid.openTextgrid(str(saved(tmp_path, "TextGrid", given=given)), includeEmptyIntervals=True)
    assert [entry[:2] for entry in grid.getTier(ANA).entries] == [(0.0, 0.0015), (0.0015, 0.0025), (0.0025, 60.0)]


def test_labels_and_names_with_quotes_are_escaped(tmp_path: Path) -> None:
    given = transcript((utterance(0, 0, 1, text='She said "no".'),))
    quoted = tuple(one.model_copy(update={"name": 'Ana "A"'}) for one in given.speakers)
    grid = textgrid.openTextgrid(
        str(saved(tmp_path, "TextGrid", given=given.model_copy(update={"speakers": quoted}))),
        includeEmptyIntervals=False,
    )
    assert grid.getTier('Ana "A"').entries[0].label == 'She said "no".'


def test_speakers_with_the_same_name_have_separate_tiers(tmp_path: Path) -> None:
    given = transcript(overlapping())
    same_name = tuple(speaker.model_copy(update={"name": "Ana"}) for speaker in given.speakers)
    grid = textgrid.openTextgrid(
        str(saved(tmp_path, "TextGrid", given=given.model_copy(update={"speakers": same_name}), emotion=False)),
        includeEmptyIntervals=False,
    )
    assert grid.tierNames == ("Ana", "Ana-turns", "Ana 2", "Ana 2-turns")


def test_markdown_escapes_markup() -> None:
    lines = render("md").decode().splitlines()
    assert lines[0].startswith("> ")
    assert r"\| \*bold\* \[link\] \# \`code\` \\ \_x\_" in lines[-2]
    assert all(line.replace("\\|", "").count("|") == 5 for line in lines if line.startswith("| 0"))


def test_plain_text_lines() -> None:
    lines = render("txt").decode().splitlines()
    assert lines[0] == "stand up.mp4"
    assert lines[3] == f"00:00:00  {ANA}: We lost the customer --> yesterday.  [sadness 60%]"


def test_corrected_utterance_is_one_caption() -> None:
    """Its words still have the times of the recognised text, so they cannot split the new text."""
    corrected = utterance(0, 0.0, 2.0).model_copy(update={"text": "Good bye, then."})
    assert b"Good bye, then." in render("vtt", given=transcript((corrected,)))


@pytest.mark.parametrize("name", FORMATS)
def test_output_does_not_depend_on_the_time_of_export(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = render(name)
    monkeypatch.setattr(time, "strftime", lambda *_: "1999-01-01T00:00:00")
    assert render(name) == before
