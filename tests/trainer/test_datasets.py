"""Readers of text, voice and face corpora, with small files written by the tests."""

from __future__ import annotations

import wave
from pathlib import Path

import cv2
import numpy as np
import pytest

from services.trainer.datasets.faces import read_faces
from services.trainer.datasets.lines import read_lines
from services.trainer.datasets.voices import load_sound, read_clips
from services.trainer.labels import COUNTS, NUMBER, SENTIMENT_NUMBER, UNKNOWN, prior, prior_of
from shared.domain.emotion import Emotion, Sentiment
from shared.domain.error import InvalidRequest
from shared.ports.engines import FaceBox
from shared.ports.media import Frame

MELD = """Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID
1,Hello there.,Ana,neutral,neutral,0,0
2,"No, I am so angry!",Ben,anger,negative,0,1
3,Oh!,Ana,surprise,positive,0,2
4,Why?,Ben,sadness,negative,0,3
5,Because.,Ben,neutral,neutral,0,4
6,Good morning.,Cleo,joy,positive,1,0
"""


def test_meld_lines_have_up_to_three_previous_turns_of_their_dialogue(tmp_path: Path) -> None:
    (tmp_path / "meld.csv").write_text(MELD)
    lines = read_lines(tmp_path / "meld.csv", "meld")
    assert lines[0].before == ()
    assert lines[4].before == (("Ben", "Why?"), ("Ana", "Oh!"), ("Ben", "No, I am so angry!"))
    assert lines[5].before == ()
    assert lines[1].emotions == (NUMBER[Emotion.ANGER],)
    assert lines[2].sentiment == SENTIMENT_NUMBER[Sentiment.POSITIVE]


def test_emorynlp_speakers_are_lists_and_scenes_separate_dialogues(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text(
        "Utterance,Speaker,Emotion,Scene_ID,Utterance_ID,Season,Episode\n"
        "Go!,\"['Ana', 'Ben']\",Mad,1,1,1,1\nNo.,['Ben'],Peaceful,1,2,1,1\nHm.,['Ben'],Scared,1,1,1,2\n"
    )
    lines = read_lines(tmp_path / "e.csv", "emorynlp")
    assert lines[1].before == (("Ana, Ben", "Go!"),)
    assert lines[2].before == ()
    assert [line.emotions[0] for line in lines] == [NUMBER[Emotion(e)] for e in ("anger", "neutral", "fear")]


@pytest.mark.parametrize(("names", "marks"), [("anger\ndisgust\njoy", "2,0"), (None, "17,2")])
def test_goemotions_accepts_seven_labels_or_its_own_28(tmp_path: Path, names: str | None, marks: str) -> None:
    fine = (
        "admiration amusement anger annoyance approval caring confusion curiosity desire disappointment disapproval "
        "disgust embarrassment excitement fear gratitude grief joy love nervousness optimism pride realization relief "
        "remorse sadness surprise neutral"
    )
    (tmp_path / "labels.txt").write_text(names or fine.replace(" ", "\n"))
    (tmp_path / "dev.tsv").write_text(f"[NAME] did it\t{marks}\tid1\n")
    (line,) = read_lines(tmp_path / "dev.tsv", "goemotions")
    assert line.text == "someone did it"
    assert line.emotions == tuple(sorted((NUMBER[Emotion.JOY], NUMBER[Emotion.ANGER])))
    assert line.sentiment == UNKNOWN, "its labels disagree"


def test_a_table_of_lines_requires_text_and_label(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("text,label\nfine,joy\nbad,sadness\n")
    lines = read_lines(tmp_path / "t.csv", "csv")
    assert [line.before for line in lines] == [(), ()]
    assert [line.sentiment for line in lines] == [
        SENTIMENT_NUMBER[Sentiment.POSITIVE],
        SENTIMENT_NUMBER[Sentiment.NEGATIVE],
    ]


def sound(path: Path, seconds: float = 0.5) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = (np.sin(np.arange(int(16_000 * seconds)) / 10) * 9000).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, len(samples), "NONE", ""))
        file.writeframes(samples.tobytes())
    return path


