"""faster-whisper with a micro-Whisper model that was trained on the voices and words of the fixtures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faster_whisper import WhisperModel
from jiwer import process_words, wer
from typer.testing import CliRunner

from services.cli.main import app
from shared.domain.error import EngineUnavailable, InvalidRequest
from shared.domain.span import Span, span
from shared.domain.speech import Word
from shared.domain.transcript import Transcript
from shared.engines import asr_faster_whisper
from shared.engines.asr_faster_whisper import BRIDGE, PADDING, FasterWhisper
from shared.engines.asr_faster_whisper_batch import BatchDecoder, Heard
from shared.engines.catalog import Setup
from shared.engines.decoder.sound import decode_sound
from shared.engines.hallucination import MAX_COMPRESSION_RATIO, is_plausible
from shared.engines.settings import MediaSettings
from shared.engines.speech_chunks import chunk_speech
from shared.engines.vad_silero import SileroVad
from shared.ports.media import SAMPLE_RATE, Audio

MICRO = Path(__file__).parents[1] / "fixtures" / "micro_whisper"
REFERENCE: dict[str, list[tuple[str, float, float]]] = json.loads((MICRO / "reference.json").read_text())
SAID = REFERENCE["meeting.opus"]
TRUTH = " ".join(word for word, _, _ in SAID)
GAP = max(range(1, len(SAID)), key=lambda index: SAID[index][1] - SAID[index - 1][2])  # the word after the silence


def sound_of(path: Path, folder: Path) -> Audio:
    mix = folder / f"{path.stem}.f32"
    decode_sound(str(path), mix, MediaSettings(), channels_into=None, progress=lambda share: None)
    return Audio(np.fromfile(mix, dtype="<f4"))


@pytest.fixture(scope="module")
def meeting(tmp_path_factory: pytest.TempPathFactory) -> Audio:
    return sound_of(MICRO / "meeting.opus", tmp_path_factory.mktemp("sound"))


@pytest.fixture(scope="module")
def latin(tmp_path_factory: pytest.TempPathFactory) -> Audio:
    return sound_of(MICRO / "latin.opus", tmp_path_factory.mktemp("sound"))


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Audio:
    return sound_of(MICRO / "talk.opus", tmp_path_factory.mktemp("sound"))


@pytest.fixture
def engine(setup: Setup) -> FasterWhisper:
    return FasterWhisper.load(str(MICRO), setup)


@pytest.fixture
def speech(meeting: Audio, setup: Setup) -> tuple[Span, ...]:
    return tuple(SileroVad.load(None, setup).detect(meeting, lambda share: None))


def transcribe(engine: FasterWhisper, audio: Audio, speech: Sequence[Span], language: str = "en") -> tuple[Word, ...]:
    return engine.transcribe(audio, speech, language=language, progress=lambda share: None).words


def pairs(found: Sequence[Word]) -> list[tuple[Word, tuple[str, float, float]]]:
    """Return the correctly recognised words, each with its reference."""
    equal = [part for part in process_words(TRUTH, plain(found)).alignments[0] if part.type == "equal"]
    return [
        (found[part.hyp_start_idx + step], SAID[part.ref_start_idx + step])
        for part in equal
        for step in range(part.ref_end_idx - part.ref_start_idx)
    ]


def plain(words: Sequence[Word]) -> str:
    return " ".join(word.text.rstrip(".") for word in words)


def test_transcript_has_a_low_word_error_rate(engine: FasterWhisper, meeting: Audio, speech: tuple[Span, ...]) -> None:
    shares: list[float] = []
    result = engine.transcribe(meeting, speech, language="en", progress=shares.append)
    assert wer(TRUTH, plain(result.words)) <= 0.05
    assert result.language == "en"
    assert len(shares) == 4 and shares == sorted(shares), "nine windows are three batches"
    assert shares[-1] == 1.0
    assert all(word.confidence is not None and 0 < word.confidence <= 1 for word in result.words)
    assert result.words[3].text == "ready.", "punctuation is part of the last word"


def test_word_times_match_the_reference(engine: FasterWhisper, meeting: Audio, speech: tuple[Span, ...]) -> None:
    transcribed = transcribe(engine, meeting, speech)
    found = pairs(transcribed)
    late = [abs(word.start - start) for word, (_, start, _) in found]
    early = [abs(word.end - end) for word, (_, _, end) in found]
    assert len(found) >= 0.95 * len(SAID)
    assert np.median(late) <= 0.2 and np.median(early) <= 0.2
    assert np.quantile(late, 0.9) <= 0.4
    assert all(word.end >= word.start for word in transcribed)
    assert all(one.start <= two.start for one, two in pairwise(transcribed))


def test_silence_has_no_words(engine: FasterWhisper, meeting: Audio, speech: tuple[Span, ...]) -> None:
    before, after = SAID[GAP - 1][2], SAID[GAP][1]
    assert after - before > 8
    assert not any(part.start < after - 1 and part.end > before + 1 for part in speech)
    transcribed = transcribe(engine, meeting, speech)
    assert not [word.text for word in transcribed if before + 0.5 < word.start < after - 0.5]
    late = tuple(part for part in speech if part.start > before)
    assert plain(transcribe(engine, meeting, late)) == plain([word for word in transcribed if word.start > before])
    assert transcribe(engine, meeting, ()) == ()


def test_batched_windows_give_the_same_words_as_single_windows(
    engine: FasterWhisper, meeting: Audio, speech: tuple[Span, ...]
) -> None:
    together = transcribe(engine, meeting, speech)
    alone = [word for part in speech for word in transcribe(engine, meeting, (part,))]
    assert len(speech) == 9
    assert plain(together) == plain(alone)
    assert [word.start for word in together] == pytest.approx([word.start for word in alone], abs=0.1)


def test_implausible_segment_is_transcribed_again(
    engine: FasterWhisper, meeting: Audio, speech: tuple[Span, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[Any] = []

    def implausible_once(segment: Any) -> bool:
        checked.append(segment)
        return len(checked) > 1

    monkeypatch.setattr(asr_faster_whisper, "is_plausible", implausible_once)
    transcribed = transcribe(engine, meeting, speech[3:4])
    assert len(checked) == 2
    assert plain(transcribed) == "nobody breaks promises"
    assert all(speech[3].start - 0.1 <= word.start <= speech[3].end for word in transcribed)


def test_speech_without_words_is_transcribed_again_on_its_own(
    engine: FasterWhisper, meeting: Audio, speech: tuple[Span, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The words of the other windows stay as they are."""
    expected = plain(transcribe(engine, meeting, speech))
    windows: list[list[Audio]] = []
    own = BatchDecoder.decode

    def deaf_at_first(decoder: BatchDecoder, batch: Sequence[Audio]) -> list[Heard]:
        windows.append(list(batch))
        return [replace(heard, words=()) if len(windows) == 2 else heard for heard in own(decoder, batch)]

    monkeypatch.setattr(BatchDecoder, "decode", deaf_at_first)
    assert plain(transcribe(engine, meeting, speech)) == expected
    first, again = windows[1], windows[3]
    assert len(windows) == 4
    assert [len(batch) for batch in windows] == [4, 4, 1, 4]
    assert {round(window.start, 2) for window in again} == {round(window.start - PADDING, 2) for window in first}


