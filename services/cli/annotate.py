"""`undertone annotate`: creates the annotated transcript of one recording, in this process."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from services.cli.outputs import VIDEO, Outputs
from services.cli.progress import watching
from services.cli.request import grant_modalities, make_job, read_engines, read_modalities, read_tracks, read_vocabulary
from services.cli.terminal import print_transcript
from services.worker.stage_factory import assemble
from shared.domain.error import Interrupted, InvalidRequest, NoVideo
from shared.domain.job import JobOptions
from shared.engines.catalog import Setup
from shared.engines.settings import EngineSettings, MediaSettings
from shared.infra.artifacts_folder import FolderArtifacts
from shared.infra.settings import GovernanceSettings
from shared.pipeline.annotate import annotate as run_pipeline


def annotate(
    recording: Annotated[
        Path, typer.Argument(help="The recording (mp4 mov webm mkv m4a mp3 ogg wav flac), or a transcript alone.")
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "-o", "--output", help="Folder for the files, one file such as notes.srt, or - for standard output."
        ),
    ] = None,
    formats: Annotated[
        str | None,
        typer.Option(
            "--format", help="json vtt srt txt md csv rttm ctm stm TextGrid eaf docx pdf mp4, separated by commas."
        ),
    ] = None,
    language: Annotated[str | None, typer.Option(help="Language code such as en; detected if omitted.")] = None,
    vocabulary: Annotated[
        str | None, typer.Option(help="Names and words that may occur, as they are spelt: Sara,Marc.")
    ] = None,
    speakers: Annotated[int | None, typer.Option(min=1, max=64, help="Exactly this many speakers.")] = None,
    max_speakers: Annotated[int | None, typer.Option(min=1, max=64, help="At most this many speakers.")] = None,
    modalities: Annotated[str | None, typer.Option(help="Modalities to use: any of text,voice,face, or none.")] = None,
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
        typer.Option(help="Store every stage's result here; the same command then resumes where it stopped."),
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
        raise InvalidRequest("Use --speakers or --max-speakers, not both.")
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
    if job.text_only and VIDEO in outputs.formats:
        raise NoVideo("A transcript alone has no video to caption.")
    try:
        with outputs.prepared(inputs.recording), _store(cache) as store, watching(quiet=quiet) as emit:
            stages = assemble(job, inputs, setup)
            annotated = run_pipeline(stages, store, emit)
            written = outputs.write(annotated, inputs.recording, setup, emit)
    except KeyboardInterrupt:
        hint = (
            "Run the same command again: it resumes where it stopped."
            if cache
            else "Add --cache DIR to resume later where it stopped."
        )
        raise Interrupted("Stopped; no partial files remain.", hint=hint) from None
    if not quiet and not outputs.to_stdout:
        print_transcript(annotated, Console())
    for path in written:
        Console(stderr=True).print(f"[dim]written[/dim] {path}", highlight=False, soft_wrap=True)


@contextmanager
def _store(cache: Path | None) -> Iterator[FolderArtifacts]:
    """The artifact store in the given folder, or in a temporary folder that is deleted after the run."""
    if cache is not None:
        yield FolderArtifacts(cache)
        return
    with tempfile.TemporaryDirectory(prefix="undertone-") as folder:
        yield FolderArtifacts(Path(folder))
