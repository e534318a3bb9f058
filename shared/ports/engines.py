"""What the pipeline asks of models: Protocols that an engine fulfils by having the methods."""

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
    """`name` goes into the provenance; `fingerprint` changes whenever its output could."""

    @property
    def name(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...


class SpeechDetector(Engine, Protocol):
    def detect(self, audio: Audio, progress: Progress) -> Sequence[Span]: ...


@dataclass(frozen=True, slots=True)
class LocalSpeakers:
    """What one window says: its voices have no names, and voice 0 here need not be voice 0 of the next window."""

    start: float  # in seconds of the recording
    active: Floats  # (frame, voice), 0 to 1: probability that the voice speaks


@dataclass(frozen=True, slots=True)
class Segmentation:
    """Frame by frame, whether somebody speaks and whether two do at once."""

    start: float  # in seconds of the recording
    step: float  # seconds that one frame covers
    speech: Floats  # (frame,), probability that anybody speaks
    overlap: Floats  # (frame,), probability that two speak at once
    local: tuple[LocalSpeakers, ...] = ()  # windows in order, overlapping; who is who is for the caller to find out


class SpeechSegmenter(Engine, Protocol):
    def segment(self, audio: Audio, progress: Progress) -> Segmentation: ...


class Transcriber(Engine, Protocol):
    @property
    def on_gpu(self) -> bool: ...
    @property
    def note(self) -> str | None:
        """What a reader of the transcript should know about this recogniser."""
        ...

    def identify_language(self, audio: Audio, speech: Sequence[Span]) -> tuple[str | None, float | None]:
        """The language of the recording, decided on several windows of speech, and how sure that is."""
        ...

    def vocabulary_capacity(self, vocabulary: Sequence[str]) -> int:
        """How many of the names and words, from the first on, it can be told."""
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
        """The words inside the given stretches of speech, in seconds of the recording.

        What stands in the vocabulary may be said, and is then written as it is spelt there.
        """
        ...


class SpeakerEncoder(Engine, Protocol):
    window: float  # seconds of speech that one embedding likes best

    @property
    def same_voice(self) -> float:
        """The mean cosine similarity above which two groups of its embeddings are one voice."""
        ...

    def embed(self, clips: Sequence[Floats]) -> Floats:  # (clip, dim), unit length
        ...


class SpeakerClusterer(Engine, Protocol):
    def cluster(
        self, embeddings: Floats, *, same_voice: float, speakers: int | None, max_speakers: int | None
    ) -> Sequence[int]:
        """One label for each row; labels count from 0 in the order in which they first appear."""
        ...


@dataclass(frozen=True, slots=True)
class FaceBox:
    """A face in one frame, in pixels of that frame."""

    left: float
    top: float
    width: float
    height: float
    score: float  # 0 to 1
    roll: float = 0.0  # radians that the head leans clockwise in the picture, where the detector sees it


class FaceDetector(Engine, Protocol):
    def detect(self, frame: Frame) -> Sequence[FaceBox]: ...


@dataclass(frozen=True, slots=True)
class FaceClip:
    """The speaker's face during one utterance."""

    times: Floats  # (frame,)
    crops: Bytes  # (frame, 48, 48), grey
    weights: Floats  # (frame,), detector score times sharpness
    margin: float  # 0 to 1: how clearly this face is the speaker's
    coverage: float  # share of the utterance's sampled frames that show it


@dataclass(frozen=True, slots=True)
class UtteranceClip:
    """All that can be perceived of one utterance. `face` is a reason, as a word, where there is none."""

    utterance: Utterance
    audio: Audio
    face: FaceClip | str
    language: str | None = None  # of its words, where it is known


class SentimentHead(Value):
    temperature: float = Field(default=1.0, ge=0.3, le=5)
    prior: dict[Sentiment, float] = dict.fromkeys(SENTIMENTS, 1 / 3)


class Calibration(Value):
    """How one network's logits become evidence."""

    temperature: float = Field(default=1.0, ge=0.3, le=5)
    # The effective prior: what its calibrated outputs average to, not merely the frequency of its labels.
    prior: dict[Emotion, float] = dict.fromkeys(EMOTIONS, 1 / 7)
    cannot_emit: tuple[Emotion, ...] = ()  # it is silent about these: no evidence either way
    sentiment: SentimentHead | None = None


UNCALIBRATED = Calibration()  # taken at its word


@dataclass(frozen=True, slots=True)
class Encoding:
    """What one sense perceived in every utterance of a conversation; rows without evidence are masked by a reason."""

    modality: Modality
    logits: Floats  # (utterance, 7), in the order of Emotion; zero where unavailable
    features: Floats  # (utterance, dim); dim may be 0
    unavailable: tuple[str | None, ...]  # (utterance,): why there is no evidence, None where there is
    reliability: Floats  # (utterance,), 0 to 1
    sentiment: Floats | None = None  # (utterance, 3) logits, from the senses that have such a head
    calibration: Calibration = UNCALIBRATED


class ModalityEncoder(Engine, Protocol):
    modality: Modality

    def encode(self, conversation: Sequence[UtteranceClip], progress: Progress) -> Encoding: ...


class FusionModel(Engine, Protocol):
    @property
    def expects(self) -> Mapping[Modality, str]:
        """The fingerprint of the encoder that it learnt to read, for each sense; empty where it reads any."""
        ...

    def fuse(
        self,
        encodings: Sequence[Encoding],
        *,
        absent: dict[Modality, str | None],  # senses without an encoding: None when off, else why it failed
        conversation: Sequence[UtteranceClip],  # some networks look and listen for themselves
    ) -> Sequence[EmotionReading]: ...


class EmotionReader(Engine, Protocol):
    """One question, asked of the whole conversation: context needs the neighbours and the speakers."""

    def read(self, conversation: Sequence[UtteranceClip], progress: Progress) -> Sequence[EmotionReading]: ...