def test_window_can_contain_several_sentences(engine: FasterWhisper, talk: Audio, setup: Setup) -> None:
    speech = SileroVad.load(None, setup).detect(talk, lambda share: None)
    assert len(list(chunk_speech(talk, speech, max_seconds=30.0, bridge=BRIDGE))) == 1
    transcribed = transcribe(engine, talk, speech)
    said = REFERENCE["talk.opus"]
    assert plain(transcribed) == " ".join(word for word, _, _ in said)
    assert [word.text for word in transcribed if word.text.endswith(".")] == ["letter.", "Claire.", "sorry."]
    late = [abs(word.start - start) for word, (_, start, _) in zip(transcribed, said, strict=True)]
    assert np.median(late) <= 0.2


def test_names_are_spelled_as_in_the_vocabulary(
    engine: FasterWhisper, meeting: Audio, speech: tuple[Span, ...]
) -> None:
    """Both spellings of each name sound the same; the vocabulary only changes the spelling."""
    spelt = {"Sarah": "Sara", "Mark": "Marc", "Claire": "Clare", "Eric": "Erik"}
    plainly = plain(transcribe(engine, meeting, speech)).split()
    assert spelt.keys() <= set(plainly)
    hints = tuple(spelt.values())
    result = engine.transcribe(meeting, speech, language="en", vocabulary=hints, progress=lambda share: None)
    assert plain(result.words).split() == [spelt.get(word, word) for word in plainly]


