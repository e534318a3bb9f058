"""Export as the lines of a captioned video."""

from __future__ import annotations

from shared.domain.caption import CaptionLine, Colour
from shared.domain.transcript import Transcript
from shared.exports.captions import captions

SPEAKER_COLOURS: tuple[Colour, ...] = (
    (124, 214, 255), (144, 238, 144), (255, 183, 213), (255, 221, 120), (190, 170, 255), (255, 170, 130),
)  # fmt: skip
EMOTION_COLOURS: dict[str, Colour] = {
    "anger": (235, 87, 87),
    "disgust": (126, 176, 84),
    "fear": (187, 107, 217),
    "joy": (242, 201, 76),
    "neutral": (170, 170, 170),
    "sadness": (86, 140, 236),
    "surprise": (86, 204, 242),
}


def caption_lines(transcript: Transcript, *, emotion: bool) -> tuple[CaptionLine, ...]:
    numbers = {speaker.name: number for number, speaker in reversed(list(enumerate(transcript.speakers)))}
    made = []
    for caption in captions(transcript, emotion=emotion):
        line = CaptionLine(
            start=caption.start,
            end=caption.end,
            speaker=caption.speaker,
            text=caption.text,
            colour=SPEAKER_COLOURS[numbers.get(caption.speaker, 0) % len(SPEAKER_COLOURS)],
        )
        if caption.emotion is not None:
            reading = {"emotion": str(caption.emotion.label), "confidence": caption.emotion.confidence}
            line = line.model_copy(update={**reading, "emotion_colour": EMOTION_COLOURS[caption.emotion.label]})
        made.append(line)
    return tuple(made)
