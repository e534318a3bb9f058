"""Exports the trained text network to the bundle: ONNX, int8, calibration, evaluation on the dev splits, and card."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from services.trainer.bundle import fit_temperature, write_card
from services.trainer.metrics import classification_metrics
from services.trainer.onnx import Inputs, worst_difference, write_onnx
from services.trainer.plots import draw_plots
from services.trainer.quantise import quantise_weights
from services.trainer.text.minilm import PIECES, MiniLM
from services.trainer.text.pretrained import load_pretrained
from services.trainer.text.task import TextTask, strip_punctuation
from shared.engines.features.text_pair import pair
from shared.engines.runtime import open_session
from shared.engines.text_minilm import run_pairs
from shared.engines.weights.model_cards import BUNDLED
from shared.ports.engines import Calibration, SentimentHead

NAME, VOCABULARY = "text_minilm", "vocabularies/text_minilm.json"
Logits = dict[str, tuple[np.ndarray, np.ndarray]]  # by corpus: of the original lines, and without punctuation
OUTPUTS = ("emotion", "sentiment", "embedding")


class ServingModel(nn.Module):
    """The network without its auxiliary training heads."""

    def __init__(self, network: MiniLM) -> None:
        super().__init__()
        self.network = network

    def forward(self, ids: Tensor, mask: Tensor, segment: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        emotion, sentiment, embedding, _ = self.network(ids, mask, segment)
        return emotion, sentiment, embedding


def export(run: Path, data: Path) -> dict[str, Any]:
    """Writes the network, its tokenizer and its card into the bundle; returns its metrics."""
    network = MiniLM()
    network.load_state_dict(torch.load(run / "best.pt", weights_only=True))
    served = ServingModel(network.eval())
    _, tokenizer = load_pretrained()
    task = TextTask.read(data, tokenizer, seed=0)
    target = BUNDLED / f"{NAME}.onnx"
    with TemporaryDirectory() as folder:
        whole = Path(folder, "fp32.onnx")
        write_onnx(served, next(sample_inputs()), {name: {0: "row"} for name in OUTPUTS}, whole)
        difference = worst_difference(served, whole, sample_inputs())
        quantise_weights(whole, target)
        exact, small = (_logits(open_session(path, 2), task) for path in (whole, target))
    (BUNDLED / VOCABULARY).parent.mkdir(exist_ok=True)
    tokenizer.save(str(BUNDLED / VOCABULARY), pretty=False)
    truth = {corpus: np.array([line.emotions[0] for line in lines]) for corpus, lines in task.dev.items()}
    prior = {corpus: of_emotion.numpy() for corpus, (of_emotion, _) in task.log_prior.items()}
    temperature = _temperature(small, truth, prior)
    metrics: dict[str, Any] = {"export_max_abs_difference": difference}
    for corpus, own in prior.items():
        agree = (
            (exact[corpus][0] / temperature + own).argmax(1) == (small[corpus][0] / temperature + own).argmax(1)
        ).mean()
        metrics[f"{corpus} dev"] = classification_metrics(small[corpus][0] / temperature + own, truth[corpus])
        metrics[f"{corpus} dev, as a recogniser writes it"] = classification_metrics(
            small[corpus][1] / temperature + own, truth[corpus]
        )
        metrics[f"{corpus} dev, int8 against fp32"] = {
            "argmax_agreement": round(float(agree), 4),
            "weighted_f1_fp32": classification_metrics(exact[corpus][0] / temperature + own, truth[corpus])[
                "weighted_f1"
            ],
        }
    draw_plots(small["meld"][0] / temperature + prior["meld"], truth["meld"], run)
    write_card(
        target, slot="text",
        architecture="MiniLM-L6 (22.7 M parameters, 8-bit weights) over a line and the three preceding turns",
        licence="Apache-2.0", commercial_use=True,
        data=[("all-MiniLM-L6-v2", "Apache-2.0", "start"),
              ("MELD", "GPL-3.0 repository; lines of a television series",
               "train; dev for early stopping and calibration"),
              ("GoEmotions", "CC BY 4.0", "train; dev for early stopping and calibration")],
        metrics=metrics,
        limits="English only. Trained on television dialogue and comments on the internet; contains no line of either.",
        command="undertone train text --data DATA && undertone export text --data DATA", made=f"run {run.name}",
        # Trained with each corpus' class prior added to its logits, so they are class-balanced: the prior is uniform.
        calibration=Calibration(temperature=temperature, sentiment=SentimentHead()), vocabulary=VOCABULARY,
    )  # fmt: skip
    return metrics


def _temperature(small: Logits, truth: dict[str, np.ndarray], prior: dict[str, np.ndarray]) -> float:
    """Fits one temperature with equal weight for both corpora, with and without punctuation."""
    rows = [(logits, truth[corpus], prior[corpus]) for corpus in small for logits in small[corpus]]
    return fit_temperature(
        np.concatenate([logits for logits, _, _ in rows]),
        np.concatenate([labels for _, labels, _ in rows]),
        np.concatenate([np.tile(own, (len(labels), 1)) for _, labels, own in rows]),
        np.concatenate([np.full(len(labels), 1 / len(labels)) for _, labels, _ in rows]),
    )


def sample_inputs() -> Iterator[Inputs]:
    """Several batches and lengths, some of them fully masked."""
    draw = np.random.default_rng(0)
    for number in range(64):
        shape = ((2, 1, 7)[number % 3], int(draw.integers(3, 97)))
        length = draw.integers(0 if number % 8 == 7 else 1, shape[1] + 1, (shape[0], 1))
        yield {
            "ids": draw.integers(0, PIECES, shape),
            "mask": (np.arange(shape[1]) < length).astype(np.int64),
            "segment": draw.integers(0, 2, shape),
        }


def _logits(session: Any, task: TextTask) -> Logits:
    """The logits of the dev lines by corpus, for the original lines and without punctuation."""
    found = {}
    for corpus, lines in task.dev.items():
        variants = []
        for transform in (str, strip_punctuation):
            context = [[(name, transform(text)) for name, text in line.before] for line in lines]
            pairs = [
                pair(task.tokenizer, transform(line.text), line.speaker, before)
                for line, before in zip(lines, context, strict=True)
            ]
            variants.append(run_pairs(session, pairs, lambda _: None)[0])
        found[corpus] = (variants[0], variants[1])
    return found
