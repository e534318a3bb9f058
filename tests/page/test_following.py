"""Updates after a correction without a reload: the ribbon, the notes on overlaps, the counts, and the summary."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from shared.domain.transcript import Transcript
from tests.page.conftest import Site, Tab, standup, wait_for
from tests.page.test_correcting import open_editor


def overlapping() -> Transcript:
    """The second utterance begins one second before the first ends."""
    made = standup()
    first, second, *others = made.utterances
    late = first.model_copy(update={"end": second.start + 1.0})
    return Transcript(**{**dict(made), "turns": (), "utterances": (late, second, *others)})


def test_the_ribbon_follows_corrections_of_emotions_and_speakers(site: Site, tab: Tab) -> None:
    made = standup()
    said = made.utterances[5]
    labels = {
        speaker: {str(one.emotion.label) for one in made.utterances if one.emotion and one.speaker == speaker}
        for speaker in made.names
    }
    new = "sadness"
    other = next(speaker for speaker in labels if speaker != said.speaker and new not in labels[speaker])
    assert new not in labels[said.speaker]
    page = tab.open_meeting(site, site.add(made))
    lanes = page.locator("#lanes > .lane > svg")
    mine, theirs = (lanes.nth(int(speaker[1:]) - 1) for speaker in (said.speaker, other))
    drawn = f'[fill="url(#p-{new})"]'
    open_editor(page, 5)
    page.get_by_role("combobox", name="Perceived emotion").select_option(new)
    page.get_by_role("button", name="Save").click()
    expect(mine.locator(drawn)).to_have_count(1)
    expect(mine).to_have_attribute("aria-label", re.compile(f"{new} at 0:"))
    page.locator("#u5 > p").click()
    page.keyboard.press(other[1:])
    expect(theirs.locator(drawn)).to_have_count(1)
    expect(mine.locator(drawn)).to_have_count(0)
    page.locator("#undo").click()
    expect(mine.locator(drawn)).to_have_count(1)
    expect(theirs.locator(drawn)).to_have_count(0)
    box = mine.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 5)  # the new ribbon seeks, too
    wait_for(page, "Math.abs(document.getElementById('media').currentTime - 39) < 1")


def test_notes_on_overlaps_and_the_number_of_speakers_follow(site: Site, tab: Tab) -> None:
    made = overlapping()
    first, second = made.utterances[:2]
    page = tab.open_meeting(site, site.add(made))
    note = page.locator("#u1 .overlap")
    expect(note).to_have_text(f"while {made.names[first.speaker]} speaks")
    page.get_by_role("button", name=f"Rename {made.names[first.speaker]}").click()
    page.get_by_label("Name", exact=True).fill("Anna <A>")
    page.keyboard.press("Enter")
    expect(note).to_have_text("while Anna <A> speaks")
    page.get_by_role("button", name="Rename Anna <A>").click()
    page.get_by_label("Is the same person as").select_option(label=made.names[second.speaker])
    page.get_by_role("button", name="Merge").click()
    expect(note).to_have_count(0)
    expect(page.locator("#u1")).not_to_have_class(re.compile("overlaps"))
    expect(page.locator("#speaker-count")).to_have_text("3")
    page.keyboard.press("Control+z")
    expect(note).to_have_text("while Anna <A> speaks")
    expect(page.locator("#u1")).to_have_class(re.compile("overlaps"))
    expect(page.locator("#speaker-count")).to_have_text("4")


def test_the_summary_in_another_tab_follows(site: Site, tab: Tab) -> None:
    job_id = site.add(standup())
    page = tab.open_meeting(site, job_id)
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Summary").click(modifiers=["Control"])
    summary = opened.value
    expect(summary.get_by_role("row", name="Ana")).to_be_visible()
    page.get_by_role("button", name="Rename Ana").click()
    page.get_by_label("Name", exact=True).fill("Annabel")
    page.keyboard.press("Enter")
    expect(summary.get_by_role("row", name="Annabel")).to_be_visible()
