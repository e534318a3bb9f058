"""Train a network of several senses on a folder of clips; the run that it leaves can be served as it is."""

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

RUN = "network.json"  # what the run is, besides its recipe


def train(
    name: str,
    data: Path,
    run: Path,
    recipe: Recipe,
    options: ClipOptions,
    start: Initialization = FROM_SCRATCH,
    base: Any = None,
) -> Path:
    """`base` is a configuration in place of the default one; its widths are set to what the engines say."""
    lesson, spec, layout = HYPERPARAMETERS[name], load(name), str(options.layout)
    corpus = Corpus.read(name, data, _cache(run), layout, options.engines)
    config = fitted(name, base or base_of(spec), corpus.engine_output_specs(), corpus.labels)
    run.mkdir(parents=True, exist_ok=True)
    told = {"name": name, "layout": layout, "engines": dict(options.engines), "config": asdict(config)}
    _write_run_config(told, run)
    seed_everything(recipe.seed)
    network = spec.build(config)
    initialize(network, start)
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [{"params": learning, "lr": lesson.learning_rate, "weight_decay": lesson.decay}]
    task = ClipTask(corpus.training_data(spec, config), recipe.seed, lesson.batch, lesson.drop)
    best = fit(network, groups, task, recipe, run)
    if PartialState().is_main_process:
        export_run(data, run)
    return best


def export_run(data: Path, run: Path) -> dict[str, Any]:
    """Leave the best weights as a network that serves, with its card, its figures and their pictures."""
    told = json.loads((run / RUN).read_text())
    spec = load(told["name"])
    config = type(spec.config)(**{name: _frozen(value) for name, value in told["config"].items()})
    corpus = Corpus.read(told["name"], data, _cache(run), told["layout"], told["engines"])
    network = spec.build(config)
    network.load_state_dict(torch.load(run / "best.pt", map_location="cpu", weights_only=True))
    return write_artifacts(network, corpus.training_data(spec, config), corpus, told["layout"], run)


def _write_run_config(told: dict[str, Any], run: Path) -> None:
    """What the run is; another network's checkpoint could not go on as this one."""
    text = json.dumps(told, indent=2)
    if (run / RUN).is_file() and (run / RUN).read_text() != text:
        raise InvalidRequest(
            f"The run {str(run)!r} was begun with another network, other engines or other clips.",
            hint="Give this one a folder of its own: --run FOLDER",
        )
    (run / RUN).write_text(text)


def _cache(run: Path) -> Path:
    """Beside the run: others on the same clips read it too."""
    return run.parent / "clips"


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
