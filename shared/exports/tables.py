"""Export as CSV: one row per utterance, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io

from shared.domain.emotion import EMOTIONS, EmotionReading, Modality
from shared.domain.transcript import Transcript
from shared.exports.captions import plain

COLUMNS = ("index", "start", "end", "speaker", "text")
EMOTION_COLUMNS = ("emotion", "confidence", "sentiment", *EMOTIONS, *(f"modality_{modality}" for modality in Modality))


def render_csv(transcript: Transcript, *, emotion: bool) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS + EMOTION_COLUMNS if emotion else COLUMNS)
    names = transcript.names
    for utterance in transcript.utterances:
        times = [f"{utterance.start:.3f}", f"{utterance.end:.3f}"]
        row = [utterance.index, *times, spreadsheet_cell(names[utterance.speaker]), spreadsheet_cell(utterance.text)]
        if emotion:
            row += _reading(utterance.emotion) if utterance.emotion else [""] * len(EMOTION_COLUMNS)
        writer.writerow(row)
    return out.getvalue().encode()


def spreadsheet_cell(text: str) -> str:
    """Escape a cell that a spreadsheet would run as a formula."""
    text = plain(text)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _reading(reading: EmotionReading) -> list[object]:
    scores = [f"{reading.scores[emotion]:.4f}" for emotion in EMOTIONS]
    modalities = []
    for modality in Modality:
        found = reading.modalities.get(modality)
        modalities.append(
            "" if found is None else f"{found.status}:{found.reason}" if found.reason else str(found.status)
        )
    return [reading.label, f"{reading.confidence:.4f}", reading.sentiment.label, *scores, *modalities]
