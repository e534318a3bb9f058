"""Accessibility of dialogs, panels, conflicts and errors."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import expect

from shared.domain.tenant import Scope
from tests.page.conftest import OpenSite, OpenTab, Site, Tab, standup
from tests.page.test_correcting import doubtful, open_editor
from tests.page.test_quality import SCREENS, check

pytestmark = [pytest.mark.parametrize("screen", SCREENS), pytest.mark.parametrize("scheme", ["light", "dark"])]


@pytest.fixture
def shown(open_tab: OpenTab, scheme: str, screen: str) -> Tab:
    return open_tab(color_scheme=scheme, viewport=SCREENS[screen], reduced_motion="reduce")


def test_correcting(site: Site, shown: Tab, scheme: str, screen: str) -> None:
    page, suffix = shown.open_meeting(site, site.add(doubtful((1, 1), (4, 0)))), f"{scheme}-{screen}"
    page.keyboard.press("n")
    expect(page.locator("#doubt-count")).to_have_text("2 left")
    check(page, f"doubts-{suffix}")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Rename Ana").click()
    expect(page.get_by_role("dialog", name="Rename the speaker")).to_be_visible()
    check(page, f"rename-{suffix}")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Rename", exact=True).click()
    expect(page.get_by_role("dialog", name="Rename the meeting")).to_be_visible()
    check(page, f"rename-meeting-{suffix}")
    page.keyboard.press("Escape")
    page.keyboard.press("h")
    page.keyboard.type("the")
    page.get_by_label("Replace with").fill("THE")
    expect(page.locator("#replace-hits ins").first).to_have_text("THE")
    check(page, f"replacing-{suffix}")
    page.get_by_role("button", name="Replace", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("Replaced in")
    check(page, f"replaced-{suffix}")
    page.locator("#u0 > p").click()
    page.locator("#u0").get_by_role("button", name="Select").click()
    page.get_by_role("combobox", name="Speaker", exact=True).select_option(label="New speaker…")
    expect(page.get_by_label("Name of the new speaker")).to_be_visible()
    check(page, f"new-speaker-{suffix}")
    message, panel = (page.locator(one).bounding_box() for one in ("#status", "#selection"))
    assert message and panel and message["y"] + message["height"] < panel["y"], "the message covers the panel"


def test_splitting_and_joining(site: Site, shown: Tab, scheme: str, screen: str) -> None:
    page, suffix = shown.open_meeting(site, site.add(standup())), f"{scheme}-{screen}"
    open_editor(page, 5)
    page.keyboard.press("Control+Home")
    for _ in range(3):
        page.keyboard.press("Control+ArrowRight")
    page.get_by_role("button", name="Split at the cursor").click()
    new = page.locator(f"#u{len(standup().utterances)}")
    expect(new).to_have_class("lane-3 chosen")
    check(page, f"split-{suffix}")
    page.locator("#u5 > p").click(position={"x": 2, "y": 5})
    page.get_by_role("button", name="Join with next").click()
    expect(new).to_have_count(0)
    check(page, f"joined-{suffix}")
    page.locator("#u15 > p").click(position={"x": 2, "y": 5})
    page.get_by_role("button", name="Join with next").click()
    expect(page.get_by_role("alert").last).not_to_be_empty()  # the next utterance is another speaker's
    check(page, f"refused-{suffix}")
    shown.problems.clear()  # the browser logs the refused request


def test_conflicts_and_errors(site: Site, shown: Tab, scheme: str, screen: str) -> None:
    job_id, suffix = site.add(standup()), f"{scheme}-{screen}"
    page = shown.open_meeting(site, job_id)
    open_editor(page, 2)
    theirs = {"text": "Theirs"}
    assert httpx.patch(f"{site.url}/v1/transcripts/{job_id}/utterances/2", json=theirs).is_success
    page.keyboard.press("Control+A")
    page.keyboard.type("Mine")
    page.keyboard.press("Enter")
    expect(page.locator("#u2 .failure")).to_contain_text("“Theirs”")
    expect(page.locator("#u2 .failure")).to_be_in_viewport(ratio=1)
    check(page, f"conflict-{suffix}")
    for path, heading in (("/meetings/missing", "There is no such transcript."), ("/manage/missing", "")):
        page.goto(site.url + path)
        expect(page.get_by_role("heading")).to_contain_text(heading)
        expect(page.locator("code")).to_have_text("not_found")
        check(page, f"missing{path.replace('/', '-')}-{suffix}")
    page.get_by_role("link", name="See all meetings").click()
    expect(page.get_by_role("heading", name="Meetings", exact=True)).to_be_visible()
    shown.problems.clear()  # the browser logs the refused requests


def test_a_key_without_the_scope(opened_site: OpenSite, shown: Tab, scheme: str, screen: str) -> None:
    with opened_site(keyless=False) as site:
        page = shown.page
        page.goto(site.url)
        page.get_by_label("API key").fill(site.key({Scope.TRANSCRIPTS_READ}))
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Meetings", exact=True)).to_be_visible()
        page.goto(f"{site.url}/manage/keys")
        expect(page.get_by_role("heading")).to_have_text("This call requires a key with the scope admin.")
        expect(page.locator("main")).to_contain_text("Create one with `undertone keys create`.")
        expect(page.locator("code")).to_have_text("insufficient_scope")
        check(page, f"forbidden-{scheme}-{screen}")
    shown.problems.clear()  # the browser logs the refused page
