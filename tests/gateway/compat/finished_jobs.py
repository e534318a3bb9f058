"""Ends the jobs of a gateway as workers would, with a given transcript."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from shared.domain.job_blobs import transcript_key
from shared.domain.job_record import JobFailure
from shared.domain.transcript import Transcript
from shared.exports.document import render_json
from shared.infra.database.work import SqlWorkStore
from tests.exports.sample import transcript
from tests.gateway.serving import Gateway, eventually
from tests.service_fakes import held

Ends = Callable[[Gateway, str], None]
NO_AUDIO = JobFailure(code="no_audio", message="It has no sound.")


def job_ids(gateway: Gateway) -> list[str]:
    return [record.id for record in gateway.context.jobs.list("ours").items]


def finish(gateway: Gateway, job_id: str, published: Transcript | None = None, tenant: str = "ours") -> None:
    made = (published or spoken()).model_copy(update={"job_id": job_id})
    gateway.context.transcripts.blobs.put(tenant, transcript_key(job_id), [render_json(made, emotion=True)])
    record, work = gateway.context.jobs.find(tenant, job_id), SqlWorkStore(gateway.database)
    assert record is not None
    for stage in record.stages[:-1]:
        work.finish_stage(held(work, job_id, stage.name), seconds=1)
    work.publish(held(work, job_id, record.stages[-1].name), seconds=1)


def fail(gateway: Gateway, job_id: str, failure: JobFailure = NO_AUDIO) -> None:
    work = SqlWorkStore(gateway.database)
    work.fail(held(work, job_id, "decode"), failure)


def spoken() -> Transcript:
    """The first two utterances of the sample: two speakers, and a reading for the first alone."""
    whole = transcript()
    kept = tuple(one for one in whole.utterances if one.index < 2)
    return whole.model_copy(update={"utterances": kept, "speakers": whole.speakers[:2]})


def while_ending(gateway: Gateway, ask: Callable[[], Any], end: Ends = finish) -> Any:
    """What the client gets when the job ends while it waits."""

    def end_first() -> None:
        assert eventually(lambda: bool(job_ids(gateway)), 20)
        end(gateway, job_ids(gateway)[0])

    worker = threading.Thread(target=end_first)
    worker.start()
    try:
        return ask()
    finally:
        worker.join()
