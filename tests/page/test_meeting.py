"""Reading and hearing a meeting: words, following, keys, corrections."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import httpx
from playwright.sync_api import Page, expect

from shared.domain.retention import Retention
from shared.domain.speech import SpeakerTurn
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.retention import SqlRetentionStore
from tests.page.conftest import Site, Tab, standup, wait_for

LIT = "[...CSS.highlights.get('now')].map(String).join()"
NAMES = standup().names
TIME = "document.getElementById('media').currentTime"


def click_word(page: Page, line: int, word: str) -> None:
    """Click in the middle of a word; words have no elements of their own."""
    box = page.evaluate(
        """([line, word]) => {
            const text = document.querySelector(`#u${line} p`).firstChild;
            const range = document.createRange();
            range.setStart(text, text.data.indexOf(word));
            range.setEnd(text, text.data.indexOf(word) + word.length);
            range.startContainer.parentElement.scrollIntoView({block: "center"});
            const box = range.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }""",
        [line, word],
    )
    page.mouse.click(*box)


def word_start(line: int, word: str) -> float:
    return next(one.start for one in standup().utterances[line].words if one.text == word)


def test_a_click_on_a_word_plays_it(site: Site, tab: Tab) -> None:
    page = tab.open_meeting(site, site.add(standup()))
    click_word(page, 5, "months,")
    wait_for(page, f"{TIME} > {word_start(5, 'months,') + 0.02}")
    page.keyboard.press("Space")
    expect(page.locator("#u5")).to_have_attribute("aria-current", "true")
    assert page.evaluate("document.getElementById('media').paused")
    page.keyboard.press("ArrowRight")
    wait_for(page, f"{TIME} > {word_start(5, 'months,') + 4}")
    click_word(page, 1, "ready.")
    wait_for(page, f"{LIT} === 'ready.'")
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowLeft")
    wait_for(page, f"['is', 'page'].includes({LIT})")


def test_the_page_follows_until_the_reader_scrolls(site: Site, tab: Tab) -> None:
    page = tab.open_meeting(site, site.add(standup()))
    back = page.get_by_role("button", name="Back to now")
    page.locator("#u2 a.at").click()
    expect(back).to_be_hidden()
    page.mouse.move(800, 400)
    page.mouse.wheel(0, 2000)
    expect(back).to_be_visible()
    bottom = "scrollY + innerHeight > document.documentElement.scrollHeight - 5"
    wait_for(page, bottom)
    page.evaluate("document.getElementById('media').currentTime = 30")
    expect(page.locator("#u7")).to_have_attribute("aria-current", "true")
    assert page.evaluate(bottom)
    back.click()
    expect(back).to_be_hidden()
    expect(page.locator("#u7")).to_be_in_viewport()


def test_every_action_has_a_key(site: Site, tab: Tab) -> None:
    page = tab.open_meeting(site, site.add(standup()))
    media = page.locator("#media")
    for key in ("j", "j", "j", "k"):
        page.keyboard.press(key)
    expect(page.locator("#u1")).to_have_class("lane-1 chosen")
    page.keyboard.press("+")
    page.keyboard.press("+")
    assert media.evaluate("media => [media.playbackRate, media.preservesPitch]") == [1.5, True]
    page.keyboard.press("l")
    expect(page.get_by_role("button", name="Loop utterance")).to_have_attribute("aria-pressed", "true")
    end = standup().utterances[1].end
    media.evaluate("(media, time) => { media.currentTime = time; }", end - 0.2)
    wait_for(page, f"{TIME} < {end - 1}")
    page.keyboard.press("l")
    page.keyboard.press("Space")
    page.keyboard.press("/")
    page.keyboard.type("CUSTOMERS")
    expect(page.locator("#find-count")).to_have_text("1 found")
    page.keyboard.press("Enter")
    expect(page.locator(".chosen")).to_contain_text("customers")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("b")
    expect(page.locator(".chosen")).to_have_count(0)


def test_text_is_corrected_in_place(site: Site, tab: Tab) -> None:
    job_id = site.add(standup())
    page = tab.open_meeting(site, job_id)
    page.locator("#u3 p").click()
    page.keyboard.press("e")
    page.keyboard.press("Control+A")
    page.keyboard.type("We lost <our> best customer.")
    page.get_by_role("combobox", name="Perceived emotion").select_option("joy")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#u3 > p")).to_have_text("We lost <our> best customer.")
    expect(page.locator("#u3 a.reading")).to_have_text("joy 100 %")
    click_word(page, 3, "customer.")
    wait_for(page, f"{LIT} === 'customer.'")
    page.reload()
    expect(page.locator("#u3 > p")).to_have_text("We lost <our> best customer.")
    assert "<our>" in httpx.get(f"{site.url}/v1/transcripts/{job_id}").json()["utterances"][3]["text"]


def test_a_conflict_keeps_the_text_of_both(site: Site, tab: Tab) -> None:
    job_id = site.add(standup())
    page = tab.open_meeting(site, job_id)
    page.locator("#u2").get_by_text("report").click()
    page.keyboard.press("e")
    theirs = {"text": "Theirs"}
    assert httpx.patch(f"{site.url}/v1/transcripts/{job_id}/utterances/2", json=theirs).status_code == 200
    page.keyboard.press("Control+A")
    page.keyboard.type("Mine")
    page.keyboard.press("Enter")
    failure = page.locator("#u2 .failure")
    expect(failure).to_contain_text("Somebody else corrected this meeting")
    expect(failure).to_contain_text("“Theirs”")
    expect(page.locator("#u2 textarea")).to_have_value("Mine")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#u2 > p")).to_have_text("Mine")
    tab.problems[:] = [one for one in tab.problems if "409" not in one]  # the browser logs the refused request


def test_speakers_get_real_names_everywhere(site: Site, tab: Tab) -> None:
    job_id = site.add(standup())
    page = tab.open_meeting(site, job_id)
    page.get_by_role("button", name="Rename Ana").click()
    page.get_by_label("Name", exact=True).fill("Anna <A>")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("Anna <A> is the new name.")
    expect(page.locator("#u0 .name")).to_have_text("Anna <A>")
    expect(page.locator("#lanes .name").first).to_have_text("Anna <A>")
    page.locator("#u1 p").click()
    page.keyboard.press("e")
    page.get_by_role("combobox", name="Speaker", exact=True).select_option(label="Anna <A>")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#u1 .name")).to_have_text("Anna <A>")
    assert httpx.get(f"{site.url}/v1/transcripts/{job_id}.vtt").text.count("Anna") >= 2


def test_the_meeting_is_renamed_everywhere(site: Site, tab: Tab) -> None:
    job_id = site.add(standup())
    page = tab.open_meeting(site, job_id)
    page.get_by_role("button", name="Rename", exact=True).click()
    expect(page.get_by_label("Name of the meeting")).to_have_value("standup.mp4")
    page.get_by_label("Name of the meeting").fill("Weekly <1>")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Weekly <1>")).to_be_visible()
    expect(page).to_have_title("Weekly <1> – Undertone")
    page.reload()
    expect(page.get_by_role("heading", name="Weekly <1>")).to_be_visible()
    page.get_by_role("link", name="All meetings").click()
    expect(page.get_by_role("link", name="Weekly <1>")).to_be_visible()
    exported = httpx.get(f"{site.url}/v1/transcripts/{job_id}.md")
    assert "# Weekly \\<1\\>" in exported.text and "Weekly" in exported.headers["content-disposition"]


def test_readings_of_the_modalities_are_shown_side_by_side(site: Site, tab: Tab) -> None:
    page = tab.open_meeting(site, site.add(standup()))
    page.locator("#u5 a.reading").click()
    shown = page.locator("#u5 .modalities")
    expect(shown.get_by_role("heading")).to_have_text(["Text", "Voice", "Face"])
    expect(shown).to_contain_text("unavailable: no face of this speaker")
    page.locator("#u5 a.reading").click()
    expect(shown).to_have_count(0)
    expect(page.get_by_text("not what a person feels")).to_be_in_viewport()


def test_the_ribbon_seeks(site: Site, tab: Tab) -> None:
    page = tab.open_meeting(site, site.add(standup()))
    assert page.locator("#lanes svg").count() == 4
    box = page.locator("#lanes svg").first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 5)
    wait_for(page, f"Math.abs({TIME} - 39) < 1")
    expect(page.locator("[aria-current]")).to_be_in_viewport()


def test_the_ribbon_shows_overlaps_and_a_part_of_the_meeting_larger(site: Site, tab: Tab) -> None:
    """One lane for each speaker; while two speak, both lanes are marked."""
    made = standup()
    first, second = made.utterances[0], made.utterances[1]
    late = SpeakerTurn(start=first.end - 0.5, end=second.end, speaker=second.speaker)
    made = made.model_copy(update={"turns": (made.turns[0], late, *made.turns[2:])})
    page = tab.open_meeting(site, site.add(made))
    marks = page.locator("#lanes .overlap-mark")
    assert marks.count() == 2
    expect(page.locator("#lanes svg").first).to_have_attribute("aria-label", re.compile("together with others at 0:0"))
    lane = page.locator("#lanes svg").first
    widths = "[...document.querySelectorAll('#lanes .overlap-mark')].map(mark => mark.getBoundingClientRect().width)"
    narrow = page.evaluate(widths)
    page.get_by_role("button", name="Show less of the meeting").click()
    page.get_by_role("button", name="Show less of the meeting").click()
    expect(page.locator("#zoom-shown")).to_have_text("0:00 to 0:19")
    assert all(wide > 3 * small for wide, small in zip(page.evaluate(widths), narrow, strict=True))
    place = page.get_by_label("Part of the meeting that the ribbon shows")
    place.focus()
    page.keyboard.press("End")
    expect(page.locator("#zoom-shown")).to_have_text("0:58 to 1:18")
    box = lane.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 5)
    wait_for(page, f"Math.abs({TIME} - 68.25) < 1")
    page.evaluate("document.getElementById('media').currentTime = 5")  # the ribbon follows the recording
    expect(page.locator("#zoom-shown")).to_have_text("0:03 to 0:22")
    page.get_by_role("button", name="Show more of the meeting").click()
    page.get_by_role("button", name="Show more of the meeting").click()
    assert marks.count() == 2 and page.evaluate(widths) == narrow


def test_a_link_opens_the_utterance(site: Site, tab: Tab) -> None:
    page = tab.open_meeting(site, site.add(standup()), "#u15")
    expect(page.locator("#u15")).to_be_in_viewport()
    wait_for(page, f"Math.abs({TIME} - {standup().utterances[15].start}) < 0.1")


def test_a_reload_keeps_the_place_and_the_time(site: Site, tab: Tab) -> None:
    page = tab.open_meeting(site, site.add(standup()))
    page.mouse.move(800, 400)
    page.mouse.wheel(0, 300)
    page.evaluate("document.getElementById('media').currentTime = 33")
    top = "document.getElementById('u5').getBoundingClientRect().top"
    wait_for(page, "scrollY === 300")
    before = page.evaluate(top)
    page.reload()
    wait_for(page, "document.documentElement.dataset.ready")
    wait_for(page, f"Math.abs({top} - {before}) < 5")
    wait_for(page, f"Math.abs({TIME} - 33) < 0.5")


def test_a_meeting_is_opened_read_and_corrected_without_a_mouse(site: Site, tab: Tab) -> None:
    job_id, page = site.add(standup()), tab.page
    page.goto(site.url)
    expect(page.locator(".actions").first).to_be_visible()
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('href')") == f"/meetings/{job_id}":
            break
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/meetings/{job_id}")
    wait_for(page, "document.documentElement.dataset.ready")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    wait_for(page, f"{TIME} > {standup().utterances[0].start}")
    page.keyboard.press("Space")
    page.keyboard.press("e")
    page.keyboard.press("Control+A")
    page.keyboard.type("Good morning.")
    page.keyboard.press("Enter")
    expect(page.locator("#u0 > p")).to_have_text("Good morning.")
    expect(page.get_by_role("status")).to_have_text("Saved.")
    expect(page.locator("#u0 a.at")).to_be_focused()


def test_a_screen_reader_hears_who_speaks_when(site: Site, tab: Tab) -> None:
    page = tab.open_meeting(site, site.add(standup()))
    heard = page.locator("#u3").aria_snapshot()
    said = standup().utterances[3]
    assert heard.index("0:1") < heard.index(NAMES[said.speaker]) < heard.index(said.text[:20])
    assert "listitem" in heard


def test_the_page_says_when_the_recording_is_deleted(site: Site, tab: Tab) -> None:
    job_id = site.add(standup())
    SqlRetentionStore(site.database).set(site.tenant, Retention(media_hours=2))
    finished = SqlJobStore(site.database).list(site.tenant).items[0].finished_at
    assert finished is not None
    page = tab.open_meeting(site, job_id)
    expect(page.locator(".player")).to_contain_text("The recording is deleted on")
    shown = page.locator(".player time").get_attribute("datetime")
    assert shown is not None and datetime.fromisoformat(shown) == finished + timedelta(hours=2)


def test_a_video_has_captions(site: Site, tab: Tab) -> None:
    page = tab.open_meeting(site, site.add(standup()))
    page.evaluate("document.getElementById('media').textTracks[0].mode = 'showing'")
    wait_for(page, f"document.getElementById('media').textTracks[0].cues?.length >= {len(standup().utterances)}")


def test_exports_have_every_format_and_the_speakers(site: Site, tab: Tab) -> None:
    page = tab.open_meeting(site, site.add(standup()))
    page.get_by_text("Export").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="vtt").click()
    assert "Ana" in download.value.path().read_text()
    assert download.value.suggested_filename == "standup.vtt"
    assert page.locator("#export a").count() == 13
    page.get_by_role("button", name="Make a video with captions").click()
    expect(page.get_by_role("status")).to_contain_text("being made")
    page.reload()
    page.get_by_text("Export").click()
    expect(page.get_by_text("The video with captions is being made.")).to_be_visible()
