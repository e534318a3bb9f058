"""Ports for the engines: the Protocols that the models of the pipeline implement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pydantic import Field

from shared.domain.emotion import EMOTIONS, SENTIMENTS, Emotion, EmotionReading, Modality, Sentiment
from shared.domain.span import Span
from shared.domain.speech import Transcription, Utterance
from shared.domain.value import Value
from shared.ports.media import Audio, Bytes, Floats, Frame, Progress


class Engine(Protocol):
    """Base of all engines: `name` is shown in the provenance; `fingerprint` changes whenever the output may."""

    @property
    def name(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...


class SpeechDetector(Engine, Protocol):
    def detect(self, audio: Audio, progress: Progress) -> Sequence[Span]: ...


@dataclass(frozen=True, slots=True)
class LocalSpeakers:
    """Speaker activity in one window; voice numbers are local to the window."""

    first: int  # the number of the window's first frame in the recording
    active: Floats  # (frame, voice), 0 to 1: probability that the voice speaks


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Overlapping windows in order, with frames at common times; the caller matches their voices."""

    start: float  # of the recording's first frame, in seconds
    step: float  # seconds that one frame covers
    windows: tuple[LocalSpeakers, ...]

    @property
    def frames(self) -> int:
        """From the recording's first frame to the end of the last window."""
        return max(window.first + len(window.active) for window in self.windows)


class SpeechSegmenter(Engine, Protocol):
    def segment(self, audio: Audio, speech: Sequence[Span], progress: Progress) -> Segmentation:
        """The speakers of the windows that contain speech."""
        ...


class Transcriber(Engine, Protocol):
    @property
    def note(self) -> str | None:
        """A remark about this recogniser for the readers of the transcript."""
        ...

    def identify_language(self, audio: Audio, speech: Sequence[Span]) -> tuple[str | None, float | None]:
        """The language of the recording, detected in several windows of speech, and its confidence."""
        ...

    def vocabulary_capacity(self, vocabulary: Sequence[str]) -> int:
        """How many of the vocabulary's terms, from the first on, this recogniser can use."""
        ...

    def transcribe(
        self,
        audio: Audio,
        speech: Sequence[Span],
        *,
        language: str | None,
        progress: Progress,
        vocabulary: Sequence[str] = (),
    ) -> Transcription:
        """The words in the given spans of speech, with times in seconds of the recording.

        Terms of the vocabulary are expected in the speech, and are spelt as given there.
        """
        ...


class SpeakerEncoder(Engine, Protocol):
    @property
    def same_voice(self) -> float:
        """The mean cosine similarity above which two clusters of embeddings are the same voice."""
        ...

    def embed(self, clips: Sequence[Floats]) -> Floats:  # (clip, dim), unit length
        ...


@dataclass(frozen=True, slots=True)
class FaceBox:
    """A face in one frame, in pixels of that frame."""

    left: float
    top: float
    width: float
    height: float
    score: float  # 0 to 1
    roll: float = 0.0  # clockwise rotation of the head in radians, if the detector measures it


class FaceDetector(Engine, Protocol):
    def detect(self, frame: Frame) -> Sequence[FaceBox]: ...


@dataclass(frozen=True, slots=True)
class FaceClip:
    """The speaker's face during one utterance."""

    times: Floats  # (frame,)
    crops: Bytes  # (frame, 48, 48), grey
    weights: Floats  # (frame,), detector score times sharpness
    margin: float  # 0 to 1: confidence that this is the speaker's face
    coverage: float  # share of the utterance's sampled frames that show the face


@dataclass(frozen=True, slots=True)
class UtteranceClip:
    """One utterance with its text, audio and face; `face` is a reason code if there is no face."""

    utterance: Utterance
    audio: Audio
    face: FaceClip | str
    language: str | None = None  # of the text, if known


class SentimentHead(Value):
    temperature: float = Field(default=1.0, ge=0.3, le=5)
    prior: dict[Sentiment, float] = dict.fromkeys(SENTIMENTS, 1 / 3)


class Calibration(Value):
    """Calibration of one network's logits."""

    temperature: float = Field(default=1.0, ge=0.3, le=5)
    # The effective prior: the mean of the calibrated outputs, not merely the frequency of the labels.
    prior: dict[Emotion, float] = dict.fromkeys(EMOTIONS, 1 / 7)
    cannot_emit: tuple[Emotion, ...] = ()  # labels that the network cannot predict: no evidence for or against them
    sentiment: SentimentHead | None = None


UNCALIBRATED = Calibration()


@dataclass(frozen=True, slots=True)
class Encoding:
    """One modality's evidence for every utterance of a conversation; rows without evidence have a reason instead."""

    modality: Modality
    logits: Floats  # (utterance, 7), in the order of Emotion; zero where unavailable
    features: Floats  # (utterance, dim); dim may be 0
    unavailable: tuple[str | None, ...]  # (utterance,): why there is no evidence, or None
    reliability: Floats  # (utterance,), 0 to 1
    sentiment: Floats | None = None  # (utterance, 3) logits, if the engine has a sentiment head
    calibration: Calibration = UNCALIBRATED
    fusion_weight: float | None = None  # beside text, if it was measured for this engine


class ModalityEncoder(Engine, Protocol):
    modality: Modality

    def encode(self, conversation: Sequence[UtteranceClip], progress: Progress) -> Encoding: ...


class FusionModel(Engine, Protocol):
    @property
    def expects(self) -> Mapping[Modality, str]:
        """The fingerprint of the encoder it was trained with, for each modality; empty if it accepts any."""
        ...

    def fuse(
        self,
        encodings: Sequence[Encoding],
        *,
        absent: dict[Modality, str | None],  # modalities without an encoding: None if off, else the reason
        conversation: Sequence[UtteranceClip],  # some networks use audio and frames directly
    ) -> Sequence[EmotionReading]: ...


class EmotionReader(Engine, Protocol):
    """Reads the emotion of every utterance from the whole conversation, which gives the context."""

    def read(self, conversation: Sequence[UtteranceClip], progress: Progress) -> Sequence[EmotionReading]: ...
