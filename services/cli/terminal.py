"""Prints a transcript on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from services.cli.table import plain_table
from shared.domain.emotion import Emotion, EmotionReading, Modality, ModalityStatus
from shared.domain.transcript import Transcript

COLOURS = {
    Emotion.ANGER: "red",
    Emotion.DISGUST: "green",
    Emotion.FEAR: "magenta",
    Emotion.JOY: "yellow",
    Emotion.NEUTRAL: "dim",
    Emotion.SADNESS: "blue",
    Emotion.SURPRISE: "cyan",
}
SPEAKER_COLOURS = ("bright_cyan", "bright_green", "bright_magenta", "bright_yellow", "bright_blue", "bright_red")


def print_transcript(transcript: Transcript, console: Console) -> None:
    console.print()
    console.print(_headline(transcript))
    console.print()
    console.print(_utterances(transcript))
    console.print()
    for warning in transcript.warnings:
        console.print(Text.assemble(("note ", "yellow"), warning))
    console.print(Text(transcript.disclosure.notice, style="dim"))


def clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"


def _headline(transcript: Transcript) -> Text:
    total = sum(speaker.talk_seconds for speaker in transcript.speakers) or 1.0
    shares = ", ".join(f"{speaker.name} {speaker.talk_seconds / total:.0%}" for speaker in transcript.speakers)
    facts = [clock(transcript.recording.duration), transcript.language or "language unknown", shares or "no speech"]
    return Text.assemble((transcript.recording.name, "bold"), " · ", " · ".join(facts))


def _utterances(transcript: Transcript) -> Table:
    table = plain_table()
    table.add_column("time", style="dim", no_wrap=True)
    table.add_column("speaker", no_wrap=True)
    table.add_column("words", ratio=1)
    if transcript.disclosure.modalities:
        table.add_column("perceived", no_wrap=True)
        table.add_column("from", no_wrap=True)
    colours = {
        speaker.id: SPEAKER_COLOURS[number % len(SPEAKER_COLOURS)] for number, speaker in enumerate(transcript.speakers)
    }
    names = transcript.names
    for utterance in transcript.utterances:
        row: list[str | Text] = [
            clock(utterance.start),
            Text(names[utterance.speaker], style=colours.get(utterance.speaker, "")),
            Text(utterance.text),
        ]
        if utterance.emotion is not None:
            row += [_label(utterance.emotion), _modalities(utterance.emotion)]
        table.add_row(*row)
    return table


def _label(reading: EmotionReading) -> Text:
    return Text(f"{reading.label} {reading.confidence:.0%}", style=COLOURS[reading.label])


def _modalities(reading: EmotionReading) -> Text:
    """The modalities with a reading, coloured by their label; the others are omitted."""
    names = Text()
    for modality in Modality:
        modality_reading = reading.modalities.get(modality)
        if (
            modality_reading is not None
            and modality_reading.status is ModalityStatus.OK
            and modality_reading.scores is not None
        ):
            names.append(f"{modality} ", style=COLOURS[modality_reading.scores.label])
    return names