def test_vocabulary_is_in_the_prompt_of_every_window(
    engine: FasterWhisper, meeting: Audio, speech: tuple[Span, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when a window is transcribed again."""
    prompts: list[list[int]] = []
    own = WhisperModel.get_prompt

    def recorded(model: WhisperModel, *args: Any, **more: Any) -> list[int]:
        prompts.append(own(model, *args, **more))
        return prompts[-1]

    monkeypatch.setattr(WhisperModel, "get_prompt", recorded)
    doubts = iter([False] * len(speech))
    monkeypatch.setattr(asr_faster_whisper, "is_plausible", lambda segment: next(doubts, True))
    hints = ("Sara", "Marc")
    result = engine.transcribe(meeting, speech, language="en", vocabulary=hints, progress=lambda share: None)
    tokens = engine._model.hf_tokenizer.encode(" Sara, Marc").ids
    assert all(prompt[1 : 1 + len(tokens)] == tokens for prompt in prompts)
    assert "Sara" in plain(result.words).split()


def test_vocabulary_capacity_is_the_number_of_words_that_whisper_reads(engine: FasterWhisper) -> None:
    assert engine.vocabulary_capacity(()) == 0
    assert engine.vocabulary_capacity(("Sara", "Marc")) == 2
    assert engine.vocabulary_capacity(("Wordsworth " * 100,)) == 0
    names = tuple(f"Wordsworth {number}" for number in range(100))  # spelt in bytes
    capacity = engine.vocabulary_capacity(names)
    assert "_model" not in vars(engine), "counting tokens loads no model"
    spelt = [len(engine._model.hf_tokenizer.encode(f" {', '.join(names[:n])}").ids) for n in (capacity, capacity + 1)]
    assert spelt[0] < engine._model.max_length // 2 <= spelt[1]


def test_language_is_identified_by_a_vote_of_windows(
    engine: FasterWhisper, meeting: Audio, latin: Audio, speech: tuple[Span, ...]
) -> None:
    language, sure = engine.identify_language(meeting, speech)
    assert language == "en"
    assert sure is not None and 0.8 < sure <= 1.0
    assert engine.identify_language(latin, (span(0, latin.duration),))[0] == "la"
    assert engine.identify_language(meeting, ()) == (None, None)
    expected = " ".join(word for word, _, _ in REFERENCE["latin.opus"])
    assert wer(expected, plain(transcribe(engine, latin, (span(0, latin.duration),), "la"))) <= 0.2


def test_noise_has_no_words(engine: FasterWhisper) -> None:
    hiss = np.random.default_rng(0).normal(0, 0.001, 5 * SAMPLE_RATE).astype(np.float32)
    assert transcribe(engine, Audio(hiss), (span(0, 5),)) == ()


def test_loop_is_transcribed_again_and_remaining_loops_are_dropped(
    engine: FasterWhisper, meeting: Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[float] = []

    def recorded(heard: Heard) -> bool:
        checked.append(heard.compression_ratio)
        return is_plausible(heard)

    monkeypatch.setattr(asr_faster_whisper, "is_plausible", recorded)
    word = next(one for one in SAID if one[0] == "ready")
    audio = Audio(np.tile(np.asarray(meeting.cut(span(word[1], word[2])).samples), 20))
    transcribed = transcribe(engine, audio, (span(0, audio.duration),))
    assert checked[0] > MAX_COMPRESSION_RATIO, "the first result is a loop"
    assert len(checked) > 1, "the window is transcribed again"
    assert len(transcribed) <= 3


def test_unsupported_language_is_rejected(engine: FasterWhisper, meeting: Audio) -> None:
    with pytest.raises(InvalidRequest, match="'tlh'"):
        transcribe(engine, meeting, (span(0, 1),), "tlh")


def test_fingerprint_changes_with_the_weights(engine: FasterWhisper, tmp_path: Path, setup: Setup) -> None:
    other = shutil.copytree(MICRO, tmp_path / "other")
    assert FasterWhisper.load(str(other), setup).fingerprint == engine.fingerprint
    (other / "model.bin").write_bytes(b"other weights")
    assert FasterWhisper.load(str(other), setup).fingerprint != engine.fingerprint
    assert engine.name == "faster-whisper:micro_whisper"


def test_missing_weights_have_a_fetch_hint(setup: Setup, tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable) as caught:
        FasterWhisper.load("small", setup)
    assert caught.value.hint == "undertone models fetch faster-whisper:small"
    with pytest.raises(EngineUnavailable, match="no converted Whisper"):
        FasterWhisper.load("/nowhere/model", setup)
    bare = shutil.copytree(MICRO, tmp_path / "bare", ignore=shutil.ignore_patterns("tokenizer.json"))
    with pytest.raises(EngineUnavailable, match="has no tokenizer.json"):
        FasterWhisper.load(str(bare), setup)


def test_annotate_gives_words_and_speakers(tmp_path: Path) -> None:
    arguments = [str(MICRO / "meeting.opus"), "--engine", f"asr=faster-whisper:{MICRO}", "--modalities", "text"]
    done = CliRunner().invoke(app, ["annotate", *arguments, "-o", str(tmp_path), "-q"])
    assert done.exit_code == 0, done.output
    made = Transcript.model_validate_json((tmp_path / "meeting.json").read_bytes())
    words = [word for utterance in made.utterances for word in utterance.words]
    assert wer(TRUTH, plain(words)) <= 0.05
    assert made.language == "en"
    assert len(made.speakers) > 1
