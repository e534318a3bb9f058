"""The catalog of engines: maps slots and names to classes that are imported on demand, without silent fallback."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from shared.domain.error import EngineUnavailable, InvalidRequest
from shared.engines.settings import EngineSettings, MediaSettings

# slot -> name -> "module:Class", the best first: `auto` takes the first that can run here.
CATALOG: Mapping[str, Mapping[str, str]] = {
    "decoder": {"pyav": "shared.engines.decoder_pyav:PyAvDecoder"},
    "vad": {"silero": "shared.engines.vad_silero:SileroVad"},
    "asr": {
        "faster-whisper": "shared.engines.asr_faster_whisper:FasterWhisper",
        "pocketsphinx": "shared.engines.asr_pocketsphinx:PocketSphinx",
    },
    "speaker": {
        "ge2e-moods": "shared.engines.speaker_ge2e:MoodsEncoder",
        "ge2e": "shared.engines.speaker_ge2e:Ge2eEncoder",
    },
    "clusterer": {"prototypes": "shared.engines.clusterer_prototypes:PrototypeClusterer"},
    "segmentation": {
        "powerset": "shared.engines.segmentation_powerset:PowersetSegmenter",
        "none": "shared.engines.segmentation_none:NoSegmentation",
    },
    "faces": {
        "yunet": "shared.engines.faces_yunet:YuNet",
        "cascade": "shared.engines.faces_cascade:Cascade",
    },
    "text": {"minilm": "shared.engines.text_minilm:MiniLmText"},
    "voice": {
        "whisper": "shared.engines.voice_whisper:VoiceWhisper",
        "whisper-emodb": "shared.engines.voice_whisper:VoiceWhisperEmodb",
        "cnn": "shared.engines.voice_cnn:VoiceCnn",
        "cnn-emodb": "shared.engines.voice_cnn:VoiceCnnEmodb",
    },
    "face": {"cnn": "shared.engines.face_cnn:FaceCnn"},
    "fusion": {
        "loglinear": "shared.engines.fusion_loglinear:LogLinearFusion",
        "network": "shared.engines.fusion_network:NetworkFusion",
    },
}


@dataclass(frozen=True, slots=True)
class Setup:
    """The settings that an engine is loaded with."""

    engines: EngineSettings
    media: MediaSettings

    @property
    def threads(self) -> int:
        return self.engines.threads or len(os.sched_getaffinity(0))


class EngineClass(Protocol):
    @classmethod
    def load(cls, option: str | None, setup: Setup) -> Any:
        """Build the engine, or raise EngineUnavailable with the command that fixes it as the hint."""
        ...


@dataclass(frozen=True, slots=True)
class ChosenEngine:
    """An engine, and the errors of the preferred engines that could not be loaded."""

    engine: Any
    unavailable: tuple[EngineUnavailable, ...] = ()


def choose(slot: str, requested: str | None, setup: Setup) -> ChosenEngine:
    """Load the requested engine (`name` or `name:option`), or by default the first one that can run here."""
    if slot not in CATALOG:
        raise InvalidRequest(f"There is no engine slot {slot!r}; the slots are {', '.join(CATALOG)}.")
    if requested and requested != "auto":
        name, _, option = requested.partition(":")
        return ChosenEngine(find_class(slot, name).load(option or None, setup))
    passed_over: list[EngineUnavailable] = []
    for name in CATALOG[slot]:
        try:
            return ChosenEngine(find_class(slot, name).load(None, setup), tuple(passed_over))
        except EngineUnavailable as error:
            passed_over.append(error)
    raise EngineUnavailable(
        f"No engine for {slot!r} can run here: " + " ".join(error.message for error in passed_over),
        hint=passed_over[-1].hint,
    )


def find_class(slot: str, name: str) -> EngineClass:
    if name not in CATALOG[slot]:
        raise InvalidRequest(f"There is no {slot} engine {name!r}; there is {', '.join(CATALOG[slot])}.")
    module, _, attribute = CATALOG[slot][name].partition(":")
    found: EngineClass = getattr(import_module(module), attribute)
    return found
