"""A sample transcript with edge cases: markup, formulas, overlaps, empty utterances and long times."""

from __future__ import annotations

from shared.domain.emotion import EmotionScores, Modality, ModalityReading, ModalityStatus
from shared.domain.recording import Recording
from shared.domain.speech import Utterance, Word
from shared.domain.transcript import Provenance, Speaker, Transcript, disclose
from tests.fakes import reading

ANA, BEN, EVE = "Ana <Ops> & Co", "Ben Müller", "=SUM(A1)"


def awkward_utterances() -> tuple[Utterance, ...]:
    lines = [
        ("S1", 0.48, 3.92, "We lost the customer --> yesterday."),
        ("S2", 3.5, 6.0, 'She said "no" & left <there>\n\nat once.'),
        ("S3", 6.5, 6.5, "Ah"),
        ("S1", 7.0, 40.0, " ".join(f"word{number}" for number in range(60)) + "."),
        ("S3", 41.0, 42.0, "-1 | *bold* [link] # `code` \\ _x_\x07"),
        ("S2", 359_999.0, 360_001.5, "Four days later."),
    ]
    made = []
    for index, (speaker, start, end, text) in enumerate(lines):
        tokens = text.split()
        step = (end - start) / len(tokens)
        words = tuple(
            Word(text=token, start=start + n * step, end=start + (n + 1) * step, confidence=None if n % 2 else 0.9)
            for n, token in enumerate(tokens)
        )
        made.append(Utterance(index=index, start=start, end=end, speaker=speaker, text=text, words=words))
    return tuple(made)


def transcript(utterances: tuple[Utterance, ...] | None = None) -> Transcript:
    given = awkward_utterances() if utterances is None else utterances
    perceived = reading(sadness=0.6)
    modalities = {
        Modality.TEXT: ModalityReading(status=ModalityStatus.OK, scores=EmotionScores(perceived.scores.root)),
        Modality.VOICE: ModalityReading(status=ModalityStatus.OFF),
        Modality.FACE: ModalityReading(status=ModalityStatus.UNAVAILABLE, reason="no_video"),
    }
    perceived = perceived.model_copy(update={"modalities": modalities})
    # The second has no reading, as when all modalities are off.
    given = tuple(u if u.index == 1 else u.model_copy(update={"emotion": perceived}) for u in given)
    names = {"S1": ANA, "S2": BEN, "S3": EVE}
    return Transcript(
        job_id="job",
        recording=Recording(name="stand up.mp4", sha256="0" * 64, duration=60.0, has_video=True, container="mov"),
        language="en",
        speakers=tuple(
            Speaker(id=speaker, name=names[speaker], talk_seconds=1.0, utterances=1)
            for speaker in dict.fromkeys(u.speaker for u in given)
        ),
        utterances=given,
        provenance=(Provenance(stage="decode", engine="pyav", seconds=0.1),),
        disclosure=disclose((Modality.TEXT,)),
    )
