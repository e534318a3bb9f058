"""The catalog of engines: the slots, and the classes of each, which are imported on demand, without silent fallback."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Generic, Protocol, TypeVar

from threadpoolctl import threadpool_limits

from shared.domain.emotion import Modality
from shared.domain.error import EngineUnavailable, InvalidRequest
from shared.engines.settings import EngineSettings, MediaSettings
from shared.ports import engines as ports
from shared.ports.media import MediaDecoder

# Engines use `Setup.threads`; their products in NumPy are so small that several threads of one mostly wait.
threadpool_limits(1, user_api="blas")

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Setup:
    """The settings that an engine is loaded with."""

    engines: EngineSettings
    media: MediaSettings

    @property
    def threads(self) -> int:
        return self.engines.threads or len(os.sched_getaffinity(0))


class EngineClass(Protocol[T_co]):
    @classmethod
    def load(cls, option: str | None, setup: Setup) -> T_co:
        """Build the engine, or raise EngineUnavailable with the command that fixes it as the hint."""
        ...


@dataclass(frozen=True)  # without slots: the call Slot[T](…) sets an attribute of typing
class Slot(Generic[T_co]):
    """One kind of work, and the classes of the engines that do it; their port is the slot's type."""

    name: str
    work: str  # what its engines are used for
    classes: Mapping[str, str]  # name -> "module:Class", the best first: `auto` takes the first that can run here

    def find_class(self, name: str) -> EngineClass[T_co]:
        if name not in self.classes:
            raise InvalidRequest(f"There is no {self.name} engine {name!r}; there is {', '.join(self.classes)}.")
        module, _, attribute = self.classes[name].partition(":")
        found: EngineClass[T_co] = getattr(import_module(module), attribute)
        return found


DECODER = Slot[MediaDecoder]("decoder", "opening recordings", {"pyav": "shared.engines.decoder_pyav:PyAvDecoder"})
VAD = Slot[ports.SpeechDetector]("vad", "detecting speech", {"silero": "shared.engines.vad_silero:SileroVad"})
ASR = Slot[ports.Transcriber](
    "asr",
    "transcribing",
    {
        "faster-whisper": "shared.engines.asr_faster_whisper:FasterWhisper",
        "pocketsphinx": "shared.engines.asr_pocketsphinx:PocketSphinx",
    },
)
SPEAKER = Slot[ports.SpeakerEncoder](
    "speaker",
    "distinguishing voices",
    {
        "ge2e": "shared.engines.speaker_ge2e:Ge2eEncoder",
        "ge2e-moods": "shared.engines.speaker_ge2e:MoodsEncoder",
        "wespeaker": "shared.engines.speaker_kaldi:WeSpeakerEncoder",
        "campplus": "shared.engines.speaker_kaldi:CamPlusEncoder",
    },
)
SEGMENTATION = Slot[ports.SpeechSegmenter](
    "segmentation",
    "finding speakers in short windows",
    {
        "pyannet": "shared.engines.segmentation_pyannet:PyanNetSegmenter",
        "powerset": "shared.engines.segmentation_powerset:PowersetSegmenter",
        "pyannote-3": "shared.engines.segmentation_pyannote3:Pyannote3Segmenter",
    },
)
FACES = Slot[ports.FaceDetector](
    "faces",
    "detecting faces",
    {
        "yunet": "shared.engines.faces_yunet:YuNet",
        "cascade": "shared.engines.faces_cascade:Cascade",
    },
)
TEXT = Slot[ports.ModalityEncoder]("text", "emotion in the words", {"minilm": "shared.engines.text_minilm:MiniLmText"})
VOICE = Slot[ports.ModalityEncoder](
    "voice",
    "emotion in the voice",
    {
        "whisper": "shared.engines.voice_whisper:VoiceWhisper",
        "whisper-emodb": "shared.engines.voice_whisper:VoiceWhisperEmodb",
        "cnn": "shared.engines.voice_cnn:VoiceCnn",
        "cnn-emodb": "shared.engines.voice_cnn:VoiceCnnEmodb",
    },
)
FACE = Slot[ports.ModalityEncoder]("face", "emotion in the face", {"cnn": "shared.engines.face_cnn:FaceCnn"})
FUSION = Slot[ports.FusionModel](
    "fusion",
    "weighting the modalities",
    {
        "loglinear": "shared.engines.fusion_loglinear:LogLinearFusion",
        "network": "shared.engines.fusion_network:NetworkFusion",
    },
)

ENCODERS = {Modality.TEXT: TEXT, Modality.VOICE: VOICE, Modality.FACE: FACE}
SLOTS: Mapping[str, Slot[object]] = {
    slot.name: slot for slot in (DECODER, VAD, ASR, SPEAKER, SEGMENTATION, FACES, TEXT, VOICE, FACE, FUSION)
}


def choose(slot: Slot[T], requested: str | None, setup: Setup) -> T:
    """Load the requested engine (`name` or `name:option`), or by default the first one that can run here."""
    if requested and requested != "auto":
        name, _, option = requested.partition(":")
        return slot.find_class(name).load(option or None, setup)
    passed_over: list[EngineUnavailable] = []
    for name in slot.classes:
        try:
            return slot.find_class(name).load(None, setup)
        except EngineUnavailable as error:
            passed_over.append(error)
    raise EngineUnavailable(
        f"No engine for {slot.name!r} can run here: " + " ".join(error.message for error in passed_over),
        hint=passed_over[-1].hint,
    )
