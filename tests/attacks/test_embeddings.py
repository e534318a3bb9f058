"""Embeddings of voices and faces are in no file and no row, neither while a job's artifacts are kept nor later."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import uuid4

import numpy as np

from shared.domain.emotion import Modality
from shared.domain.job import Job, JobOptions, Source
from shared.domain.job_blobs import job_folder, recording_key
from shared.domain.job_record import JobStatus, NewJob
from shared.domain.stage_plan import plan_stages
from shared.engines.catalog import Setup
from shared.ports.engines import Encoding, UtteranceClip
from shared.ports.media import Floats, Progress
from tests.fakes import ScriptedEncoder
from tests.stores import Stores
from tests.worker.worker_harness import TENANT, WorkerHarness, engines

MEDIA = b"media"
# The only files with arrays: sound, the positions of faces in each frame, and their images.
ARRAYS = {"mix.f32", "frames.npy", "faces.npy", "crops.npy"}
DIMENSIONS = 32


@dataclass
class RecordedEmbeddings:
    """Random vectors, each unlike any other content."""

    made: list[Floats] = field(default_factory=list)

    def next(self, count: int) -> Floats:
        rows = np.random.default_rng(len(self.made)).standard_normal((count, DIMENSIONS)).astype(np.float32)
        self.made.append(rows / np.linalg.norm(rows, axis=1, keepdims=True))
        return self.made[-1]

    def found_in(self, content: bytes) -> bool:
        """Whether a part of any of them is in the content, as numbers of any width or as text."""
        for row in np.concatenate(self.made):
            for at in range(0, DIMENSIONS, 4):
                part = row[at : at + 3]
                if any(part.astype(width).tobytes() in content for width in ("<f2", "<f4", "<f8")):
                    return True
                if any(f"{value:.6f}".encode() in content or str(value).encode() in content for value in part):
                    return True
        return False


@dataclass
class RandomSpeaker(ScriptedEncoder):
    embeddings: RecordedEmbeddings = field(default_factory=RecordedEmbeddings)

    def embed(self, clips: Sequence[Floats]) -> Floats:
        return self.embeddings.next(len(clips))


@dataclass
class RandomModality:
    modality: Modality
    embeddings: RecordedEmbeddings
    fingerprint: str = "random/1"
    name: str = "random"

    def encode(self, conversation: Sequence[UtteranceClip], progress: Progress) -> Encoding:
        count = len(conversation)
        logits = np.zeros((count, 7), np.float32)
        return Encoding(self.modality, logits, self.embeddings.next(count), (None,) * count, np.ones(count, np.float32))


def test_no_embedding_is_stored(stores: Stores, setup: Setup) -> None:
    embeddings = RecordedEmbeddings()
    slots = {
        **engines(),
        "speaker": RandomSpeaker(embeddings=embeddings),
        "voice": RandomModality(Modality.VOICE, embeddings),
        "face": RandomModality(Modality.FACE, embeddings),
    }
    harness = WorkerHarness.at(stores.folder, setup, slots, stores=stores)
    job = Job(
        id=uuid4().hex,
        recording=Source(name="m.mp4", sha256=hashlib.sha256(MEDIA).hexdigest()),
        options=JobOptions(modalities=(Modality.VOICE, Modality.FACE)),
    )
    harness.blobs.put(TENANT, recording_key(job.id), [MEDIA])
    harness.jobs.add(TENANT, NewJob(job=job, stages=plan_stages(job)))
    harness.run_all()
    assert harness.record(job.id).status is JobStatus.DONE
    assert len(embeddings.made) >= 3, "speaker, voice and face made embeddings"
    stored = {key.rpartition("/")[2] for key in harness.blobs.keys(TENANT, job_folder(job.id))}
    assert {name for name in stored if not name.endswith(".json")} <= {*ARRAYS, "recording"}
    stores.flush()
    for name, content in stores.contents():
        assert not embeddings.found_in(content), name
