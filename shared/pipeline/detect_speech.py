"""The detect_speech stage: voice activity detection, once for all later stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.domain.recording import Probe
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

    @property
    def engine(self) -> str:
        return self.detector.name

    def identity(self) -> Mapping[str, object]:
        return {"detector": self.detector.fingerprint, "crosstalk": 1}

    def run(self, work: Workspace, _parts: Sequence[Path], /) -> None:
        names = [track.name for track in work.read("decode", Probe).tracks]
        if not names:
            audio = open_audio(work.inputs["decode"])
            work.write(SpeechMap(tracks=(Speech(spans=tuple(self.detector.detect(audio, work.progress))),)))
            return
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
        work.write(SpeechMap(tracks=tuple(found)))
