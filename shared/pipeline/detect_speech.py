"""The detect_speech stage: voice activity detection, once for all later stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.domain.error import TooLittleSpeech
from shared.domain.recording import Probe
from shared.domain.span import union
from shared.domain.speech import Speech
from shared.domain.stage_plan import DETECT_SPEECH
from shared.pipeline.artifacts import SpeechMap, open_audio
from shared.pipeline.crosstalk import without_crosstalk
from shared.pipeline.stage import WholeStage, Workspace
from shared.ports.engines import SpeechDetector


@dataclass(frozen=True, slots=True)
class DetectSpeech(WholeStage):
    spec = DETECT_SPEECH
    detector: SpeechDetector
    min_share: float | None = None  # of speech in the recording

    @property
    def engine(self) -> str:
        return self.detector.name

    def identity(self) -> Mapping[str, object]:
        share = {"min_share": self.min_share} if self.min_share else {}
        return {"detector": self.detector.fingerprint, "crosstalk": 1, **share}

    def run(self, work: Workspace, _parts: Sequence[Path], /) -> None:
        probe = work.read("decode", Probe)
        found = self._detect(work, [track.name for track in probe.tracks])
        speech = sum(span.duration for span in union(span for track in found for span in track.spans))
        if self.min_share and speech < self.min_share * probe.duration:
            raise TooLittleSpeech(
                f"The share of speech, {speech / probe.duration:.4f}, is below the {self.min_share:g} "
                "that the request requires."
            )
        work.write(SpeechMap(tracks=tuple(found)))

    def _detect(self, work: Workspace, names: Sequence[str]) -> Sequence[Speech]:
        if not names:
            audio = open_audio(work.inputs["decode"])
            return (Speech(spans=tuple(self.detector.detect(audio, work.progress))),)
        audios = [open_audio(work.inputs["decode"], number) for number in range(len(names))]
        found: list[Speech] = []
        for done, (name, audio) in enumerate(zip(names, audios, strict=True)):
            spans = self.detector.detect(
                audio,
                lambda share, done=done: work.progress((done + share) / len(names)),  # type: ignore[misc]
            )
            others = [other for other in audios if other is not audio]
            own = tuple(piece for span in spans for piece in without_crosstalk(span, audio, others))
            found.append(Speech(track=name, spans=own))
        return found
