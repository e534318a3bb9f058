"""The summary of a meeting: readable without scripts, on paper, light and dark, and on a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from shared.domain.notes import Notes, NotesClaim, NotesRecord, NotesStatus
from shared.domain.tenant import AuditEntry
from shared.infra.database.notes import SqlNotesStore
from tests.page.conftest import OpenTab, Site, standup
from tests.page.test_quality import SCREENS, check


def noted(site: Site) -> str:
    """A meeting with notes as a language model would write them."""
    job_id, now = site.add(standup()), site.database.now
    written = Notes(
        summary=(NotesClaim(text="The team plans the day and tests a new page.", utterances=(0, 1)),),
        actions=(NotesClaim(text="Carl sends the report after lunch.", utterances=(2,)),),
    )
    record = NotesRecord(
        status=NotesStatus.DONE, model="small-model", emotion=False, corrections=0, requested_at=now, notes=written
    )
    entry = AuditEntry(tenant=site.tenant, at=now, key_id=None, action="notes.requested", subject=job_id)
    SqlNotesStore(site.database).begin(site.tenant, job_id, record, entry)
    return job_id


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_summary_has_no_accessibility_violation(site: Site, open_tab: OpenTab, scheme: str, screen: str) -> None:
    page = open_tab(color_scheme=scheme, viewport=SCREENS[screen]).page
    page.goto(f"{site.url}/meetings/{noted(site)}")
    page.get_by_role("link", name="Summary").click()
    expect(page.get_by_role("img", name="Share of talk time of each speaker")).to_be_visible()
    expect(page.get_by_text("Written by software (small-model)")).to_be_visible()
    check(page, f"summary-{scheme}-{screen}")


def test_the_summary_leads_into_the_transcript_without_scripts(site: Site, open_tab: OpenTab) -> None:
    page = open_tab(java_script_enabled=False).page
    job_id = noted(site)
    page.goto(f"{site.url}/meetings/{job_id}/summary")
    expect(page.locator("svg.drawing")).to_have_count(3)
    expect(page.locator("tbody tr")).to_have_count(4)
    page.get_by_role("link", name="Carl at").click()
    expect(page).to_have_url(f"{site.url}/meetings/{job_id}#u2")
    expect(page.locator("#u2")).to_be_in_viewport()


def test_the_summary_is_printed(site: Site, open_tab: OpenTab) -> None:
    page = open_tab().page
    page.goto(f"{site.url}/meetings/{noted(site)}/summary")
    page.emulate_media(media="print")
    expect(page.locator("svg.drawing").first).to_be_visible()
    expect(page.get_by_text("not what a person feels")).to_be_visible()
    expect(page.get_by_role("link", name="Back to the meeting")).to_be_hidden()
