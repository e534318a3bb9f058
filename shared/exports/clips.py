"""Export of utterances with corrected emotions as training data: a table as `undertone train` reads it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from shared.domain.correction import CorrectedField, Correction
from shared.domain.correction_history import active_corrections
from shared.domain.speech import Utterance
from shared.domain.transcript import Transcript
from shared.exports.tables import spreadsheet_cell

CLIPS = "clips.csv"
COLUMNS = ("path", "label", "speaker", "text", "dialogue", "start", "end")


def corrected_clips(transcript: Transcript, corrections: Sequence[Correction]) -> Iterator[tuple[Utterance, str]]:
    """The utterances of the corrected transcript whose emotion a person chose, with that emotion."""
    labels: dict[str, str] = {}
    for one in active_corrections(corrections):
        if one.field is CorrectedField.EMOTION:
            labels[one.target] = one.new
        elif one.field is CorrectedField.SPLIT and one.target in labels:
            labels[one.new.split()[1]] = labels[one.target]
        elif one.field is CorrectedField.JOINED:
            second = labels.pop(one.new, None)
            if labels.get(one.target) != second:  # nobody chose an emotion for the whole
                labels.pop(one.target, None)
    for utterance in transcript.utterances:
        if str(utterance.index) in labels:
            yield utterance, labels[str(utterance.index)]


def clip_path(transcript: Transcript, utterance: Utterance) -> str:
    """The path of the clip's audio, relative to the table."""
    return f"{transcript.job_id}/{utterance.index}.wav"


def render_clips(meetings: Sequence[tuple[Transcript, Sequence[Correction]]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for transcript, corrections in meetings:
        names = transcript.names
        for one, label in corrected_clips(transcript, corrections):
            name, times = spreadsheet_cell(names[one.speaker]), (f"{one.start:.3f}", f"{one.end:.3f}")
            writer.writerow(
                (clip_path(transcript, one), label, name, spreadsheet_cell(one.text), transcript.job_id, *times)
            )
    return out.getvalue().encode()
