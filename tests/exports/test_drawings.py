"""The drawings of a summary: valid SVG that says in text what its colours say, whatever the names contain."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from shared.domain.speech import Utterance
from shared.domain.transcript import Transcript
from shared.exports.drawings import WIDTH, Drawing, draw_emotions, draw_talk_time, draw_valence
from shared.exports.summary import summarize
from shared.exports.svg import DRAWINGS, render_svg
from tests.exports.sample import ANA, transcript
from tests.exports.test_summary import meeting, with_emotion
from tests.fakes import reading, utterance

SVG = "{http://www.w3.org/2000/svg}"


def drawn(drawing: Drawing) -> ET.Element:
    return parsed(render_svg(drawing).encode())


def parsed(svg: bytes) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - made by the code under test


def texts(root: ET.Element) -> list[str]:
    return ["".join(one.itertext()) for one in root.iter(f"{SVG}text")]


def lines(root: ET.Element, style: str) -> list[str]:
    return [one.attrib["points"] for one in root.iter(f"{SVG}polyline") if one.get("class") == style]


def bars(root: ET.Element, style: str) -> list[float]:
    return [float(one.attrib["width"]) for one in root.iter(f"{SVG}rect") if one.get("class") == style]


def said(index: int, start: float, end: float, speaker: str = "S1", **scores: float) -> Utterance:
    return with_emotion(utterance(index, start, end, speaker), reading(**scores))


def valence(index: int, start: float, value: float) -> Utterance:
    read = reading(joy=0.7).model_copy(update={"valence": value})
    return with_emotion(utterance(index, start, start + 50), read)


@pytest.mark.parametrize("name", DRAWINGS)
@pytest.mark.parametrize("emotion", [True, False])
def test_every_drawing_is_titled_and_described(name: str, emotion: bool) -> None:
    root = parsed(DRAWINGS[name].render(transcript(), emotion=emotion))
    assert root.attrib["role"] == "img"
    ids = {one.attrib["id"]: "".join(one.itertext()) for one in root if one.tag in (f"{SVG}title", f"{SVG}desc")}
    assert list(ids) == root.attrib["aria-labelledby"].split() and all(ids.values())
    assert {one.tag.removeprefix(SVG) for one in root.iter()} <= {
        *("svg", "title", "desc", "rect", "text", "polyline", "circle", "defs", "pattern", "path")
    }
    assert not [name for one in root.iter() for name in one.attrib if name.startswith("on") or name.endswith("href")]


def test_bars_are_as_long_as_the_shares() -> None:
    made = meeting(utterance(0, 0, 30, "S1"), utterance(1, 30, 40, "S2"))
    root = drawn(draw_talk_time(summarize(made, emotion=False)))
    assert bars(root, "talk") == [0.75 * WIDTH, 0.25 * WIDTH]
    assert [one for one in texts(root) if "%" in one] == ["00:00:30, 75%", "00:00:10, 25%"]


def test_names_are_escaped_and_cut() -> None:
    made = transcript()
    long = made.speakers[1].model_copy(update={"name": "x" * 500 + "</svg><script>"})
    odd = made.speakers[2].model_copy(update={"name": "\x00\ufffe"})
    made = made.model_copy(update={"speakers": (made.speakers[0], long, odd)})
    named = texts(drawn(draw_talk_time(summarize(made, emotion=False))))
    assert ANA in named and "S3" in named
    assert ("x" * 45 + "…") in named


def test_emotions_are_stacked_patterned_and_named() -> None:
    made = meeting(said(0, 0, 10, joy=0.7), said(1, 10, 20, sadness=0.7))
    root = drawn(draw_emotions(summarize(made, emotion=True)))
    widths = [float(one.attrib["width"]) for one in root.iter(f"{SVG}rect") if "url(#" in one.attrib["fill"]][:7]
    assert sum(widths) == pytest.approx(WIDTH, abs=1)
    assert len(list(root.iter(f"{SVG}pattern"))) == 7
    assert any(one.startswith(("joy 38%", "sadness 38%")) for one in texts(root)), texts(root)
    assert {"anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise"} <= set(texts(root))


def test_the_course_is_interrupted_where_nothing_was_read() -> None:
    made = meeting(*(valence(n, at, 0.1) for n, at in enumerate((0, 60, 180, 240))), utterance(4, 290, 300))
    made = made.model_copy(update={"recording": made.recording.model_copy(update={"duration": 300.0})})
    root = drawn(draw_valence(summarize(made, emotion=True)))
    assert [len(line.split()) for line in lines(root, "course")] == [2, 2]
    assert {"00:00:00", "00:02:30", "00:05:00", "+1", "0", "−1"} <= set(texts(root))


def test_turning_points_are_numbered() -> None:
    summary = summarize(meeting(valence(0, 0, 0.7), valence(1, 60, -0.6)), emotion=True)
    root = drawn(draw_valence(summary))
    assert len(summary.turning_points or ()) == 1
    assert "1" in texts(root) and len(lines(root, "turn")) == 1


def test_an_empty_meeting_can_be_drawn() -> None:
    empty: Transcript = transcript(()).model_copy(update={"speakers": (), "turns": ()})
    for name in DRAWINGS:
        for emotion in (True, False):
            assert parsed(DRAWINGS[name].render(empty, emotion=emotion)).tag == f"{SVG}svg"
