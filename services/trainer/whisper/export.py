"""Exports the trained micro-Whisper for the tests: CTranslate2 model, tokenizer, metrics and clips."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ctranslate2
import numpy as np
import torch
from torch import Tensor

from services.trainer.export import TOLERANCE
from services.trainer.whisper.clips import write_clips
from services.trainer.whisper.conversion import convert
from services.trainer.whisper.evaluate import evaluate
from services.trainer.whisper.network import MicroWhisper
from services.trainer.whisper.synthesis import read_bank
from services.trainer.whisper.train import HELD_OUT_SENTENCES
from services.trainer.whisper.vocabulary import END, MELS, NUMBER, PLAIN, POSITIONS, START, TRANSCRIBE, word_token

MODEL = ("model.bin", "config.json", "vocabulary.json", "tokenizer.json", "preprocessor_config.json")
FOLDER = Path(__file__).parents[3] / "tests" / "fixtures" / "micro_whisper"


def export(run: Path, _data: Path, folder: Path = FOLDER) -> dict[str, Any]:
    network = MicroWhisper().eval()
    network.load_state_dict(torch.load(run / "best.pt", weights_only=True))
    with TemporaryDirectory() as temporary:
        convert(network, Path(temporary))
        difference = worst_difference(network, Path(temporary))
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as temporary:
        convert(network, Path(temporary), quantization="int8")
        for file in Path(temporary).iterdir():
            shutil.copyfile(file, folder / file.name)
    write_clips(folder)
    metrics = evaluate(folder, read_bank(run / "bank", "unheard", HELD_OUT_SENTENCES, 0))
    metrics["export_max_abs_difference"] = difference
    metrics["bytes"] = sum((folder / name).stat().st_size for name in MODEL)
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    return metrics


def worst_difference(network: MicroWhisper, folder: Path) -> float:
    """The largest difference of a word's probability between torch and CTranslate2, before quantisation."""
    theirs = ctranslate2.models.Whisper(str(folder), device="cpu", compute_type="float32")
    begin = [NUMBER[START], NUMBER["<|en|>"], NUMBER[TRANSCRIBE]]
    worst = 0.0
    for seed in range(8):
        draw = torch.Generator().manual_seed(seed)
        mels = torch.randn(1, MELS, 2 * POSITIONS, generator=draw)
        words = torch.randint(word_token("you") + 1, (1 + 3 * seed,), generator=draw).tolist()
        encoded = theirs.encode(ctranslate2.StorageView.from_array(mels.numpy()))
        found = theirs.align(encoded, begin, [words], 2 * POSITIONS)[0].text_token_probs
        with torch.no_grad():
            ours = _probabilities(network, mels, [*begin, NUMBER[PLAIN]], words)
        worst = max(worst, float(np.abs(ours.numpy() - np.array(found)).max()))
    if not worst <= TOLERANCE:
        raise SystemExit(f"The conversion differs from torch by {worst}; at most {TOLERANCE} is allowed.")
    return worst


def _probabilities(network: MicroWhisper, mels: Tensor, begin: list[int], words: list[int]) -> Tensor:
    logits = network(mels, torch.tensor([begin + words]))["logits"][
        0, len(begin) - 1 : -1, : NUMBER[END]
    ]  # no commands
    return torch.softmax(logits, dim=-1).gather(1, torch.tensor(words)[:, None])[:, 0]
