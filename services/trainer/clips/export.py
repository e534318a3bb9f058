"""Exports a trained multimodal network to a folder for serving: graph, card, metrics, plots."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from services.trainer.bundle import fit_temperature, write_card
from services.trainer.clips.corpus import Corpus
from services.trainer.clips.task import Predictions, TrainingData
from services.trainer.export import export, parity
from services.trainer.labels import UNKNOWN, prior
from services.trainer.metrics import classification_metrics
from services.trainer.networks.contract import Network
from services.trainer.networks.examples import PATTERNS
from services.trainer.plots import coverage, draw_plots
from shared.domain.emotion import EMOTIONS, SENTIMENTS
from shared.ports.engines import Calibration, SentimentHead


class Terms(NamedTuple):
    """The licence of a corpus, and whether weights trained on it may be used commercially."""

    name: str
    licence: str
    commercial_use: bool


TERMS = {
    "meld": Terms("MELD", "GPL-3.0 repository; clips of a television series", False),
    "iemocap": Terms("IEMOCAP", "licence of its university, research only", False),
    "crema-d": Terms("CREMA-D", "ODbL 1.0", True),
    "ravdess": Terms("RAVDESS", "CC BY-NC-SA 4.0", False),
    "csv": Terms("clips of your own", "not stated", False),
}


def write_artifacts(network: Network, data: TrainingData, corpus: Corpus, layout: str, run: Path) -> dict[str, Any]:
    """Writes model.onnx, card.json, metrics.json and three plots into the run; returns the metrics."""
    graph, terms, spec = run / "model.onnx", TERMS[layout], data.spec
    export(network, spec, graph)
    difference = parity(network, spec, graph)
    network.to("cuda" if torch.cuda.is_available() else "cpu")
    dev = Predictions.of(network, data, "dev")
    calibration = _calibration(dev, corpus)
    metrics: dict[str, Any] = {"export_max_abs_difference": difference, "broken_clips": dict(data.inputs.broken)}
    metrics |= _evaluate(network, data, calibration, run)
    (run / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    splits = {split: sum(clip.split == split for clip in corpus.clips) for split in ("train", "dev", "test")}
    write_card(
        graph, slot="fusion", name=spec.name, path=run / "card.json",
        architecture=f"{spec.name}, {sum(tensor.numel() for tensor in network.parameters()) / 1e6:.2f} M parameters; "
        f"reads {'dialogues' if data.plan.dialogue else 'utterances'} of {', '.join(spec.modalities)}",
        licence=terms.licence, commercial_use=terms.commercial_use,
        data=[(terms.name, terms.licence, ", ".join(f"{count} {split}" for split, count in splits.items()))],
        metrics=metrics,
        limits="Trained on clips of one utterance each; its accuracy on meetings was not measured.",
        command=f"undertone train {spec.name} --data DATA --layout {layout}", made=f"run {run.name}",
        calibration=calibration,
        engines={modality: corpus.encoders[modality].fingerprint for modality in data.plan.engines},
    )  # fmt: skip
    return metrics


def _calibration(dev: Predictions, corpus: Corpus) -> Calibration:
    """Fits temperatures on dev; the prior is the class balance of the training data, which is not reweighted."""
    sentiments = np.array(
        [clip.sentiment for clip in corpus.clips if clip.split == "train" and clip.sentiment != UNKNOWN]
    )
    expected = dict(zip(EMOTIONS, map(float, prior(corpus.labels, len(EMOTIONS))), strict=True))
    known = dev.sentiment_truth != UNKNOWN
    sentiment = SentimentHead(
        temperature=_temperature(dev.sentiment[known], dev.sentiment_truth[known]),
        prior=dict(zip(SENTIMENTS, map(float, prior(sentiments, len(SENTIMENTS))), strict=True)),
    )
    never = tuple(emotion for number, emotion in enumerate(EMOTIONS) if number not in corpus.labels)
    return Calibration(
        temperature=_temperature(dev.emotion, dev.truth), prior=expected, cannot_emit=never, sentiment=sentiment
    )


def _temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    return fit_temperature(logits, truth) if len(truth) >= 2 else 1.0


def _evaluate(network: Network, data: TrainingData, calibration: Calibration, run: Path) -> dict[str, Any]:
    """Evaluates each split, then every combination of modalities on a split that no choice is based on."""
    heads = calibration.sentiment or SentimentHead()
    found: dict[str, Any] = {}
    for split in ("dev", "test"):
        answers = Predictions.of(network, data, split)
        if len(answers.truth) == 0:
            continue
        logits, known = answers.emotion / calibration.temperature, answers.sentiment_truth != UNKNOWN
        found[split] = classification_metrics(logits, answers.truth)
        if known.any():
            found[f"{split}, sentiment"] = classification_metrics(
                answers.sentiment[known] / heads.temperature, answers.sentiment_truth[known], SENTIMENTS
            )
        found["coverage"] = coverage(logits, answers.truth)
        draw_plots(logits, answers.truth, run)
    last = "test" if "test" in found else "dev"
    found["judged_on"] = last
    reads = set(data.spec.modalities)
    patterns = {}
    for pattern in PATTERNS:
        if pattern <= reads:
            answers = Predictions.of(network, data, last, pattern)
            name = "+".join(modality for modality in data.spec.modalities if modality in pattern)
            patterns[name] = _short(answers, calibration.temperature)
    return found | {"patterns": patterns}


def _short(answers: Predictions, temperature: float) -> dict[str, Any]:
    if len(answers.truth) == 0:
        return {"n": 0}
    metrics = classification_metrics(answers.emotion / temperature, answers.truth)
    return {name: metrics[name] for name in ("n", "accuracy", "weighted_f1", "macro_f1", "ece", "nll")}
