"""`undertone score`: error rates of a transcript against a reference."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError
from rich.console import Console

from services.cli.references import describe, read_intentions, read_rttm, read_stm, read_text, read_uem
from services.cli.table import AsJson, plain_table
from shared.domain.error import InvalidTranscript
from shared.domain.span import Span
from shared.domain.transcript import Transcript

if TYPE_CHECKING:
    from services.cli.scoring import EmotionScore, SpeakerScore, WordScore


def score(
    hyp: Annotated[Path, typer.Argument(metavar="HYP.json", help="Our transcript, as annotate writes it.")],
    rttm: Annotated[Path, typer.Option(help="Reference turns: who spoke when.")],
    stm: Annotated[Path | None, typer.Option(help="Reference words, with speakers and times.")] = None,
    uem: Annotated[Path | None, typer.Option(help="Spans in which speakers are scored; everything if omitted.")] = None,
    emotions: Annotated[Path | None, typer.Option(help="JSON of turns with their intended emotions.")] = None,
    collar: Annotated[float, typer.Option(min=0, help="Seconds ignored on each side of a reference boundary.")] = 0.0,
    as_json: AsJson = False,
) -> None:
    """Score a transcript against a reference: DER, and with an STM also WER and cpWER."""
    # These libraries take seconds to import, and other commands do not need them.
    from services.cli.scoring import score_emotions, score_speakers, score_words  # noqa: PLC0415

    transcript = read_transcript(hyp)
    names = tuple(dict.fromkeys((Path(transcript.recording.name).stem, hyp.stem)))
    turns = read_rttm(rttm, names)
    # A transcript that ends too early must not hide the turns that it misses.
    end = max(transcript.recording.duration, *(turn.end for turn in turns))
    within = read_uem(uem, names) if uem else (Span(start=0, end=end),)
    speakers = score_speakers(transcript.turns, turns, within, collar=collar)
    words = score_words(transcript.utterances, read_stm(stm, names)) if stm else None
    agreement = score_emotions(transcript.utterances, read_intentions(emotions)) if emotions else None
    if as_json:
        sys.stdout.write(json.dumps(_flat(speakers, words, agreement), indent=2) + "\n")
    else:
        _print(speakers, words, agreement)


def read_transcript(path: Path) -> Transcript:
    try:
        return Transcript.model_validate_json(read_text(path))
    except ValidationError as error:
        raise InvalidTranscript(
            f"{path.name} is not an Undertone transcript: {describe(error)}.",
            hint="undertone annotate RECORDING -o DIR --format json",
        ) from error


def _flat(speakers: SpeakerScore, words: WordScore | None, emotions: EmotionScore | None) -> dict[str, object]:
    return {
        "der": speakers.der,
        "wer": words.wer if words else None,
        "cpwer": words.cpwer if words else None,
        "speakers": speakers.model_dump(exclude={"der"}),
        "words": words.model_dump(exclude={"wer", "cpwer"}) if words else None,
        "emotions": emotions.model_dump() if emotions else None,
    }


def _print(speakers: SpeakerScore, words: WordScore | None, emotions: EmotionScore | None) -> None:
    table = plain_table("", "rate", "details")
    table.add_row(
        "[bold]DER[/bold]",
        f"{speakers.der:.1%}",
        f"{speakers.missed_seconds:.1f} s missed, {speakers.false_alarm_seconds:.1f} s false alarm, "
        f"{speakers.confusion_seconds:.1f} s confused, of {speakers.speech_seconds:.1f} s of speech; "
        f"{speakers.speakers} speakers, {speakers.reference_speakers} in the reference",
    )
    if words:
        counts = (
            f"{words.substitutions} wrong, {words.deletions} missing, {words.insertions} too many, "
            f"of {words.reference_words} words"
        )
        table.add_row("[bold]WER[/bold]", f"{words.wer:.1%}", counts)
        table.add_row("[bold]cpWER[/bold]", f"{words.cpwer:.1%}", "words, each with the right speaker")
    if emotions:
        table.add_row("[bold]emotion[/bold]", f"{emotions.accuracy:.1%}", f"as intended, of {emotions.turns} turns")
        for intended, perceived in emotions.confusion.items():
            table.add_row("", "", f"{intended}: " + ", ".join(f"{label} {count}" for label, count in perceived.items()))
    Console().print(table)
