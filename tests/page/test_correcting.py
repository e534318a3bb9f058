"""Correcting a meeting with mouse and keys: splits, speakers, undo, replacing, doubtful words, two people."""

from __future__ import annotations

from typing import Any

import httpx
from playwright.sync_api import Page, expect

from shared.domain.transcript import Transcript
from tests.page.conftest import OpenTab, Site, Tab, four_hours, standup, wait_for


def stored(site: Site, job_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = httpx.get(f"{site.url}/v1/transcripts/{job_id}", timeout=60).json()["utterances"]
    return found


def text_of(site: Site, job_id: str, index: int) -> str:
    return str(next(one["text"] for one in stored(site, job_id) if one["index"] == index))


def doubtful(*places: tuple[int, int]) -> Transcript:
    """The sample meeting with words that the recogniser was not sure of."""
    made = standup()
    utterances = []
    for one in made.utterances:
        words = tuple(
            word.model_copy(update={"confidence": 0.2}) if (one.index, position) in places else word
            for position, word in enumerate(one.words)
        )
        utterances.append(one.model_copy(update={"words": words}))
    return made.model_copy(update={"utterances": tuple(utterances)})


def open_editor(page: Page, index: int) -> None:
    page.locator(f"#u{index} > p").click(position={"x": 2, "y": 5})
    page.keyboard.press("e")
    expect(page.locator(f"#u{index} textarea")).to_be_focused()


def test_an_utterance_is_split_at_the_cursor_and_joined_again(site: Site, tab: Tab) -> None:
    made = standup()
    job_id = site.add(made)
    page = tab.open_meeting(site, job_id)
    words = made.utterances[5].text.split()
    open_editor(page, 5)
    page.keyboard.press("Home")
    for _ in range(3):
        page.keyboard.press("Control+ArrowRight")
    page.keyboard.press("Control+Enter")
    new = len(made.utterances)
    expect(page.locator(f"#u{new} > p")).to_have_count(1)
    first, second = (page.locator(f"#u{index} > p").inner_text() for index in (5, new))
    assert (first.split() + second.split(), bool(first), bool(second)) == (words, True, True)
    expect(page.locator(f"#u5 + #u{new}")).to_have_count(1)
    kept = [word["start"] for one in stored(site, job_id) if one["index"] in (5, new) for word in one["words"]]
    assert kept == [word.start for word in made.utterances[5].words]
    page.keyboard.press("k")
    expect(page.locator(".chosen")).to_have_id("u5")
    page.keyboard.press("m")
    expect(page.locator(f"#u{new}")).to_have_count(0)
    expect(page.locator("#u5 > p")).to_have_text(" ".join(words))


def test_edits_are_undone_and_redone_also_after_a_reload(site: Site, tab: Tab) -> None:
    job_id = site.add(standup())
    before = standup().utterances[2].text
    page = tab.open_meeting(site, job_id)
    undo, redo = (page.get_by_role("button", name=name, exact=True) for name in ("Undo", "Redo"))
    expect(undo).to_be_disabled()
    for text in ("First change", "Second change"):
        open_editor(page, 2)
        page.keyboard.press("Control+A")
        page.keyboard.type(text)
        page.keyboard.press("Enter")
        expect(page.locator("#u2 > p")).to_have_text(text)
    page.reload()
    wait_for(page, "document.documentElement.dataset.ready")
    page.keyboard.press("Control+z")
    expect(page.locator("#u2 > p")).to_have_text("First change")
    undo.click()
    expect(page.locator("#u2 > p")).to_have_text(before)
    expect(undo).to_be_disabled()
    assert stored(site, job_id)[2]["words"] == standup().model_dump(mode="json")["utterances"][2]["words"]
    page.keyboard.press("Control+Shift+Z")
    expect(page.locator("#u2 > p")).to_have_text("First change")
    redo.click()
    expect(page.locator("#u2 > p")).to_have_text("Second change")
    expect(redo).to_be_disabled()


def test_text_is_saved_without_a_key(site: Site, tab: Tab) -> None:
    job_id = site.add(standup())
    page = tab.open_meeting(site, job_id)
    open_editor(page, 1)
    page.keyboard.press("Control+A")
    page.keyboard.type("Saved by itself")
    expect(page.locator("#u1 .saved")).to_have_text("Saved")
    assert text_of(site, job_id, 1) == "Saved by itself"
    expect(page.locator("#u1 textarea")).to_be_focused()
    page.keyboard.press("End")
    page.keyboard.type(", again")
    page.locator("#u4 > p").click()  # leaving the editor saves as well
    expect(page.locator("#u1 .saved")).to_have_text("Saved")
    assert text_of(site, job_id, 1) == "Saved by itself, again"


def test_many_utterances_go_to_another_and_to_a_new_speaker(site: Site, tab: Tab) -> None:
    job_id = site.add(standup())
    page = tab.open_meeting(site, job_id)
    names = page.locator(".speakers .name").all_inner_texts()
    page.locator("#u1 > p").click()
    page.keyboard.press("x")
    page.keyboard.press("J")
    expect(page.locator("#selection-count")).to_have_text("2 selected")
    page.keyboard.press("4")
    expect(page.locator("#u1 .name")).to_have_text(names[3])
    expect(page.locator("#u2 .name")).to_have_text(names[3])
    expect(page.locator("#selection")).to_be_hidden()
    page.locator("#u0 > p").click()
    page.locator("#u0").get_by_role("button", name="Select").click()
    page.locator("#u3 > p").click(modifiers=["Shift"])
    page.get_by_role("combobox", name="Speaker", exact=True).select_option(label="New speaker…")
    page.get_by_label("Name of the new speaker").fill("Zoe <Z>")
    page.get_by_role("button", name="Assign").click()
    expect(page.locator("#u3 .name")).to_have_text("Zoe <Z>")
    expect(page.locator(".speakers .name").last).to_have_text("Zoe <Z>")
    assert [one["speaker"] for one in stored(site, job_id)[:4]] == ["S5", "S4", "S4", "S5"]
    page.keyboard.press("Control+z")
    expect(page.locator(".speakers li")).to_have_count(4)
    expect(page.locator("#u0 .name")).to_have_text(standup().names[standup().utterances[0].speaker])


def test_speakers_are_merged(site: Site, tab: Tab) -> None:
    job_id = site.add(standup())
    page = tab.open_meeting(site, job_id)
    first, second = page.locator(".speakers .name").all_inner_texts()[:2]
    page.locator(".speakers li").nth(1).get_by_role("button").click()
    page.get_by_label("Is the same person as").select_option(label=first)
    page.get_by_role("button", name="Merge").click()
    expect(page.get_by_role("status")).to_have_text(f"{second} is now {first}.")
    expect(page.locator(".speakers li")).to_have_count(3)
    expect(page.locator("#lines .name", has_text=second)).to_have_count(0)
    shown = httpx.get(f"{site.url}/v1/transcripts/{job_id}.vtt").text
    assert second not in shown and first in shown


def test_replacing_shows_a_preview_and_is_one_undoable_step(site: Site, tab: Tab) -> None:
    job_id = site.add(standup())
    page = tab.open_meeting(site, job_id)
    hits = [one.index for one in standup().utterances if "the" in one.text.lower()]
    whole = [one.index for one in standup().utterances if "the" in one.text.lower().split()]
    page.keyboard.press("h")
    page.keyboard.type("the")
    preview = page.locator("#replace-hits li")
    expect(preview).to_have_count(len(hits))
    page.get_by_label("Whole words").check()
    expect(preview).to_have_count(len(whole))
    page.get_by_label("Replace with").fill("THE")
    expect(preview.first.locator("ins").first).to_have_text("THE")
    preview.first.get_by_role("checkbox").uncheck()
    expect(page.locator("#replace-count")).to_have_text(f"{len(whole) - 1} of {len(whole)} utterances")
    page.get_by_role("button", name="Replace", exact=True).click()
    expect(page.locator(f"#u{whole[1]} > p")).to_contain_text("THE")
    expect(page.locator(f"#u{whole[0]} > p")).not_to_contain_text("THE")
    page.keyboard.press("Control+z")
    expect(page.locator(f"#u{whole[1]} > p")).to_have_text(standup().utterances[whole[1]].text)


def test_a_pass_over_doubtful_words_accepts_and_corrects_them(site: Site, tab: Tab) -> None:
    made = doubtful((1, 1), (1, 2), (4, 0))
    job_id = site.add(made)
    page = tab.open_meeting(site, job_id)
    field = page.get_by_label("Heard right?")
    page.keyboard.press("n")
    expect(field).to_have_value(made.utterances[1].words[1].text)
    wait_for(page, "!document.getElementById('media').paused")
    expect(page.locator("#doubt-count")).to_have_text("3 left")
    page.keyboard.press("Enter")
    expect(field).to_have_value(made.utterances[1].words[2].text)
    page.keyboard.type("corrected")
    page.keyboard.press("Enter")
    expect(field).to_have_value(made.utterances[4].words[0].text)
    expect(page.locator("#u1 > p")).to_contain_text("corrected")
    page.keyboard.press("Escape")
    page.reload()
    wait_for(page, "document.documentElement.dataset.ready")
    page.keyboard.press("n")
    expect(page.locator("#doubt-count")).to_have_text("1 left")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_have_text("No doubtful words are left.")
    expect(page.locator("#doubt")).to_be_hidden()
    wait_for(page, "document.getElementById('undo').disabled === false")
    assert [word["confidence"] for word in stored(site, job_id)[1]["words"]][1] == 1.0


def test_the_perceived_emotion_is_corrected_with_keys(site: Site, tab: Tab) -> None:
    job_id = site.add(standup())
    page = tab.open_meeting(site, job_id)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("p")
    field = page.get_by_role("combobox", name="Perceived emotion")
    expect(field).to_be_focused()
    page.keyboard.type("surprise")
    page.keyboard.press("Tab")
    expect(page.locator("#u1 a.reading")).to_have_text("surprise 100 %")
    assert stored(site, job_id)[1]["emotion"]["label"] == "surprise"
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys")
    for key in ("e", "p", "s", "m", "x", "n", "h", "1 – 9", "Ctrl Z", "Ctrl Shift Z"):
        expect(keys.get_by_text(key, exact=True)).to_be_visible()


def test_two_people_correct_different_utterances(site: Site, open_tab: OpenTab) -> None:
    job_id = site.add(standup())
    mine, theirs = open_tab().open_meeting(site, job_id), open_tab().open_meeting(site, job_id)
    for page, index, text in ((theirs, 3, "Theirs"), (mine, 2, "Mine")):
        open_editor(page, index)
        page.keyboard.press("Control+A")
        page.keyboard.type(text)
        page.keyboard.press("Enter")
        expect(page.locator(f"#u{index} > p")).to_have_text(text)
    expect(mine.locator("#u3 > p")).to_have_text("Theirs")  # shown without a reload
    assert [text_of(site, job_id, index) for index in (2, 3)] == ["Mine", "Theirs"]


def test_a_meeting_of_four_hours_is_replaced(site: Site, tab: Tab) -> None:
    job_id = site.add(four_hours())
    page = tab.open_meeting(site, job_id)
    page.keyboard.press("h")
    page.keyboard.type("the")
    hits = sum("the" in one.text.lower() for one in four_hours().utterances)
    expect(page.locator("#replace-count")).to_have_text(f"{hits} of {hits} utterances")
    rows = page.locator("#replace-hits li")
    expect(rows).to_have_count(40)
    rows.last.get_by_role("checkbox").focus()  # the keyboard reaches every row
    expect(rows).to_have_count(80)
    page.locator("#replace-hits").focus()
    page.keyboard.press("End")
    expect(rows).to_have_count(120)
    page.get_by_label("Replace with").fill("ZZ")
    expect(page.locator("#replace-hits ins").first).to_have_text("ZZ")
    page.get_by_role("button", name="Replace", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text(f"Replaced in {hits} utterances", timeout=120_000)
    found = stored(site, job_id)
    assert not any("the" in one["text"].lower() for one in found)
    assert sum("ZZ" in one["text"] for one in found) == hits
