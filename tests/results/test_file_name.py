"""Names of downloads contain nothing that is special to a file system, a shell or a header."""

from __future__ import annotations

import pytest

from services.results.file_name import MAX_LENGTH, disposition, file_name


@pytest.mark.parametrize(
    ("recording", "name"),
    [
        ("stand up.mp4", "stand up.vtt"),
        ("../../etc/passwd", "passwd.vtt"),
        ("..\\..\\boot.ini", "boot.vtt"),
        ('a"b\r\nSet-Cookie: x=1.mp4', "a_b_Set-Cookie_ x=1.vtt"),
        ("Besprechung Größe.webm", "Besprechung Größe.vtt"),
        ("会議.mp4", "会議.vtt"),
        ("evil\u202efdp.exe.mp4", "evil_fdp.exe.vtt"),
        (".mp4", "mp4.vtt"),
        ("...", "transcript.vtt"),
        ("CON.mp4", "transcript.vtt"),
        ("$(rm -rf);`x`.mp4", "$(rm -rf)_`x`.vtt"),
        ("\ud800.mp4", "transcript.vtt"),
        ("x" * 300 + ".mp4", "x" * MAX_LENGTH + ".vtt"),
    ],
)
def test_a_name_is_derived_from_the_recording_and_safe(recording: str, name: str) -> None:
    assert file_name(recording, "vtt") == name


def test_the_header_has_an_ascii_name_and_the_full_name() -> None:
    assert disposition("Größe.vtt") == "attachment; filename=\"Gr__e.vtt\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe.vtt"
    assert disposition("a.json", inline=True).startswith("inline; ")
