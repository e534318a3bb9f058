from __future__ import annotations

from pathlib import Path

import pytest

from services.cli.outputs import Outputs, write_atomically
from shared.domain.error import InvalidRequest


def parse(output: str | None, formats: str | None) -> Outputs:
    return Outputs.parse(output, formats, emotion=True, burn=True)


def test_a_folder_without_formats_gets_json_and_captions() -> None:
    assert parse("out", None).formats == ("json", "vtt")


def test_one_format_without_a_folder_goes_to_standard_output() -> None:
    assert parse(None, "json").to_stdout
    assert parse("-", "vtt").to_stdout
    assert not parse(None, None).to_stdout


@pytest.mark.parametrize(("output", "formats"), [("-", None), ("-", "json,vtt"), ("-", "mp4"), (None, "mp4")])
def test_standard_output_takes_exactly_one_text_format(output: str | None, formats: str | None) -> None:
    with pytest.raises(InvalidRequest, match="one text format"):
        parse(output, formats)


def test_an_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(InvalidRequest, match="vtt"):
        parse("out", "odt")


def test_a_repeated_format_is_written_once() -> None:
    assert parse("out", "vtt, vtt,srt").formats == ("vtt", "srt")


def test_an_invalid_folder_is_reported_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    outputs = parse(str(tmp_path / "file" / "out"), None)
    with pytest.raises(InvalidRequest, match="cannot be created"), outputs.prepared(tmp_path / "file"):
        pass


def test_a_name_with_a_formats_extension_is_one_file(tmp_path: Path) -> None:
    one = parse(str(tmp_path / "notes.srt"), None)
    assert (one.folder, one.file, one.formats) == (tmp_path, "notes.srt", ("srt",))
    assert parse("clip.MP4", "mp4").file == "clip.MP4"
    with pytest.raises(InvalidRequest, match="in the format srt"):
        parse("notes.srt", "vtt")
    (tmp_path / "notes.vtt").mkdir()
    assert parse(str(tmp_path / "notes.vtt"), None).folder == tmp_path / "notes.vtt", (
        "an existing folder is used as a folder"
    )
    assert parse("v1.2", None).folder == Path("v1.2")


def test_the_recording_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "meeting.mp4").touch()
    outputs = parse(str(tmp_path / "meeting.mp4"), None)
    with pytest.raises(InvalidRequest, match="the recording itself"), outputs.prepared(tmp_path / "meeting.mp4"):
        pass
    (tmp_path / "another.mp4").touch()
    with outputs.prepared(tmp_path / "another.mp4"):
        pass


def test_a_failed_run_keeps_only_an_existing_folder(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for name, stays in (("mine", True), ("new", False)):
        with pytest.raises(KeyboardInterrupt), parse(str(tmp_path / name), None).prepared(tmp_path / "meeting.mp4"):
            raise KeyboardInterrupt
        assert (tmp_path / name).exists() is stays


def test_a_file_is_written_completely_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "a.vtt"
    target.write_bytes(b"old")
    write_atomically(target, b"new")
    assert target.read_bytes() == b"new"
    with pytest.raises(TypeError):
        write_atomically(target, "not bytes")  # type: ignore[arg-type]
    assert target.read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["a.vtt"]
