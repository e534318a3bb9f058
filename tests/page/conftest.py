"""Fixtures: the service of one machine on a real socket, meetings in its stores, and pages in a real Chromium."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pydantic import SecretStr

from services.cli.web import create_web
from services.gateway.context import Deployment
from services.gateway.settings import GatewaySettings
from shared.domain.emotion import Modality, ModalityReading, ModalityStatus
from shared.domain.job_blobs import recording_key, transcript_key
from shared.domain.job_record import JobFailure
from shared.domain.recording import Recording
from shared.domain.speech import Utterance, Word
from shared.domain.tenant import Scope
from shared.domain.transcript import Provenance, Speaker, Transcript, disclose, turns_of
from shared.exports.document import render_json
from shared.infra.address_rule import OutboundSettings
from shared.infra.blobs_folder import FolderBlobs
from shared.infra.database.engine import Database, open_database
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.search import SqlTranscriptIndex
from shared.infra.database.work import SqlWorkStore
from shared.infra.key_verifier import make_key
from shared.infra.queue_settings import QueueSettings, RedisSettings
from shared.infra.secret_encryption import SecretSettings, new_key
from shared.infra.settings import GovernanceSettings, StorageSettings
from shared.infra.web.authenticator import KEYLESS_TENANT
from tests.fakes import reading
from tests.gateway.serving import MemoryQueue, eventually, running
from tests.service_fakes import ONE_STAGE, held, new_job

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "samples" / "standup.mp4"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
)
WAIT_MS = 30_000
SECRET_KEY = new_key()
expect.set_options(timeout=WAIT_MS)


def standup() -> Transcript:
    """The sample meeting as its script says it: true times and speakers, words evenly spaced."""
    script = json.loads((ROOT / "samples" / "standup.json").read_text())
    ids = {name: f"S{number}" for number, name in enumerate(script["voices"], 1)}
    utterances = []
    for index, one in enumerate(script["utterances"]):
        tokens, step = one["text"].split(), (one["end"] - one["start"]) / len(one["text"].split())
        words = tuple(
            Word(text=token, start=one["start"] + n * step, end=one["start"] + (n + 1) * step, confidence=0.9)
            for n, token in enumerate(tokens)
        )
        perceived = reading(**{one["emotion"]: 0.7})
        modalities = {
            Modality.TEXT: ModalityReading(status=ModalityStatus.OK, scores=perceived.scores),
            Modality.VOICE: ModalityReading(status=ModalityStatus.OK, scores=perceived.scores),
            Modality.FACE: ModalityReading(status=ModalityStatus.UNAVAILABLE, reason="no_face_of_speaker"),
        }
        utterances.append(
            Utterance(
                index=index,
                start=one["start"],
                end=one["end"],
                speaker=ids[one["speaker"]],
                text=one["text"],
                words=words,
                emotion=perceived.model_copy(update={"modalities": modalities}),
            )
        )
    recording = Recording(name="standup.mp4", sha256="0" * 64, duration=78.0, has_video=True, container="mov")
    return meeting_of(tuple(utterances), {key: name for name, key in ids.items()}, recording)


def meeting_of(utterances: tuple[Utterance, ...], names: dict[str, str], recording: Recording) -> Transcript:
    return Transcript(
        job_id="job",
        recording=recording,
        language="en",
        speakers=tuple(Speaker(id=key, name=name, talk_seconds=20, utterances=5) for key, name in names.items()),
        utterances=utterances,
        provenance=(Provenance(stage="decode", engine="pyav", seconds=0.1),),
        disclosure=disclose((Modality.TEXT, Modality.VOICE)),
    )


def four_hours() -> Transcript:
    """5,000 utterances with 12 words each, of the sample's speakers and emotions."""
    made, length = standup(), 2.88
    utterances = []
    for index in range(5000):
        one = made.utterances[index % len(made.utterances)]
        tokens = (one.text.split() * 12)[:12]
        start = index * length
        words = tuple(Word(text=t, start=start + n * 0.2, end=start + n * 0.2 + 0.2) for n, t in enumerate(tokens))
        changes = {"index": index, "start": start, "end": start + length, "words": words, "text": " ".join(tokens)}
        utterances.append(one.model_copy(update=changes))
    recording = made.recording.model_copy(update={"duration": 14_400.0, "name": "four hours.mp4"})
    turns = turns_of(utterances)
    return made.model_copy(update={"utterances": tuple(utterances), "turns": turns, "recording": recording})


