"""Find where somebody speaks, once for every stage that needs to know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.domain.recording import Probe
from shared.domain.speech import Speech
from shared.pipeline.artifacts import SpeechMap, open_audio
from shared.pipeline.stage import Queue, WholeStage, Workspace
from shared.ports.engines import SpeechDetector


@dataclass(frozen=True, slots=True)
class DetectSpeech(WholeStage):
    detector: SpeechDetector
    name: str = "detect_speech"
    needs: tuple[str, ...] = ("decode",)
    queue: Queue = "cpu"

    @property
    def engine(self) -> str:
        return self.detector.name

    def identity(self) -> Mapping[str, object]:
        return {"detector": self.detector.fingerprint}

    def run(self, work: Workspace, _parts: Sequence[Path], /) -> None:
        probe = work.read("decode", Probe)
        tracks: list[tuple[int | None, str | None]] = [
            (number, track.name) for number, track in enumerate(probe.tracks)
        ]
        found: list[Speech] = []
        for done, (number, name) in enumerate(tracks or [(None, None)]):
            audio = open_audio(work.inputs["decode"], number)
            spans = self.detector.detect(
                audio,
                lambda share, done=done: work.progress((done + share) / max(1, len(tracks))),  # type: ignore[misc]
            )
            found.append(Speech(track=name, spans=tuple(spans)))
        work.write(SpeechMap(tracks=tuple(found)))
