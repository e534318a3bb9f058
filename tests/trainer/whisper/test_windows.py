"""Training sentences of the micro-Whisper: every word has its time, and every token is predicted from the previous."""

from __future__ import annotations

import random
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from samples.story import STORY
from services.trainer.whisper.synthesis import (
    NAMES,
    Sentence,
    Spoken,
    draw_sentences,
    parts_of,
    read_bank,
    speak,
    word_times,
)
from services.trainer.whisper.vocabulary import (
    CONTEXT,
    END,
    ENGLISH,
    FIRST_TIME,
    KNOWN,
    LATIN,
    NUMBER,
    PLAIN,
    SOUNDS,
    SPELLINGS,
    TOKENS,
    time_token,
    word_token,
    write_tokenizer,
)
from services.trainer.whisper.windows import IGNORED, draw_window, marks_of, script_of, sounds_in, spans_of
from shared.ports.media import SAMPLE_RATE

SENTENCES = [[("we", 0.2, 0.4), ("Mark", 0.4, 0.8)], [("story", 1.5, 2.0)]]


def decoded(tokens: list[int]) -> str:
    return " ".join("-" if token == IGNORED else TOKENS[token].replace("Ġ", "") for token in tokens)


def a_bank(count: int) -> list[Spoken]:
    draw = random.Random(0)
    sentences = draw_sentences("en", count, draw) + draw_sentences("la", count, draw)
    made = []
    for one in sentences:
        times = 0.2 + 0.3 * np.arange(len(one.words))
        sound = np.full(round((times[-1] + 0.5) * SAMPLE_RATE), 0.1, np.float32)
        spans = np.stack([times, times + 0.3], axis=1)
        made.append(Spoken(one, spans, ("m",) * len(times), spans, sound))
    return made


def test_the_sample_meeting_is_in_the_vocabulary() -> None:
    spoken = {word for line in STORY for word in re.findall(r"[a-z]+", line.text.lower())}
    assert spoken <= {word.lower() for word in ENGLISH}
    assert not set(ENGLISH) & set(LATIN)


def test_tokens_are_in_the_order_of_whisper_and_known_words_are_one_token(tmp_path: Path) -> None:
    assert KNOWN < NUMBER[END] < NUMBER["<|en|>"] < NUMBER[PLAIN] == FIRST_TIME - 1
    assert TOKENS[time_token(2.34)] == "<|2.34|>"
    assert len(set(TOKENS)) == len(TOKENS)
    write_tokenizer(tmp_path)
    made = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert made.encode(" lost Marc.").ids == [word_token("lost"), word_token("Marc"), NUMBER["."]]
    assert made.decode(made.encode(" lost Zoë").ids) == " lost Zoë"


def test_phones_are_grouped_into_words_if_their_number_agrees() -> None:
    parts, bounds = parts_of("pau:0.2 w:0.3 iy:0.4 pau:0.5 l:0.6 ao:0.7 s:0.8 t:0.9 pau:1.1")
    assert parts == ("w", "iy", "l", "ao", "s", "t")
    times = word_times([2, 4], bounds)
    assert times is not None
    assert times.tolist() == [[0.2, 0.4], [0.5, 0.9]]
    assert word_times([2, 3], bounds) is None
    assert parts_of("pau:0.2")[1].shape == (0, 2)
    marks = sounds_in([("w", 0.2, 0.3), ("iy", 0.3, 0.4)], 30)
    assert [int(marks[at]) for at in (5, 12, 17, 25)] == [
        len(SOUNDS), SOUNDS.index("w"), SOUNDS.index("iy"), len(SOUNDS),
    ]  # fmt: skip


def test_words_are_equally_frequent_and_names_more_frequent() -> None:
    sentences = draw_sentences("en", 200, random.Random(0))
    counts = {word: sum(one.words.count(word) for one in sentences) for word in ENGLISH}
    names = [counts.pop(name) / NAMES for name in SPELLINGS]
    assert max(*names, *counts.values()) - min(*names, *counts.values()) <= 2
    assert len({one.voice for one in sentences}) == 4