@dataclass
class Site:
    """The service, and what is stored in it."""

    url: str
    database: Database
    blobs: FolderBlobs
    tenant: str

    def add(self, made: Transcript, media: Path | None = SAMPLE) -> str:
        job_id = SqlJobStore(self.database).add(self.tenant, new_job(ONE_STAGE)).id
        made = made.model_copy(update={"job_id": job_id})
        if media is not None:
            self.blobs.put(self.tenant, recording_key(job_id), [media.read_bytes()])
        self.blobs.put(self.tenant, transcript_key(job_id), [render_json(made, emotion=True)])
        SqlTranscriptIndex(self.database).index_transcript(self.tenant, made)
        work = SqlWorkStore(self.database)
        work.publish(held(work, job_id, "publish"), seconds=1)
        return job_id

    def add_failed(self) -> str:
        job_id, work = SqlJobStore(self.database).add(self.tenant, new_job(ONE_STAGE)).id, SqlWorkStore(self.database)
        work.fail(held(work, job_id, "publish"), JobFailure(code="no_audio", message="The recording has no sound."))
        return job_id

    def key(self, scopes: Collection[Scope] = frozenset(Scope) - {Scope.ADMIN}) -> str:
        text, key = make_key(self.tenant, scopes, self.database.now)
        SqlKeyStore(self.database).add(key)
        return text


OpenSite = Callable[..., AbstractContextManager[Site]]


@pytest.fixture
def opened_site(tmp_path: Path) -> OpenSite:
    @contextmanager
    def open_site(
        *, keyless: bool = True, governance: dict[str, Any] | None = None, outbound: OutboundSettings | None = None
    ) -> Iterator[Site]:
        database = open_database(f"sqlite:///{tmp_path / 'undertone.db'}")
        tenant = KEYLESS_TENANT if keyless else "ours"
        keys = SqlKeyStore(database)
        keys.ensure_tenant(tenant)
        site = Site("", database, FolderBlobs(tmp_path / "blobs"), tenant)
        if not keyless:
            site.key()
        deployment = Deployment(
            gateway=GatewaySettings(keyless=keyless, requests_per_minute=100_000),
            storage=StorageSettings(folder=tmp_path, reserve_mb=1),
            governance=GovernanceSettings(**(governance or {})),
            outbound=outbound or OutboundSettings(),
            secrets=SecretSettings(keys=SecretStr(SECRET_KEY)),
            redis=RedisSettings(),
            queue=QueueSettings(),
        )
        with running(create_web(deployment, database, MemoryQueue())) as site.url:
            yield site
        database.close()

    return open_site


@pytest.fixture
def site(opened_site: OpenSite) -> Iterator[Site]:
    with opened_site() as one:
        yield one


# Not for the whole session: its event loop would stay in the thread in which other tests start theirs.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    program = os.environ.get("UNDERTONE_TEST_CHROMIUM") or shutil.which("chromium")
    if program is None:
        assert not os.environ.get("UNDERTONE_TEST_REQUIRE_CHROMIUM"), "Chromium is not installed"
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS), timeout=WAIT_MS)
        yield browser
        browser.close()


def wait_for(page: Page, expression: str) -> None:
    """Wait until the expression is true; Playwright's own function needs `eval`, which the pages forbid."""
    assert eventually(lambda: bool(page.evaluate(expression)), WAIT_MS / 1000), expression


@dataclass
class Tab:
    """A page, and what went wrong in it."""

    page: Page
    problems: list[str]
    requested: list[str]

    def open_meeting(self, site: Site, job_id: str, fragment: str = "") -> Page:
        self.page.goto(f"{site.url}/meetings/{job_id}{fragment}")
        wait_for(self.page, "document.documentElement.dataset.ready")
        return self.page


OpenTab = Callable[..., Tab]


@pytest.fixture
def open_tab(chromium: Browser) -> Iterator[OpenTab]:
    """Opens pages in contexts of their own; the test fails if one of them has an error or a violation of its policy."""
    tabs: list[Tab] = []

    def open_one(**options: Any) -> Tab:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        context.set_default_timeout(WAIT_MS)
        tab = Tab(context.new_page(), [], [])
        tab.page.on("pageerror", lambda error: tab.problems.append(str(error)))
        tab.page.on("console", lambda line: tab.problems.extend([line.text] if line.type == "error" else []))
        tab.page.on("request", lambda request: tab.requested.append(request.url))
        tabs.append(tab)
        return tab

    yield open_one
    for tab in tabs:
        tab.page.context.close()
    problems = [problem for tab in tabs for problem in tab.problems]
    # A page that is still open when the test stops its service asks once more.
    assert [problem for problem in problems if "ERR_CONNECTION_REFUSED" not in problem] == []


@pytest.fixture
def tab(open_tab: OpenTab) -> Tab:
    return open_tab()
