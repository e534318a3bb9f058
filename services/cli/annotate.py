"""`undertone annotate`: one recording to one annotated transcript, in this process."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services.cli.outputs import Outputs
from services.cli.progress import watching
from services.cli.request import grant_modalities, make_job, read_engines, read_modalities, read_tracks, read_vocabulary
from services.cli.terminal import print_transcript
from services.worker.stage_factory import assemble
from shared.domain.error import Interrupted, InvalidRequest
from shared.domain.job import JobOptions
from shared.engines.catalog import Setup
from shared.engines.settings import EngineSettings, MediaSettings
from shared.infra.artifacts_folder import FolderArtifacts
from shared.infra.settings import GovernanceSettings
from shared.pipeline.annotate import annotate as walk


def annotate(
    recording: Annotated[Path, typer.Argument(help="The recording: mp4 mov webm mkv m4a mp3 ogg wav flac.")],
    output: Annotated[
        str | None,
        typer.Option(
            "-o", "--output", help="Folder for the files, one file such as notes.srt, or - for standard output."
        ),
    ] = None,
    formats: Annotated[
        str | None, typer.Option("--format", help="json vtt srt txt md csv rttm ctm stm TextGrid eaf mp4, with commas.")
    ] = None,
    language: Annotated[str | None, typer.Option(help="Language code such as en; otherwise it is found out.")] = None,
    vocabulary: Annotated[
        str | None, typer.Option(help="Names and words that may be said, as they are spelt: Sara,Marc.")
    ] = None,
    speakers: Annotated[int | None, typer.Option(min=1, max=64, help="Exactly this many speakers.")] = None,
    max_speakers: Annotated[int | None, typer.Option(min=1, max=64, help="At most this many speakers.")] = None,
    modalities: Annotated[
        str | None, typer.Option(help="Modalities to use: text,voice,face, some of them, or none.")
    ] = None,
    engine: Annotated[
        list[str] | None, typer.Option(help="SLOT=NAME[:OPTION], such as asr=faster-whisper:small; repeatable.")
    ] = None,
    transcript: Annotated[
        Path | None,
        typer.Option(help="The platform's own transcript (vtt, srt, our json): its words and names are kept."),
    ] = None,
    track: Annotated[list[str] | None, typer.Option(help="NAME=FILE, one participant's own track; repeatable.")] = None,
    separate_channels: Annotated[bool, typer.Option(help="Each channel of the recording is one participant.")] = False,
    cache: Annotated[
        Path | None,
        typer.Option(help="Keep every stage's result here; the same command then goes on where it stopped."),
    ] = None,
    purpose: Annotated[str | None, typer.Option(help="Why emotions are read, such as research.")] = None,
    emotion: Annotated[bool, typer.Option(help="Leave perceived emotion out of the files with --no-emotion.")] = True,
    burn: Annotated[bool, typer.Option(help="mp4: burn the captions in, or --no-burn for a subtitle track.")] = True,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="No progress, and no transcript on the terminal.")
    ] = False,
) -> None:
    """Turn a recording into a transcript with speakers, word times and perceived emotion."""
    if speakers and max_speakers:
        raise InvalidRequest("Give --speakers or --max-speakers, not both.")
    granted, purpose_granted = grant_modalities(read_modalities(modalities), purpose, GovernanceSettings())
    options = JobOptions(
        language=language,
        vocabulary=read_vocabulary(vocabulary),
        speakers=speakers,
        max_speakers=max_speakers,
        modalities=granted,
        engines=read_engines(engine or []),
        separate_channels=separate_channels,
        purpose=purpose_granted,
    )
    job, inputs = make_job(recording, read_tracks(track or []), transcript, options)
    setup = Setup(engines=EngineSettings(), media=MediaSettings())
    outputs = Outputs.parse(output, formats, emotion=emotion, burn=burn)
    try:
        with outputs.prepared(inputs.recording), _store(cache) as store, watching(quiet=quiet) as emit:
            stages = assemble(job, inputs, setup)
            made = walk(stages, store, emit)
            written = outputs.write(made, inputs.recording, setup, emit)
    except KeyboardInterrupt:
        hint = (
            "Run the same command again: it goes on where it stopped."
            if cache
            else "Add --cache DIR to go on later where it stopped."
        )
        raise Interrupted("Stopped; nothing half-written was left behind.", hint=hint) from None
    if not quiet and not outputs.to_stdout:
        print_transcript(made, Console())
    for path in written:
        Console(stderr=True).print(f"[dim]written[/dim] {path}", highlight=False, soft_wrap=True)


@contextmanager
def _store(cache: Path | None) -> Iterator[FolderArtifacts]:
    """Artifacts in the folder that the user named, or in one that vanishes with this run."""
    if cache is not None:
        yield FolderArtifacts(cache)
        return
    with tempfile.TemporaryDirectory(prefix="undertone-") as folder:
        yield FolderArtifacts(Path(folder))
