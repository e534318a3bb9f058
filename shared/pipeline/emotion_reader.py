"""Reads perceived emotion with one encoder per modality, and fuses their outputs."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np

from shared.domain.emotion import EMOTIONS, EmotionReading, Modality
from shared.domain.error import EngineFailed, EngineUnavailable, Interrupted, UndertoneError
from shared.ports.engines import Encoding, FusionModel, ModalityEncoder, UtteranceClip
from shared.ports.media import Progress

log = logging.getLogger(__name__)


class EncodeThenFuse:
    """Emotion reader that encodes each modality and fuses them.

    `absent` contains the modalities without an encoder: None if off, else the reason why it is unavailable.
    """

    def __init__(
        self,
        encoders: Mapping[Modality, ModalityEncoder],
        fusion: FusionModel,
        absent: Mapping[Modality, str | None],
    ) -> None:
        for modality, fingerprint in fusion.expects.items():
            if modality in encoders and encoders[modality].fingerprint != fingerprint:
                raise EngineUnavailable(
                    f"{fusion.name} was trained with another {modality} engine than {encoders[modality].name}, "
                    "or with other weights of it.",
                    hint=f"Train it with this engine, or choose the {modality} engine that it was trained with.",
                )
        self._encoders = encoders
        self._fusion = fusion
        self._absent = absent

    @property
    def name(self) -> str:
        modalities = ", ".join(f"{modality}={encoder.name}" for modality, encoder in self._encoders.items())
        return f"{self._fusion.name}({modalities})"

    @property
    def fingerprint(self) -> str:
        parts = [f"{modality}={encoder.fingerprint}" for modality, encoder in sorted(self._encoders.items())]
        parts += [f"{modality}!{reason}" for modality, reason in sorted(self._absent.items())]
        return " ".join([self._fusion.fingerprint, *parts])

    def read(self, conversation: Sequence[UtteranceClip], progress: Progress) -> Sequence[EmotionReading]:
        encodings: list[Encoding] = []
        absent = dict(self._absent)
        for number, (modality, encoder) in enumerate(self._encoders.items()):
            try:
                encodings.append(_encode(encoder, conversation, _share(progress, number, len(self._encoders))))
            except Interrupted:
                raise
            # Broad on purpose, and only here: if one network fails in any way, the words, the speakers and the
            # other modalities are still useful, and the transcript shows the modality as failed.
            except Exception as error:  # noqa: BLE001
                absent[modality] = error.code if isinstance(error, UndertoneError) else EngineFailed.code
                # Only the type of the error: its message may contain content of the recording.
                log.warning("modality.failed modality=%s error=%s", modality, type(error).__name__)
        readings = self._fusion.fuse(encodings, absent=absent, conversation=conversation)
        progress(1.0)
        return readings


def _encode(encoder: ModalityEncoder, conversation: Sequence[UtteranceClip], progress: Progress) -> Encoding:
    encoding = encoder.encode(conversation, progress)
    if encoding.logits.shape != (len(conversation), len(EMOTIONS)) or np.isnan(encoding.logits).any():
        raise EngineFailed(f"{encoder.name} gave no valid output for every utterance")
    return encoding


def _share(progress: Progress, number: int, count: int) -> Progress:
    return lambda fraction: progress((number + fraction) / count)
