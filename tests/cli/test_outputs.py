from __future__ import annotations

from pathlib import Path

import pytest

from services.cli.outputs import Outputs, write_whole
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
        parse("out", "docx")


def test_a_format_asked_twice_is_written_once() -> None:
    assert parse("out", "vtt, vtt,srt").formats == ("vtt", "srt")


def test_a_folder_that_cannot_be_made_is_said_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    outputs = parse(str(tmp_path / "file" / "out"), None)
    with pytest.raises(InvalidRequest, match="cannot be made"), outputs.prepared():
        pass


def test_a_failed_run_leaves_a_folder_only_where_there_was_one(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for name, stays in (("mine", True), ("new", False)):
        with pytest.raises(KeyboardInterrupt), parse(str(tmp_path / name), None).prepared():
            raise KeyboardInterrupt
        assert (tmp_path / name).exists() is stays


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "a.vtt"
    target.write_bytes(b"old")
    write_whole(target, b"new")
    assert target.read_bytes() == b"new"
    with pytest.raises(TypeError):
        write_whole(target, "not bytes")  # type: ignore[arg-type]
    assert target.read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["a.vtt"]
