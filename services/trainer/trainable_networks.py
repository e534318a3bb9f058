"""What can be trained by name: data, imported on demand, because torch is slow to import and not always there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from shared.domain.error import EngineUnavailable, InvalidRequest

# name -> the package that holds train.py with `recipe_of` and `train`, and export.py with `export`.
NETWORKS: Mapping[str, str] = {
    "text": "services.trainer.text",
    "voice": "services.trainer.voice",
    "face": "services.trainer.face",
    "segmentation": "services.trainer.segmentation",
    "speaker": "services.trainer.speaker",
    "whisper": "services.trainer.whisper",
}

# Of these only whole runs are made: one is trained in folds by speaker, the other begins with its teacher's weights.
OWN_START = ("voice", "speaker")

# Those that read clips, with words, voice and face of one utterance; a test holds this against their registry.
CLIP_NETWORKS = ("late-fusion", "m2fnet", "mme2e", "mme2e-sparse", "av-transformer", "ensemble", "sdt")
TRAINABLE = (*NETWORKS, *CLIP_NETWORKS)


@dataclass(frozen=True, slots=True)
class ClipOptions:
    """What may be said of a run on clips: how they lie on disk, and who perceives them."""

    layout: str | None = None
    engines: Mapping[str, str] = field(default_factory=dict)  # slot -> engine; text, voice, face and faces


@dataclass(frozen=True, slots=True)
class Initialization:
    """Where learning starts: from which run's weights, and what of them stays as it is."""

    weights: Path | None = None
    freeze: tuple[str, ...] = ()


FROM_SCRATCH = Initialization()


def train(
    name: str,
    data: Path,
    run: Path,
    seed: int,
    epochs: int | None,
    options: ClipOptions = ClipOptions(),
    start: Initialization = FROM_SCRATCH,
) -> Path:
    if name in CLIP_NETWORKS:
        if options.layout is None:
            raise InvalidRequest(f"{name} learns from clips.", hint="Say how they lie on disk: --layout meld, or csv.")
        recipe = import_torch_module("services.trainer.clips.recipes").recipe_of(name, seed)
        learn = import_torch_module("services.trainer.clips.train").train
        trained: Path = learn(name, data, run, replace(recipe, epochs=epochs or recipe.epochs), options, start)
        return trained
    if options != ClipOptions():
        raise InvalidRequest(f"{name} is trained from data that lie as docs/training.md says.")
    if name in OWN_START and start != FROM_SCRATCH:
        raise InvalidRequest(f"{name} is always trained from its own start, and whole.")
    module = _module(name, "train")
    recipe = module.recipe_of(seed)
    told = {} if name in OWN_START else {"start": start}
    best: Path = module.train(data, run, replace(recipe, epochs=epochs or recipe.epochs), **told)
    return best


def export(name: str, data: Path, run: Path) -> dict[str, Any]:
    if not run.is_dir():
        raise InvalidRequest(f"There is no run at {str(run)!r}.", hint=f"undertone train {name} --data DATA")
    if name in CLIP_NETWORKS:
        again: dict[str, Any] = import_torch_module("services.trainer.clips.train").finish(data, run)
        return again
    metrics: dict[str, Any] = _export_of(name)(run, data)
    return metrics


def _export_of(name: str) -> Callable[[Path, Path], dict[str, Any]]:
    found: Callable[[Path, Path], dict[str, Any]] = _module(name, "export").export
    return found


def _module(name: str, part: str) -> Any:
    if name not in NETWORKS:
        raise InvalidRequest(f"There is no network {name!r} to train; there is {', '.join(TRAINABLE)}.")
    return import_torch_module(f"{NETWORKS[name]}.{part}")


def import_torch_module(module: str) -> Any:
    """A module of the trainer, or the command that brings what it needs."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith(("services", "shared")):
            raise
        raise EngineUnavailable(
            f"Training needs {error.name}, which is not installed.", hint="make train-setup"
        ) from error
