"""The micro-Whisper: every part learns, cross-attention is supervised, and CTranslate2 agrees with torch."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed; make train-setup brings it")

from services.trainer.loop import BEST, seed_everything  # noqa: E402
from services.trainer.whisper import task as tasks  # noqa: E402
from services.trainer.whisper import train as training  # noqa: E402
from services.trainer.whisper.conversion import convert  # noqa: E402
from services.trainer.whisper.export import worst_difference  # noqa: E402
from services.trainer.whisper.network import MicroWhisper  # noqa: E402
from services.trainer.whisper.synthesis import Sentence, Spoken  # noqa: E402
from services.trainer.whisper.task import WhisperTask  # noqa: E402
from services.trainer.whisper.vocabulary import FIRST_TIME, POSITIONS, TOKENS, WORDS, word_token  # noqa: E402
from services.trainer.whisper.windows import IGNORED, draw_window  # noqa: E402
from shared.ports.media import SAMPLE_RATE  # noqa: E402


def tone_sentences(count: int) -> list[Spoken]:
    """Sentences in which each word is a different tone."""
    draw = random.Random(0)
    made = []
    for number in range(count):
        language = "la" if number % 4 == 0 else "en"
        words = tuple(draw.sample(WORDS[language][:6], draw.randint(1, 4)))
        seconds = np.arange(round(0.3 * SAMPLE_RATE)) / SAMPLE_RATE
        tones = [np.sin(2 * np.pi * (300 + 37 * word_token(word)) * seconds) * 0.3 for word in words]
        times = 0.3 * np.arange(len(words))
        sound = np.concatenate([*tones, np.zeros(800)]).astype(np.float32)
        spans = np.stack([times, times + 0.3], axis=1)
        made.append(Spoken(Sentence(language, "slt", words), spans, ("m",) * len(words), spans, sound))
    return made


def a_task(epochs: int = 1) -> WhisperTask:
    return WhisperTask(tone_sentences(40), tone_sentences(12), 1, epochs)


def test_words_and_their_positions_are_learnt() -> None:
    seed_everything(0)
    network, task = MicroWhisper(), a_task()
    batch = task.stacked([draw_window(task.train, 2.0, random.Random(seed)) for seed in (3, 4)], 2.0)
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
    for step in range(120):
        loss = task.loss(network, batch)
        loss.backward()
        if step == 0:
            unused = [name for name, part in network.named_parameters() if part.grad is None or not part.grad.any()]
            assert unused == []
        optimizer.step()
        optimizer.zero_grad()
    with torch.no_grad():
        found = network(batch["mels"], batch["tokens"])
    known = batch["targets"] != IGNORED
    assert (found["logits"].argmax(-1) == batch["targets"])[known].all()
    placed = batch["spans"].any(-1)
    assert float((found["attention"][:, -1] * batch["spans"]).sum(-1)[placed].min()) > 0.5


def test_training_from_initial_weights_uses_all_window_lengths() -> None:
    task = WhisperTask(tone_sentences(40), tone_sentences(12), 1, 10, from_scratch=False)
    assert {seconds for seconds, _ in task.batches(0)} == {seconds for seconds, _, _ in tasks.LENGTHS}


def test_an_offset_moves_only_positions_and_timestamps() -> None:
    """A short window can therefore be trained at any position of the thirty seconds."""
    task = a_task()
    windows = [draw_window(task.train, 2.0, random.Random(seed)) for seed in range(16)]
    here, there = task.stacked(windows, 2.0), task.stacked(windows, 2.0, offset=100)
    moved = here["targets"] >= FIRST_TIME
    assert moved.any() and torch.equal(there["targets"][moved], here["targets"][moved] + 100)
    assert torch.equal(there["targets"][~moved], here["targets"][~moved])
    assert torch.equal(there["spans"], here["spans"]) and torch.equal(there["mels"], here["mels"])
    network = MicroWhisper()
    assert not torch.allclose(network.encode(here["mels"]), network.encode(here["mels"], 100), atol=1e-3)
    assert TOKENS[int(here["targets"][moved][0])].startswith("<|")


def test_training_starts_with_short_windows_and_adds_full_ones_later() -> None:
    task = a_task(epochs=10)
    assert {seconds for seconds, _ in task.batches(0)} == {tasks.LENGTHS[0][0]}
    assert {seconds for seconds, _ in task.batches(9)} == {seconds for seconds, _, _ in tasks.LENGTHS}
    assert task.batches(9) == task.batches(9)
    whole = next(batch for batch in task.batches(9) if batch[0] == tasks.WHOLE)
    assert task.load(whole, 9)["mels"].shape[2] == 2 * POSITIONS
    one, again = (task.load(task.batches(0)[0], 0)["words"] for _ in range(2))
    assert torch.equal(one, again), "seeded per window"
    assert one.shape[1] < POSITIONS // 3


def test_ctranslate2_agrees_with_torch(tmp_path: Path) -> None:
    seed_everything(2)
    network = MicroWhisper().eval()
    with torch.no_grad():
        for parameter in network.parameters():  # so that no bias is zero and no norm is one
            parameter.add_(torch.randn_like(parameter) * 0.05)
    convert(network, tmp_path)
    assert worst_difference(network, tmp_path) <= 1e-4
    with torch.no_grad():
        network.decoder[1].look.key.weight.mul_(3)
    with pytest.raises(SystemExit, match="differs from torch"):
        worst_difference(network, tmp_path)


def test_a_run_writes_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "read_bank", lambda *_: tone_sentences(16))
    monkeypatch.setattr(tasks, "STEPS", 2)
    monkeypatch.setattr(tasks, "LENGTHS", ((2.0, 2, 1.0),))
    recipe = replace(training.recipe_of(1), epochs=1)
    assert training.train(tmp_path, tmp_path / "run", recipe) == tmp_path / "run" / BEST
    assert (tmp_path / "run" / BEST).is_file()
