"""A recording is uploaded in a browser, transcribed by the whole service, read, heard, corrected and exported."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.page.conftest import Tab, chromium, open_tab, tab, wait_for
from tests.running_service import cut
from tests.served import Served, served, until

__all__ = ["chromium", "open_tab", "served", "tab"]
pytestmark = pytest.mark.slow
DONE_MS = 300_000  # the first recording also loads the engines


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return cut(tmp_path / "standup.mp4", seconds=20.0)


@pytest.fixture
def transcript(served: Served, tab: Tab, recording: Path) -> Iterator[str]:
    """The address of the transcript in the API; its page is open."""
    page = tab.page
    page.goto(served.address)
    expect(page.locator("#upload")).to_be_visible()
    page.get_by_label("Choose recordings").set_input_files(recording)
    link = page.locator("#meetings").get_by_role("link", name="standup.mp4")
    expect(link).to_be_visible(timeout=DONE_MS)  # by the stream of events: the page is not loaded again
    link.click()
    page.wait_for_url("**/meetings/*")
    wait_for(page, "document.documentElement.dataset.ready")
    yield f"{served.address}/v1/transcripts/{page.url.rsplit('/', 1)[1]}"
    page.goto("about:blank")  # it would miss its streams when the service ends


def test_a_meeting_is_read_heard_corrected_and_exported(transcript: str, tab: Tab) -> None:
    page, made = tab.page, httpx.get(transcript).json()
    assert len(made["utterances"]) > 2 and len(made["speakers"]) > 1
    for one in made["utterances"]:
        expect(page.locator(f"#u{one['index']} > p")).to_have_text(one["text"])
        assert one["emotion"]["label"] in page.locator(f"#u{one['index']}").inner_text()
    last = made["utterances"][-1]
    page.locator(f"#u{last['index']} a.at").click()
    wait_for(page, f"document.getElementById('media').currentTime > {last['start'] + 0.2}")
    expect(page.locator(f"#u{last['index']}")).to_have_attribute("aria-current", "true")
    correct(page, last["index"], "These words are corrected.")
    page.locator("[data-rename]").first.click()
    page.get_by_label("Name", exact=True).fill("Zoë")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Zoë is the new name.")
    page.get_by_text("Export").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="vtt", exact=True).click()
    exported = download.value.path().read_text()
    assert "These words are corrected." in exported and "Zoë" in exported
    page.get_by_role("link", name="Summary").click()
    expect(page.locator("main")).to_contain_text("Zoë")


def test_corrections_survive_a_kill_of_the_web_process(transcript: str, served: Served, tab: Tab) -> None:
    page, index = tab.page, httpx.get(transcript).json()["utterances"][0]["index"]
    correct(page, index, "Kept although the process ended.")
    before = served.children()["services.cli.web"]
    os.kill(before, signal.SIGKILL)
    until(lambda: served.children().get("services.cli.web", before) != before, served.logs())
    until(lambda: answers(served.address), served.logs())
    page.reload()
    wait_for(page, "document.documentElement.dataset.ready")
    expect(page.locator(f"#u{index} > p")).to_have_text("Kept although the process ended.")
    page.keyboard.press("Control+z")
    expect(page.locator(f"#u{index} > p")).not_to_have_text("Kept although the process ended.")


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/readyz").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def correct(page: Page, index: int, text: str) -> None:
    page.locator(f"#u{index} > p").click(position={"x": 2, "y": 5})
    page.keyboard.press("e")
    expect(page.locator(f"#u{index} textarea")).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type(text)
    page.keyboard.press("Enter")
    expect(page.locator(f"#u{index} > p")).to_have_text(text)
    expect(page.locator(f"#u{index} textarea")).to_have_count(0)
