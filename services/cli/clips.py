"""`undertone clips`: writes utterances with corrected emotions as training data, with their audio."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from shared.domain.correction import Correction
from shared.domain.job_blobs import recording_key
from shared.domain.job_record import JobStatus
from shared.domain.speech import Utterance
from shared.domain.transcript import Transcript
from shared.exports.clips import CLIPS, clip_path, corrected_clips, render_clips
from shared.infra.settings import DatabaseSettings, StorageSettings

if TYPE_CHECKING:
    from shared.infra.transcript_reader import TranscriptReader


def clips(
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder for clips.csv and the audio.")],
    job: Annotated[list[str] | None, typer.Argument(help="Ids of jobs; all finished jobs if omitted.")] = None,
    tenant: Annotated[str, typer.Option(help="The tenant of the jobs.")] = "default",
) -> None:
    """Write the utterances whose emotion was corrected as clips for `undertone train`."""
    # Imported here because the database libraries would slow down every other command.
    from shared.infra.storage_factory import open_blob_store, open_database_for  # noqa: PLC0415
    from shared.infra.transcript_reader import open_transcripts  # noqa: PLC0415

    storage = StorageSettings()
    database = open_database_for(DatabaseSettings(), storage)
    try:
        transcripts = open_transcripts(database, open_blob_store(storage, database))
        meetings = [_corrected(transcripts, tenant, one) for one in job or _finished(transcripts, tenant)]
        out.mkdir(parents=True, exist_ok=True)
        written = sum(_write_audio(transcripts, tenant, made, corrections, out) for made, corrections in meetings)
        (out / CLIPS).write_bytes(render_clips(meetings))
    finally:
        database.close()
    Console(stderr=True).print(f"{out / CLIPS} has {written} clips.", highlight=False)


def _corrected(transcripts: TranscriptReader, tenant: str, job_id: str) -> tuple[Transcript, tuple[Correction, ...]]:
    from shared.domain.tenant import Scope  # noqa: PLC0415
    from shared.infra.web.authenticator import Caller  # noqa: PLC0415

    operator = Caller(tenant=tenant, key_id=None, scopes=frozenset(Scope))
    shown = transcripts.read(operator, job_id)
    transcripts.record_audit(operator, "transcript.exported", job_id, format=CLIPS, emotion=True)
    return shown.transcript, shown.corrections


def _finished(transcripts: TranscriptReader, tenant: str) -> Iterable[str]:
    cursor = None
    while True:
        page = transcripts.jobs.list(tenant, cursor=cursor)
        yield from (record.id for record in page.items if record.status is JobStatus.DONE)
        cursor = page.next_cursor
        if cursor is None:
            return


def _write_audio(
    transcripts: TranscriptReader, tenant: str, made: Transcript, corrections: tuple[Correction, ...], out: Path
) -> int:
    """The number of clips. Without the recording, which may be deleted, the clips have text only."""
    found = [utterance for utterance, _ in corrected_clips(made, corrections)]
    key = recording_key(made.job_id)
    if found and transcripts.blobs.size(tenant, key) is not None:
        with TemporaryDirectory() as scratch:
            media = Path(scratch, "recording")
            with media.open("wb") as file:
                file.writelines(transcripts.blobs.read(tenant, key))
            _cut(media, made, found, out)
    return len(found)


def _cut(media: Path, made: Transcript, utterances: Iterable[Utterance], out: Path) -> None:
    import wave  # noqa: PLC0415

    import numpy as np  # noqa: PLC0415

    from shared.engines.decoder_pyav import PyAvDecoder  # noqa: PLC0415
    from shared.engines.settings import MediaSettings  # noqa: PLC0415
    from shared.ports.media import SAMPLE_RATE  # noqa: PLC0415

    decoder = PyAvDecoder(MediaSettings())
    decoder.decode(media, media.parent, tracks=(), separate_channels=False, progress=lambda _: None)
    samples = np.memmap(media.parent / "mix.f32", dtype="<f4", mode="r")
    for one in utterances:
        piece = samples[round(one.start * SAMPLE_RATE) : round(one.end * SAMPLE_RATE)]
        path = out / clip_path(made, one)
        path.parent.mkdir(exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE)
            file.writeframes((np.clip(piece, -1, 1) * 32767).astype("<i2").tobytes())