def test_acted_corpora_encode_emotion_and_speaker_in_file_names(tmp_path: Path) -> None:
    sound(tmp_path / "r" / "Actor_03" / "03-01-02-01-01-01-03.wav")
    sound(tmp_path / "r" / "Actor_03" / "03-01-08-01-01-01-03.wav")
    sound(tmp_path / "e" / "03a01Fa.wav")
    sound(tmp_path / "e" / "03a01La.wav")
    sound(tmp_path / "c" / "1001_DFA_DIS_XX.wav")
    ravdess = read_clips(tmp_path / "r", "ravdess")
    assert [(clip.label, clip.speaker) for clip in ravdess] == [
        (NUMBER[Emotion.NEUTRAL], "ravdess 03"),
        (NUMBER[Emotion.SURPRISE], "ravdess 03"),
    ]
    assert [clip.label for clip in read_clips(tmp_path / "e", "emodb")] == [NUMBER[Emotion.JOY]], (
        "boredom is not one of the seven emotions"
    )
    assert [clip.speaker for clip in read_clips(tmp_path / "c", "crema-d")] == ["crema-d 1001"]
    with pytest.raises(InvalidRequest, match="no clip"):
        read_clips(tmp_path / "c", "ravdess")


def test_paths_in_a_table_of_clips_are_relative_to_the_table(tmp_path: Path) -> None:
    sound(tmp_path / "clips" / "a.wav")
    (tmp_path / "t.csv").write_text("path,label,speaker\nclips/a.wav,fear,Ana\n")
    (clip,) = read_clips(tmp_path / "t.csv", "csv")
    assert (clip.label, clip.speaker) == (NUMBER[Emotion.FEAR], "Ana")
    assert len(load_sound(clip.path)) == 8000
    (tmp_path / "clips" / "a.wav").write_text("no sound")
    with pytest.raises(InvalidRequest, match=r"a.wav cannot be read"):
        load_sound(clip.path)


def test_fer2013_labels_are_mapped_by_name(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "f.npz", images=np.zeros((2, 48, 48), np.uint8), labels=np.array([1, 0], np.uint8),
        label_names=np.array(["surprise", "anger"]),
    )  # fmt: skip
    images, labels = read_faces(tmp_path / "f.npz", "fer2013", FakeDetector())
    assert images.shape == (2, 48, 48)
    assert labels.tolist() == [NUMBER[Emotion.ANGER], NUMBER[Emotion.SURPRISE]]


class FakeDetector:
    name = fingerprint = "none"
    calls = 0

    def detect(self, frame: Frame) -> list[FaceBox]:
        self.calls += 1
        return [FaceBox(0, 0, 60, 60, 0.9)]


def test_faces_are_detected_in_large_images_only(tmp_path: Path) -> None:
    for name, side in (("small.png", 48), ("large.png", 120)):
        cv2.imwrite(str(tmp_path / name), np.full((side, side, 3), 90, np.uint8))
    (tmp_path / "t.csv").write_text("path,label\nsmall.png,joy\nlarge.png,anger\n")
    detector = FakeDetector()
    crops, labels = read_faces(tmp_path / "t.csv", "csv", detector)
    assert crops.shape == (2, 48, 48)
    assert labels.tolist() == [NUMBER[Emotion.JOY], NUMBER[Emotion.ANGER]]
    assert detector.calls == 1
    (tmp_path / "small.png").write_text("not an image")
    with pytest.raises(InvalidRequest, match=r"small.png"):
        read_faces(tmp_path / "t.csv", "csv", detector)


def test_priors_are_distributions_without_zero_probabilities() -> None:
    assert prior([0, 0, 1, UNKNOWN], 3).sum() == pytest.approx(1)
    assert prior([0], 3).min() > 0
    assert prior_of("csv") is None
    for corpus in COUNTS:
        known = prior_of(corpus)
        assert known is not None and known.min() > 0
        assert known.sum() == pytest.approx(1, abs=1e-3)