def test_each_target_is_the_next_token() -> None:
    script = script_of(SENTENCES, "en", ["sad", ",", "all", "."], timed=False)
    assert decoded(script.tokens) == (
        "<|startofprev|> sad , all . <|startoftranscript|> <|en|> <|transcribe|> <|notimestamps|> we Mark . story ."
    )
    assert decoded(script.targets) == "- - - - - <|en|> - - we Mark . story . <|endoftext|>"
    timed = script_of(SENTENCES, "en", [], timed=True)
    assert decoded(timed.targets) == ("<|en|> - <|0.20|> we Mark . <|0.80|> <|1.50|> story . <|2.00|> <|endoftext|>")
    for one in (script, timed):
        assert len(one.tokens) == len(one.targets) == len(one.times)
        known = [(token, target) for token, target in zip(one.tokens[1:], one.targets, strict=False)]
        assert all(target in (IGNORED, token) for token, target in known)


def test_words_have_spans() -> None:
    script = script_of(SENTENCES, "en", [], timed=False)
    spans = spans_of(script.times, 120)
    mark = script.targets.index(word_token("Mark"))
    assert np.flatnonzero(spans[mark])[[0, -1]].tolist() == [19, 40]
    assert not spans[0].any(), "the language token has no span"
    marks = marks_of(SENTENCES[0] + SENTENCES[1], 120)
    assert [int(marks[at]) for at in (5, 15, 30, 60, 90)] == [
        KNOWN, word_token("we"), word_token("Mark"), KNOWN, word_token("story"),
    ]  # fmt: skip


@pytest.mark.parametrize("seconds", [4.0, 30.0])
def test_windows_have_the_requested_length_and_whole_sentences(seconds: float) -> None:
    bank, draw = a_bank(40), random.Random(1)
    windows = [draw_window(bank, seconds, draw) for _ in range(120)]
    assert all(len(window.sound) <= (seconds + 2) * SAMPLE_RATE for window in windows)
    silent = [window for window in windows if not window.words]
    assert 0 < len(silent) < 30
    assert all("<|nospeech|>" in decoded(window.script.targets) for window in silent)
    for window in windows:
        assert len(window.script.tokens) <= CONTEXT
        words = [token for token in window.script.targets if 0 <= token < KNOWN]
        assert len(words) == len(window.words)
        assert all(end <= len(window.sound) / SAMPLE_RATE for _, _, end in window.words)
        assert [times for _, *times in window.parts] == [times for _, *times in window.words], "one phone per word here"
    assert {window.language for window in windows} == {"en", "la"}


def test_a_hint_determines_the_spelling_of_a_name() -> None:
    bank = [one for one in a_bank(60) if {"Mark", "Sarah"} & set(one.sentence.words)]
    draw = random.Random(3)
    combinations = set()
    for _ in range(200):
        script = draw_window(bank, 4.0, draw).script
        start = script.tokens.index(NUMBER["<|startoftranscript|>"])
        targets = {token for token in script.targets if 0 <= token < KNOWN}
        for name in ("Mark", "Sarah"):
            hinted = word_token(SPELLINGS[name]) in script.tokens[:start]
            for spelling in {word_token(name), word_token(SPELLINGS[name])} & targets:
                assert (spelling == word_token(SPELLINGS[name])) == hinted
                combinations.add((name, hinted))
    assert len(combinations) == 4


def test_flite_reports_word_times(tmp_path: Path) -> None:
    if shutil.which("flite") is None:
        pytest.skip("flite is not installed")
    spoken = speak(Sentence("en", "slt", ("story", "sick")))
    assert spoken is not None
    loud = np.flatnonzero(np.abs(spoken.sound) > 0.05) / SAMPLE_RATE
    assert spoken.times[0, 0] - 0.05 < loud[0] < spoken.times[0, 1]
    assert spoken.times[1, 0] < loud[-1] < spoken.times[1, 1] + 0.05
    bank = read_bank(tmp_path, "two", {"en": 2}, 0)
    again = read_bank(tmp_path, "two", {"en": 2}, 0)
    assert [one.sentence for one in bank] == [one.sentence for one in again]
    assert np.array_equal(bank[0].sound, again[0].sound) and np.array_equal(bank[1].times, again[1].times)
    assert bank[1].parts == again[1].parts and np.array_equal(bank[1].bounds, again[1].bounds)
    assert bank[1].bounds[0, 0] == bank[1].times[0, 0] and bank[1].bounds[-1, 1] == bank[1].times[-1, 1]
