"""The text training task: MELD dialogues and GoEmotions comments together, each with its own class prior."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # its name everywhere

from services.trainer.datasets.lines import CorpusLine, read_lines
from services.trainer.labels import UNKNOWN, prior
from services.trainer.metrics import classification_metrics
from shared.engines.features.text_pair import pair, stack

BATCH, SMOOTHING = 32, 0.05
SENTIMENT_WEIGHT, FINE_WEIGHT = 0.5, 0.3
NO_CONTEXT, UNPUNCTUATED, WORD_DROPPED = 0.3, 0.3, 0.05  # chances of each augmentation
SHARE_OF_DIALOGUE = 0.45


def strip_punctuation(text: str) -> str:
    """Imitates a speech recogniser's output: lower case, no punctuation."""
    return " ".join(
        "".join(letter for letter in text.lower().replace("’", "'") if letter.isalnum() or letter in " '").split()
    )


@dataclass
class TextTask:
    tokenizer: Tokenizer
    train: dict[str, list[CorpusLine]]  # by corpus
    dev: dict[str, list[CorpusLine]]
    seed: int
    rows_per_epoch: int = 48_000

    def __post_init__(self) -> None:
        self.log_prior = {
            corpus: (
                torch.tensor(np.log(prior([one for line in lines for one in line.emotions], 7)), dtype=torch.float32),
                torch.tensor(np.log(prior([line.sentiment for line in lines], 3)), dtype=torch.float32),
            )
            for corpus, lines in self.train.items()
        }

    @classmethod
    def read(cls, data: Path, tokenizer: Tokenizer, seed: int) -> TextTask:
        text = data / "text"
        meld = {part: read_lines(text / f"meld_{part}.csv", "meld") for part in ("train", "dev")}
        comments = {part: read_lines(text / "goemotions_28" / f"{part}.tsv", "goemotions") for part in ("train", "dev")}
        own = text / "clips.csv"  # corrected transcripts, if there are any
        if own.is_file():
            meld["train"] += [replace(line, corpus="meld") for line in read_lines(own, "csv")]
        held_out = {line.text for line in comments["dev"]}  # 43 comments are in both splits
        return cls(
            tokenizer,
            {"meld": meld["train"], "goemotions": [line for line in comments["train"] if line.text not in held_out]},
            {"meld": meld["dev"], "goemotions": [line for line in comments["dev"] if len(line.emotions) == 1]},
            seed,
        )

    def batches(self, epoch: int) -> Sequence[list[tuple[str, int]]]:
        """Rows drawn by corpus, then batched by length to reduce padding."""
        draw = random.Random(hash((self.seed, epoch)))
        dialogue = int(self.rows_per_epoch * SHARE_OF_DIALOGUE)
        rows: list[tuple[str, int]] = []
        for corpus, count in (("meld", dialogue), ("goemotions", self.rows_per_epoch - dialogue)):
            lines = len(self.train[corpus])
            rounds = [*[lines] * (count // lines), count % lines]  # every row once before any row is repeated
            rows += [(corpus, number) for size in rounds for number in draw.sample(range(lines), size)]
        draw.shuffle(rows)
        batches = []
        for start in range(0, len(rows), BATCH * 50):
            chunk = sorted(rows[start : start + BATCH * 50], key=self._length)
            batches += [chunk[at : at + BATCH] for at in range(0, len(chunk), BATCH)]
        draw.shuffle(batches)
        return batches

    def _length(self, row: tuple[str, int]) -> int:
        line = self.train[row[0]][row[1]]
        return len(line.text) + sum(len(text) for _, text in line.before)

    def load(self, batch: list[tuple[str, int]], epoch: int) -> dict[str, Tensor]:  # noqa: ARG002  # of the protocol
        lines = [self.train[corpus][number] for corpus, number in batch]
        ids, mask, segment = stack([self._augmented(line) for line in lines])
        emotion = np.zeros((len(lines), 7), dtype=np.float32)
        fine = np.zeros((len(lines), 28), dtype=np.float32)
        for row, line in enumerate(lines):
            emotion[row, list(line.emotions)] = 1 / len(line.emotions)
            fine[row, list(line.fine)] = 1
        adjust = [self.log_prior[line.corpus] for line in lines]
        return {
            "ids": torch.from_numpy(ids), "mask": torch.from_numpy(mask), "segment": torch.from_numpy(segment),
            "emotion": torch.from_numpy(emotion), "fine": torch.from_numpy(fine),
            "sentiment": torch.tensor([line.sentiment for line in lines]),
            "emotion_prior": torch.stack([one for one, _ in adjust]),
            "sentiment_prior": torch.stack([one for _, one in adjust]),
        }  # fmt: skip

    def _augmented(self, line: CorpusLine) -> tuple[list[int], int]:
        before = () if random.random() < NO_CONTEXT else line.before
        transform = strip_punctuation if random.random() < UNPUNCTUATED else str
        words = transform(line.text).split()
        kept = [word for word in words if random.random() >= WORD_DROPPED] or words
        return pair(self.tokenizer, " ".join(kept), line.speaker, [(name, transform(text)) for name, text in before])

    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        emotion, sentiment, _, fine = network(batch["ids"], batch["mask"], batch["segment"])
        # Each corpus' prior is added before the softmax, so the logits themselves are class-balanced.
        loss = F.cross_entropy(emotion + batch["emotion_prior"], batch["emotion"], label_smoothing=SMOOTHING)
        if (batch["sentiment"] != UNKNOWN).any():
            loss = loss + SENTIMENT_WEIGHT * F.cross_entropy(
                sentiment + batch["sentiment_prior"],
                batch["sentiment"],
                ignore_index=UNKNOWN,
                label_smoothing=SMOOTHING,
            )
        labelled = batch["fine"].sum(1) > 0
        if labelled.any():
            loss = loss + FINE_WEIGHT * 7 * F.binary_cross_entropy_with_logits(fine[labelled], batch["fine"][labelled])
        return loss

    def evaluate(self, network: nn.Module) -> tuple[float, dict[str, float]]:
        metrics: dict[str, float] = {}
        for corpus, lines in self.dev.items():
            for suffix, transform in (("", str), (" bare", strip_punctuation)):
                logits = self.logits(network, lines, transform) + self.log_prior[corpus][0].numpy()
                found = classification_metrics(logits, np.array([line.emotions[0] for line in lines]))
                metrics |= {f"{corpus}{suffix} {name}": found[name] for name in ("weighted_f1", "macro_f1", "ece")}
        decisive = [metrics["meld weighted_f1"], metrics["meld macro_f1"], metrics["goemotions macro_f1"]]
        return float(np.mean(decisive)), metrics

    def logits(
        self, network: nn.Module, lines: Sequence[CorpusLine], transform: type[str] | object = str
    ) -> np.ndarray:
        pairs = [
            pair(
                self.tokenizer,
                transform(line.text),  # type: ignore[operator]
                line.speaker,
                [(name, transform(text)) for name, text in line.before],  # type: ignore[operator]
            )
            for line in lines
        ]
        order = sorted(range(len(pairs)), key=lambda number: len(pairs[number][0]))
        found = np.zeros((len(pairs), 7), dtype=np.float32)
        device = next(network.parameters()).device
        for start in range(0, len(order), 64):
            chosen = order[start : start + 64]
            tensors = [torch.from_numpy(array).to(device) for array in stack([pairs[number] for number in chosen])]
            found[chosen] = network(*tensors)[0].float().cpu().numpy()
        return found
