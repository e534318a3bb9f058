"""Trains a multimodal network on a folder of clips; the run can be served directly."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState

from services.trainer.clips.corpus import Corpus
from services.trainer.clips.export import write_artifacts
from services.trainer.clips.recipes import HYPERPARAMETERS, base_of, fitted
from services.trainer.clips.task import ClipTask
from services.trainer.loop import Recipe, fit, seed_everything
from services.trainer.networks.contract import load
from services.trainer.trainable_networks import FROM_SCRATCH, ClipOptions, Initialization
from services.trainer.transfer import initialize
from shared.domain.error import InvalidRequest

RUN = "network.json"  # the network and its configuration


def train(
    name: str,
    data: Path,
    run: Path,
    recipe: Recipe,
    options: ClipOptions,
    start: Initialization = FROM_SCRATCH,
    base: Any = None,
) -> Path:
    """`base` replaces the default configuration; its input widths are set to the outputs of the engines."""
    hyperparameters, spec, layout = HYPERPARAMETERS[name], load(name), str(options.layout)
    corpus = Corpus.read(name, data, _cache(run), layout, options.engines)
    config = fitted(name, base or base_of(spec), corpus.engine_output_specs(), corpus.labels)
    run.mkdir(parents=True, exist_ok=True)
    run_config = {"name": name, "layout": layout, "engines": dict(options.engines), "config": asdict(config)}
    _write_run_config(run_config, run)
    seed_everything(recipe.seed)
    network = spec.build(config)
    initialize(network, start)
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [
        {"params": learning, "lr": hyperparameters.learning_rate, "weight_decay": hyperparameters.decay},
    ]
    task = ClipTask(corpus.training_data(spec, config), recipe.seed, hyperparameters.batch, hyperparameters.drop)
    best = fit(network, groups, task, recipe, run)
    if PartialState().is_main_process:
        export_run(data, run)
    return best


def export_run(data: Path, run: Path) -> dict[str, Any]:
    """Exports the best weights as a network for serving, with its card, metrics and plots."""
    run_config = json.loads((run / RUN).read_text())
    spec = load(run_config["name"])
    config = type(spec.config)(**{name: _frozen(value) for name, value in run_config["config"].items()})
    corpus = Corpus.read(run_config["name"], data, _cache(run), run_config["layout"], run_config["engines"])
    network = spec.build(config)
    network.load_state_dict(torch.load(run / "best.pt", map_location="cpu", weights_only=True))
    return write_artifacts(network, corpus.training_data(spec, config), corpus, run_config["layout"], run)


def _write_run_config(run_config: dict[str, Any], run: Path) -> None:
    """Stores the network's configuration; rejects a run whose checkpoint belongs to another one."""
    text = json.dumps(run_config, indent=2)
    if (run / RUN).is_file() and (run / RUN).read_text() != text:
        raise InvalidRequest(
            f"The run {str(run)!r} was started with another network, other engines or other clips.",
            hint="Use another folder: --run FOLDER",
        )
    (run / RUN).write_text(text)


def _cache(run: Path) -> Path:
    """Stored beside the run, so that other runs on the same clips share it."""
    return run.parent / "clips"


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
