"""Readers of clip corpora; no clip is opened in these tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.trainer.datasets.clip import Clip, divided
from services.trainer.datasets.clips import read_clip_corpus
from services.trainer.labels import NUMBER, SENTIMENT_NUMBER, UNKNOWN
from shared.domain.emotion import Emotion, Sentiment
from shared.domain.error import InvalidRequest
from shared.domain.span import Span

HEAD = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\n"


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def labels(clips: list[Clip]) -> list[int]:
    return [clip.label for clip in clips]


def test_meld_has_its_own_splits_and_clips_named_by_dialogue_and_utterance(tmp_path: Path) -> None:
    touch(tmp_path, "train/train_splits/dia0_utt3.mp4", "dev/dev_splits_complete/dia0_utt0.mp4")
    (tmp_path / "train" / "train_sent_emo.csv").write_text(HEAD + '1,"Oh, no!",Ana,surprise,negative,0,3\n')
    (tmp_path / "dev_sent_emo.csv").write_text(HEAD + "1,Fine.,Ben,joy,positive,0,0\n")
    train, dev = read_clip_corpus(tmp_path, "meld")
    assert train.path == tmp_path / "train/train_splits/dia0_utt3.mp4" and train.path.is_file()
    assert (train.text, train.speaker, train.split, dev.split) == ("Oh, no!", "Ana", "train", "dev")
    assert train.label == NUMBER[Emotion.SURPRISE] and train.sentiment == SENTIMENT_NUMBER[Sentiment.NEGATIVE]
    assert train.dialogue != dev.dialogue, "dialogue numbers are unique within a split only"


def iemocap(folder: Path, session: int, turns: str) -> None:
    name = f"Ses0{session}F_impro01"
    dialog = folder / f"Session{session}" / "dialog"
    for part in ("EmoEvaluation", "transcriptions"):
        (dialog / part).mkdir(parents=True)
    (dialog / "EmoEvaluation" / f"{name}.txt").write_text(
        "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n" + turns
    )
    (dialog / "transcriptions" / f"{name}.txt").write_text(f"{name}_F000 [001.0000-002.5000]: Excuse me.\n")


def test_iemocap_turns_are_in_order_and_turns_without_agreement_are_context(tmp_path: Path) -> None:
    for session in (1, 4, 5):
        iemocap(
            tmp_path, session,
            f"[3.0000 - 4.0000]\tSes0{session}F_impro01_M000\txxx\t[2.5000, 2.5000, 2.5000]\n"
            "C-E2:\tNeutral;\t()\n"
            f"[1.0000 - 2.5000]\tSes0{session}F_impro01_F000\tfru\t[2.5000, 2.5000, 2.5000]\n",
        )  # fmt: skip
    touch(tmp_path, "Session1/dialog/films/Ses01F_impro01.mp4")
    clips = read_clip_corpus(tmp_path, "iemocap")
    assert labels(clips[:2]) == [NUMBER[Emotion.ANGER], UNKNOWN]
    assert [clip.split for clip in clips[::2]] == ["train", "dev", "test"]
    first = clips[0]
    assert first.path == tmp_path / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav"
    assert (first.text, first.speaker, clips[1].speaker) == ("Excuse me.", "Session1 F", "Session1 M")
    assert first.span == Span(start=1.0, end=2.5) and first.film and first.film.is_file()
    assert clips[2].film is None and clips[2].span is None


def test_acted_clips_are_split_by_speaker_and_video_is_preferred_to_audio(tmp_path: Path) -> None:
    actors = [f"{1001 + number}" for number in range(6)]
    touch(tmp_path, *(f"wav/{actor}_DFA_ANG_XX.wav" for actor in actors), "mp4/1001_DFA_ANG_XX.mp4", "wav/readme_x.wav")
    touch(tmp_path, "wav/1002_IEO_HAP_HI.wav")
    clips = read_clip_corpus(tmp_path, "crema-d")
    assert len(clips) == 7
    splits = {actor: {clip.split for clip in clips if clip.speaker == actor} for actor in actors}
    assert splits == dict(zip(actors, ({"train"}, {"dev"}, {"test"}, {"train"}, {"train"}, {"train"}), strict=True))
    assert [clip.path.suffix for clip in clips if clip.speaker == "1001"] == [".mp4"]
    assert {clip.text for clip in clips} == {""}, "fixed sentences carry no information"


def test_ravdess_reads_speech_with_video_or_without(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "a/01-01-03-01-01-01-01.mp4", "a/03-01-03-01-01-01-01.wav",  # the same recording
        "a/02-01-03-01-01-01-01.mp4",  # without audio
        "a/03-02-03-01-01-01-01.wav",  # sung
        "b/03-01-05-01-01-01-02.wav",
    )  # fmt: skip
    clips = read_clip_corpus(tmp_path, "ravdess")
    assert [clip.path.name for clip in clips] == ["01-01-03-01-01-01-01.mp4", "03-01-05-01-01-01-02.wav"]
    assert labels(clips) == [NUMBER[Emotion.JOY], NUMBER[Emotion.ANGER]]


def table(folder: Path, text: str) -> list[Clip]:
    (folder / "clips.csv").write_text(text)
    return read_clip_corpus(folder, "csv")


def test_optional_columns_of_a_table_have_defaults(tmp_path: Path) -> None:
    first, second = table(
        tmp_path,
        "path,label,speaker,text,dialogue,split,sentiment\n"
        "a.mp4,surprise,Ana,Oh!,one,train,positive\nb.wav,joy,,,,dev,\n",
    )
    assert first == Clip(
        tmp_path / "a.mp4", NUMBER[Emotion.SURPRISE], "Ana", "one", "train", "Oh!", SENTIMENT_NUMBER[Sentiment.POSITIVE]
    )
    assert (second.speaker, second.text, second.sentiment) == ("row 3", "", SENTIMENT_NUMBER[Sentiment.POSITIVE])
    bare = table(tmp_path, "path,label\na.wav,joy\nb.wav,anger\nc.wav,surprise\n")
    assert [clip.split for clip in bare] == ["train", "dev", "test"]
    assert bare[2].sentiment == UNKNOWN


def test_dialogues_are_not_split() -> None:
    clips = [Clip(Path(f"{n}.wav"), 0, f"s{n}", f"d{n // 3}") for n in range(9)]
    assert [clip.split for clip in divided(clips, by="dialogue")] == ["train"] * 3 + ["dev"] * 3 + ["test"] * 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na.wav,bored\nb.wav,joy\n", "Row 2 of clips.csv has no label that is known here: 'bored'"),
        ("path,label,split\na.wav,joy,training\n", "no split"),
        ("path,label,sentiment\na.wav,joy,mixed\n", "no sentiment"),
        ("path,label\n,joy\n", "no path"),
        ("path,label,split\na.wav,joy,train\nb.wav,joy,\n", "some clips only"),
        ("path,label,speaker\na.wav,joy,Ana\nb.wav,joy,Ana\n", "No labelled clip for evaluation"),
    ],
)
def test_an_unusable_table_is_rejected(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=message):
        table(tmp_path, text)


def test_an_empty_folder_and_an_unknown_layout_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="no clip of the layout ravdess"):
        read_clip_corpus(tmp_path, "ravdess")
    with pytest.raises(InvalidRequest, match="There is no layout 'mosei'"):
        read_clip_corpus(tmp_path, "mosei")
    with pytest.raises(InvalidRequest, match=r"no clips\.csv"):
        read_clip_corpus(tmp_path, "csv")
