"""Sharing a meeting by a link: the dialog, and what people without a key see."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.page.conftest import OpenSite, OpenTab, Site, Tab, standup, wait_for
from tests.page.test_meeting import TIME, click_word, word_start
from tests.page.test_quality import SCREENS, check


def shared(tab: Tab, site: Site, *options: str) -> str:
    """Create a link in the dialog and return its address."""
    page = tab.open_meeting(site, site.add(standup()))
    page.get_by_role("button", name="Share").click()
    for option in options:
        page.get_by_label(option).check()
    page.get_by_role("button", name="Create a link").click()
    expect(page.get_by_label("The link; it is not shown")).to_be_visible()
    return page.get_by_label("The link; it is not shown").input_value()


def test_a_link_is_made_used_and_revoked(opened_site: OpenSite, open_tab: OpenTab) -> None:
    with opened_site(keyless=False) as site:
        tab, key = open_tab(), site.key()
        tab.page.goto(site.url)
        tab.page.get_by_label("API key").fill(key)
        tab.page.get_by_role("button", name="Sign in").click()
        expect(tab.page.get_by_role("heading", name="Meetings", exact=True)).to_be_visible()
        address = shared(tab, site, "With the recording", "With perceived emotion")
        expect(tab.page.locator("#links li")).to_have_count(1)
        expect(tab.page.locator("#links li")).to_contain_text("with the recording, with perceived emotion")
        guest = open_tab()
        guest.page.goto(address)
        expect(guest.page.get_by_role("heading", name="standup.mp4")).to_be_visible()
        expect(guest.page.locator("#u5 .reading")).to_be_visible()
        guest.page.locator("#u3 a.at").click()
        start = standup().utterances[3].start
        wait_for(guest.page, f"Math.abs(document.getElementById('media').currentTime - {start}) < 2")
        guest.page.get_by_text("Export").click()
        with guest.page.expect_download() as download:
            guest.page.get_by_role("link", name="vtt").click()
        assert "Ana" in download.value.path().read_text()
        assert all("/v1/" not in requested for requested in guest.requested)
        tab.page.get_by_role("button", name="Revoke").click()
        expect(tab.page.locator("#links li")).to_have_count(0)
        guest.page.reload()
        expect(guest.page.get_by_role("heading")).to_contain_text("it has ended")
        guest.problems[:] = [one for one in guest.problems if "404" not in one]  # the browser logs the ended link


def test_a_guest_hears_words_with_mouse_and_keys(site: Site, tab: Tab, open_tab: OpenTab) -> None:
    address = shared(tab, site, "With the recording", "With perceived emotion")
    guest = open_tab()
    page = guest.page
    page.goto(address)
    wait_for(page, "document.documentElement.dataset.ready")
    click_word(page, 5, "months,")
    wait_for(page, f"{TIME} > {word_start(5, 'months,') + 0.02}")
    expect(page.locator("#u5")).to_have_attribute("aria-current", "true")
    page.keyboard.press("Space")
    wait_for(page, "document.getElementById('media').paused")
    page.mouse.move(800, 400)
    page.mouse.wheel(0, 2000)
    page.get_by_role("button", name="Back to now").click()
    expect(page.locator("#u5")).to_be_in_viewport()
    page.keyboard.press("j")
    expect(page.locator(".chosen")).to_have_count(1)
    page.keyboard.press("+")
    assert page.locator("#media").evaluate("media => media.playbackRate") == 1.25
    page.keyboard.press("/")
    page.keyboard.type("CUSTOMERS")
    expect(page.locator("#find-count")).to_have_text("1 found")
    page.keyboard.press("Escape")
    for key in ("e", "x", "h", "n"):
        page.keyboard.press(key)
    expect(page.locator("form.editor, .panel, dialog[open]")).to_have_count(0)
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys")
    expect(keys.get_by_text("play or pause")).to_be_visible()
    expect(keys.get_by_text("undo")).to_have_count(0)
    page.keyboard.press("Escape")
    page.reload()
    wait_for(page, f"{TIME} > {word_start(5, 'months,')}")
    assert all("/v1/" not in requested for requested in guest.requested)


@pytest.mark.parametrize("emotion", [True, False])
def test_a_guest_reads_the_summary(site: Site, tab: Tab, open_tab: OpenTab, emotion: bool) -> None:
    address = shared(tab, site, *(["With perceived emotion"] if emotion else []))
    page = open_tab(java_script_enabled=False, viewport=SCREENS["phone"]).page
    page.goto(address)
    page.get_by_role("link", name="Summary").click()
    expect(page.get_by_role("heading", name="Talk time")).to_be_visible()
    expect(page.get_by_role("heading", name="Perceived emotion of each speaker")).to_have_count(int(emotion))
    expect(page.locator("svg.drawing")).to_have_count(3 if emotion else 1)
    with page.expect_download() as download:
        page.get_by_role("link", name="Report as PDF").click()
    assert download.value.path().read_bytes().startswith(b"%PDF")
    page.get_by_role("link", name="Back to the meeting").click()
    expect(page).to_have_url(address)


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_sharing_has_no_accessibility_violation(site: Site, open_tab: OpenTab, scheme: str, screen: str) -> None:
    tab = open_tab(color_scheme=scheme, viewport=SCREENS[screen], reduced_motion="reduce")
    address = shared(tab, site, "With the recording")
    check(tab.page, f"share-{scheme}-{screen}")
    tab.page.goto(address)
    expect(tab.page.get_by_text("not what a person feels")).to_be_visible()
    check(tab.page, f"shared-{scheme}-{screen}")
    tab.page.locator("#u5 > p").click()
    expect(tab.page.locator("#u5 .tools")).to_be_visible()
    tab.page.keyboard.press("/")
    tab.page.keyboard.type("the")
    check(tab.page, f"shared-finding-{scheme}-{screen}")
    tab.page.get_by_role("link", name="Summary").click()
    expect(tab.page.get_by_role("heading", name="Talk time")).to_be_visible()
    check(tab.page, f"shared-summary-{scheme}-{screen}")
    tab.page.goto(f"{site.url}/shared/nothing")
    check(tab.page, f"shared-ended-{scheme}-{screen}")
    tab.problems.clear()  # the browser logs the ended link


def test_a_shared_meeting_is_readable_without_scripts(site: Site, tab: Tab, open_tab: OpenTab) -> None:
    address = shared(tab, site)
    page = open_tab(java_script_enabled=False).page
    page.goto(address)
    expect(page.locator("#lines li")).to_have_count(len(standup().utterances))
    expect(page.get_by_text("The recording is not shared.")).to_be_visible()
    expect(page.locator(".reading")).to_have_count(0)
