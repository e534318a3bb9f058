"""Accessibility, sizes of screens, reading without scripts, print, and meetings of four hours."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.exports.sample import transcript
from tests.page.conftest import OpenSite, OpenTab, Site, Tab, four_hours, standup, wait_for

SCREENS = {"wide": {"width": 1280, "height": 800}, "phone": {"width": 360, "height": 740}}
SCREENSHOTS = os.environ.get("UNDERTONE_TEST_SCREENSHOTS")  # a folder, to look at the pages


def check(page: Page, name: str) -> None:
    if SCREENSHOTS:
        page.screenshot(path=Path(SCREENSHOTS) / f"{name}.png")
    found = Axe().run(page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found] == [], name
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than the screen"


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_an_accessibility_violation(site: Site, open_tab: OpenTab, scheme: str, screen: str) -> None:
    made, odd = site.add(standup()), site.add(transcript(), media=None)
    site.add_failed()
    tab = open_tab(color_scheme=scheme, viewport=SCREENS[screen], reduced_motion="reduce")
    page, suffix = tab.page, f"{scheme}-{screen}"
    page.goto(site.url)
    page.get_by_text("Options for the next recordings").click()
    page.get_by_label("Search all transcripts").fill("customer")
    page.keyboard.press("Enter")
    expect(page.locator("#hits mark").first).to_be_visible()
    check(page, f"meetings-{suffix}")
    page.get_by_role("button", name="Delete").first.click()
    expect(page.locator("#undo")).to_be_visible()
    check(page, f"undo-{suffix}")
    page.get_by_role("button", name="Undo").click()
    tab.open_meeting(site, made)
    check(page, f"meeting-{suffix}")
    page.locator("#u5 a.reading").click()
    expect(page.locator("#u5 .modalities")).to_be_visible()
    page.locator("#u5 > p").click()
    page.keyboard.press("e")
    check(page, f"editing-{suffix}")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    check(page, f"keys-{suffix}")
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    expect(page.locator("#selection")).to_be_visible()
    check(page, f"selection-{suffix}")
    page.keyboard.press("h")
    page.keyboard.type("customer")
    expect(page.locator("#replace-hits li").first).to_be_visible()
    check(page, f"replace-{suffix}")
    tab.open_meeting(site, odd)
    check(page, f"overlaps-{suffix}")
    page.goto(f"{site.url}/meetings/{made}/utterances/3")
    check(page, f"reading-{suffix}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_sign_in_has_no_accessibility_violation(opened_site: OpenSite, open_tab: OpenTab, scheme: str) -> None:
    with opened_site(keyless=False) as site:
        tab = open_tab(color_scheme=scheme, viewport=SCREENS["phone"])
        tab.page.goto(site.url)
        tab.page.get_by_label("API key").fill("ut_0_wrong")
        tab.page.get_by_role("button", name="Sign in").click()
        expect(tab.page.locator("#why")).to_contain_text("not valid")
        check(tab.page, f"sign-in-{scheme}")
        tab.problems.clear()  # the browser logs the refused sign-in


def test_a_meeting_is_readable_without_scripts_and_on_paper(site: Site, open_tab: OpenTab) -> None:
    job_id = site.add(standup())
    page = open_tab(java_script_enabled=False).page
    page.goto(f"{site.url}/meetings/{job_id}")
    expect(page.locator("#lines li")).to_have_count(len(standup().utterances))
    expect(page.locator("#controls")).to_be_hidden()
    page.locator("#u3 a.reading").click()
    expect(page.get_by_text("no face of this speaker")).to_be_visible()
    page.get_by_role("link", name="Back to the meeting").click()
    page.emulate_media(media="print")
    expect(page.get_by_text("not what a person feels")).to_be_visible()
    expect(page.locator("#media")).to_be_hidden()
    expect(page.get_by_text("Export")).to_be_hidden()


def test_pages_ask_only_their_own_service(site: Site, tab: Tab) -> None:
    tab.open_meeting(site, site.add(standup()))
    tab.page.goto(site.url)
    assert len(tab.requested) > 10
    assert {urlsplit(address).netloc for address in tab.requested} == {urlsplit(site.url).netloc}


def test_a_meeting_of_four_hours_opens_and_scrolls(site: Site, tab: Tab, capsys: pytest.CaptureFixture[str]) -> None:
    """Only what is on the screen is laid out. Processor time is limited, because other programs delay the page here."""
    page = tab.page
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def seconds() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(float(one["value"]) for one in metrics if one["name"] == "TaskDuration")

    tab.open_meeting(site, site.add(four_hours()))
    expect(page.locator("#lines li")).to_have_count(5000)
    timing = page.evaluate("performance.getEntriesByType('navigation')[0].toJSON()")
    opening = seconds()
    page.mouse.move(900, 400)
    steps = []
    for _ in range(20):
        before = seconds()
        page.mouse.wheel(0, 1500)
        page.wait_for_timeout(100)
        steps.append(seconds() - before)
    assert page.evaluate("scrollY") > 10_000
    page.evaluate("document.getElementById('media').currentTime = 60")
    wait_for(page, "document.querySelector('[aria-current]')?.id === 'u20'")
    page.get_by_role("button", name="Back to now").click()
    expect(page.locator("#u20")).to_be_in_viewport()
    drawn = page.evaluate(
        "[...document.querySelectorAll('#lines li')].filter(line => "
        "line.firstElementChild.checkVisibility({contentVisibilityAuto: true})).length"
    )
    with capsys.disabled():
        sys.stdout.write(
            f"\nfour hours: first byte {timing['responseStart']:.0f} ms, loaded {timing['loadEventEnd']:.0f} ms, "
            f"{timing['decodedBodySize'] / 1e6:.1f} MB; processor time of the page: opening {opening:.2f} s, "
            f"scrolling {sum(steps) / 20:.3f} s a step, at most {max(steps):.3f} s; {drawn} utterances drawn\n"
        )
    page.mouse.wheel(0, 100)
    page.evaluate("scrollTo(0, 100_000)")
    top = "document.getElementById(%r)?.getBoundingClientRect().top"
    middle = "[400, 410, 420].map(y => document.elementFromPoint(800, y)?.closest('#lines li')?.id).find(Boolean)"
    page.wait_for_timeout(500)  # groups that come into view get their real height
    line = page.evaluate(middle)
    assert int(line[1:]) > 500
    place = page.evaluate(top % line)
    page.reload()
    wait_for(page, "document.documentElement.dataset.ready")
    wait_for(page, f"Math.abs({top % line} - {place}) < 5")
    assert drawn < 200
    assert opening < 1.5 and max(steps) < 0.1
