"""The registry of trainable networks, imported on demand: torch is slow to import and optional."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from shared.domain.error import EngineUnavailable, InvalidRequest

# name -> a package with train.py (`recipe_of` and `train`) and export.py (`export`).
NETWORKS: Mapping[str, str] = {
    "text": "services.trainer.text",
    "voice": "services.trainer.voice",
    "voice-whisper": "services.trainer.voice_whisper",
    "face": "services.trainer.face",
    "segmentation": "services.trainer.segmentation",
    "speaker": "services.trainer.speaker",
    "whisper": "services.trainer.whisper",
}

# These accept no initial weights: one is trained in folds by speaker, the other starts from its teacher's weights.
OWN_START = ("voice", "speaker")

# Networks of clips with text, voice and face of one utterance; a test compares this with their registry.
CLIP_NETWORKS = ("late-fusion", "m2fnet", "mme2e", "mme2e-sparse", "av-transformer", "ensemble", "sdt")
TRAINABLE = (*NETWORKS, *CLIP_NETWORKS)


@dataclass(frozen=True, slots=True)
class ClipOptions:
    """The options of a run on clips: the layout of the data, and the engines that process them."""

    layout: str | None = None
    engines: Mapping[str, str] = field(default_factory=dict)  # slot -> engine; text, voice, face and faces


@dataclass(frozen=True, slots=True)
class Initialization:
    """The initial weights of a run, and the parameters that are frozen."""

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
            raise InvalidRequest(f"{name} is trained on clips.", hint="Set their layout: --layout meld, or csv.")
        recipe = import_torch_module("services.trainer.clips.recipes").recipe_of(name, seed)
        learn = import_torch_module("services.trainer.clips.train").train
        trained: Path = learn(name, data, run, replace(recipe, epochs=epochs or recipe.epochs), options, start)
        return trained
    if options != ClipOptions():
        raise InvalidRequest(f"{name} accepts no clip options; docs/training.md describes its data layout.")
    if name in OWN_START and start != FROM_SCRATCH:
        raise InvalidRequest(f"{name} accepts neither --start-from nor --freeze.")
    module = _module(name, "train")
    recipe = module.recipe_of(seed)
    initial = {} if name in OWN_START else {"start": start}
    best: Path = module.train(data, run, replace(recipe, epochs=epochs or recipe.epochs), **initial)
    return best


def export(name: str, data: Path, run: Path) -> dict[str, Any]:
    if not run.is_dir():
        raise InvalidRequest(f"There is no run at {str(run)!r}.", hint=f"undertone train {name} --data DATA")
    if name in CLIP_NETWORKS:
        exported: dict[str, Any] = import_torch_module("services.trainer.clips.train").export_run(data, run)
        return exported
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
    """Imports a module of the trainer, or raises an error with the installation command."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith(("services", "shared")):
            raise
        raise EngineUnavailable(
            f"Training needs {error.name}, which is not installed.", hint="make train-setup"
        ) from error
