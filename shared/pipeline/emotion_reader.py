"""One way to answer the question of emotion: let each sense perceive the whole conversation, then weigh them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from shared.domain.emotion import EmotionReading, Modality
from shared.domain.error import UndertoneError
from shared.ports.engines import Encoding, FusionModel, ModalityEncoder, UtteranceClip
from shared.ports.media import Progress

Warn = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class EncodeThenFuse:
    encoders: tuple[ModalityEncoder, ...]
    fusion: FusionModel
    # Senses that nobody asked for (None), or that have no engine here (the error's code).
    absent: Mapping[Modality, str | None]

    @property
    def name(self) -> str:
        return "+".join((*(encoder.name for encoder in self.encoders), self.fusion.name))

    @property
    def fingerprint(self) -> str:
        parts = [encoder.fingerprint for encoder in self.encoders]
        return "+".join((*parts, self.fusion.fingerprint, *(f"{m}:{why}" for m, why in sorted(self.absent.items()))))

    def read(self, conversation: Sequence[UtteranceClip], progress: Progress, warn: Warn) -> Sequence[EmotionReading]:
        encodings: list[Encoding] = []
        absent = dict(self.absent)
        for number, encoder in enumerate(self.encoders):
            share = Share(progress, number, len(self.encoders))
            try:
                encodings.append(encoder.encode(conversation, share))
            # Whatever breaks inside a model's runtime: one failing sense must never cost the transcript.
            except Exception as error:  # noqa: BLE001
                code = error.code if isinstance(error, UndertoneError) else "engine_failed"
                warn(code, f"The {encoder.modality} could not be read: {type(error).__name__}. The other senses go on.")
                absent[encoder.modality] = code
        return self.fusion.fuse(encodings, absent=absent, speakers=[clip.utterance.speaker for clip in conversation])


@dataclass(frozen=True, slots=True)
class Share:
    """One encoder's part of the whole progress."""

    progress: Progress
    number: int
    count: int

    def __call__(self, fraction: float) -> None:
        self.progress((self.number + fraction) / self.count)
