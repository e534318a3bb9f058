"""The list of meetings: uploads, live state, failures, deletion, search and signing in."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import httpx
from playwright.sync_api import Page, Route, expect

from shared.domain.job_record import JobFailure
from shared.infra.address_rule import OutboundSettings
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.keys import SqlKeyStore
from shared.infra.database.work import SqlWorkStore
from tests.gateway.serving import eventually
from tests.local_server import Reply, serving
from tests.page.conftest import SAMPLE, OpenSite, Site, Tab, standup
from tests.service_fakes import ONE_STAGE, held, new_job


def choose(page: Page, files: Path | list[Path]) -> None:
    expect(page.locator("#upload")).to_be_visible()  # the script has started
    page.get_by_label("Choose recordings").set_input_files(files)


def test_recordings_are_uploaded_side_by_side_with_options(site: Site, tab: Tab, tmp_path: Path) -> None:
    other = tmp_path / "Besprechung ä.mp4"
    shutil.copy2(SAMPLE, other)  # the same size and time: still another recording
    page = tab.page
    page.goto(site.url)
    page.get_by_text("Options for the next recordings").click()
    page.get_by_label("Number of speakers").fill("4")
    page.get_by_label("Names and special words").fill("Sara, Marc")
    page.get_by_label("face", exact=True).uncheck()
    choose(page, [SAMPLE, other])
    for name in ("standup.mp4", "Besprechung ä.mp4"):
        expect(page.locator("#meetings").get_by_text(name)).to_be_visible()
    expect(page.locator("#uploads li")).to_have_count(0)
    expect(page.locator("#meetings li")).to_have_count(2)
    expect(page.locator("#meetings progress")).to_have_count(2)
    assert page.evaluate("localStorage.getItem('undertone-uploads')") == "{}"
    assert [job["status"] for job in httpx.get(f"{site.url}/v1/jobs").json()["items"]] == ["queued", "queued"]


def test_a_recording_has_its_own_transcript_and_tracks(site: Site, tab: Tab, tmp_path: Path) -> None:
    words, track = tmp_path / "zoom.vtt", tmp_path / "Ana.mp4"
    words.write_text("WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nAna: Good morning.\n")
    shutil.copy2(SAMPLE, track)
    page = tab.page
    page.goto(site.url)
    page.get_by_text("Options for the next recordings").click()
    page.get_by_label("Transcript of the platform").set_input_files(words)
    page.get_by_label("Track of each speaker").set_input_files(track)
    page.get_by_label("The participants were informed.").check()
    page.get_by_label("face", exact=True).uncheck()
    choose(page, SAMPLE)
    expect(page.locator("#meetings li[data-job]")).to_have_count(1)
    (record,) = SqlJobStore(site.database).list(site.tenant).items
    assert record.job.platform_transcript is not None and record.job.platform_transcript.name == "zoom.vtt"
    assert [one.name for one in record.job.tracks] == ["Ana"]
    assert record.job.recording.name == "standup.mp4" and len(record.job.options.modalities) == 2
    assert record.consent is not None and record.consent.participants_informed
    assert page.get_by_label("Transcript of the platform").input_value() == ""


def test_a_recording_is_fetched_from_an_address(opened_site: OpenSite, tab: Tab) -> None:
    allowed = OutboundSettings(allow="127.0.0.0/8", plain_http=True)
    reply = Reply(200, body=SAMPLE.read_bytes())
    with serving(reply) as host, opened_site(outbound=allowed) as site:
        page = tab.page
        page.goto(site.url)
        page.get_by_text("Options for the next recordings").click()
        page.get_by_label("Number of speakers").fill("4")
        page.get_by_label("or from an address").fill("http://[")
        page.get_by_role("button", name="Fetch").click()
        expect(page.locator("#address:invalid")).to_be_visible()
        page.get_by_label("or from an address").fill(f"{host.url}/meetings/monday.mp4")
        page.keyboard.press("Enter")
        expect(page.locator("#meetings").get_by_text("monday.mp4")).to_be_visible()
        expect(page.get_by_label("or from an address")).to_have_value("")
        (record,) = SqlJobStore(site.database).list(site.tenant).items
        assert record.job.options.speakers == 4
        reply.status = 404
        page.get_by_label("or from an address").fill(f"{host.url}/gone.mp4")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("404")
        expect(page.get_by_label("or from an address")).to_have_value(f"{host.url}/gone.mp4")
        page.goto("about:blank")  # it would miss its stream when the service ends
    tab.problems[:] = [one for one in tab.problems if "502" not in one]  # the answer to a failed download


def test_an_upload_is_paused_and_continues_after_a_reload(site: Site, tab: Tab, tmp_path: Path) -> None:
    """The second part waits until the test has paused the upload; what was sent is not sent again."""
    large, page, offsets = tmp_path / "long.mp4", tab.page, list[str]()
    large.write_bytes(SAMPLE.read_bytes() + bytes(9 << 20))

    def hold_second(route: Route) -> None:
        if route.request.method == "PATCH":
            offsets.append(route.request.headers["upload-offset"])
        if route.request.method != "PATCH" or len(offsets) != 2:  # the second part never arrives
            route.continue_()

    page.route("**/v1/uploads/*", hold_second)
    page.goto(site.url)
    choose(page, large)
    expect(page.locator("#uploads")).to_contain_text("long.mp4")
    while len(offsets) < 2:
        page.wait_for_timeout(20)
    page.get_by_role("button", name="Pause long.mp4").click()
    expect(page.locator("#uploads")).to_contain_text("paused")
    page.reload()
    choose(page, large)
    expect(page.locator("#meetings")).to_contain_text("long.mp4")
    assert offsets[0] == "0" and offsets[-1] == str(8 << 20), offsets


def test_a_refused_recording_is_sent_again_with_what_the_deployment_requires(opened_site: OpenSite, tab: Tab) -> None:
    with opened_site(governance={"require_purpose": True}) as site:
        page = tab.page
        page.goto(site.url)
        choose(page, SAMPLE)
        expect(page.get_by_role("alert")).to_contain_text("requires a purpose")
        page.get_by_label("Purpose", exact=True).select_option("research")
        page.get_by_role("button", name="Try again standup.mp4").click()
        expect(page.locator("#meetings")).to_contain_text("standup.mp4")
        page.goto("about:blank")  # closes the stream before the service ends
    tab.problems[:] = [one for one in tab.problems if "422" not in one]  # the browser logs the refused request


def test_a_file_that_is_no_recording_is_explained(site: Site, tab: Tab, tmp_path: Path) -> None:
    notes, page = tmp_path / "notes.mp4", tab.page
    notes.write_text("no recording")
    page.goto(site.url)
    choose(page, notes)
    expect(page.locator("#uploads .failure")).to_contain_text("not a supported recording")
    page.get_by_role("button", name="Cancel notes.mp4").click()
    expect(page.locator("#uploads li")).to_have_count(0)
    tab.problems[:] = [one for one in tab.problems if "422" not in one]


def test_a_failure_says_what_helps_and_is_retried(site: Site, tab: Tab) -> None:
    job_id = site.add_failed()
    page = tab.page
    page.goto(site.url)
    row = page.locator(f"#job-{job_id}")
    expect(row).to_contain_text("The recording has no sound.")
    expect(row).to_contain_text("Choose a recording with sound.")
    row.get_by_role("button", name="Retry").click()
    expect(row).to_contain_text("Waiting")
    assert httpx.get(f"{site.url}/v1/jobs/{job_id}").json()["status"] == "queued"


def test_the_state_is_live(site: Site, tab: Tab) -> None:
    page = tab.page
    page.goto(site.url)
    expect(page.locator("#meetings")).to_contain_text("There is no meeting yet.")
    job_id, work = SqlJobStore(site.database).add(site.tenant, new_job(ONE_STAGE)).id, SqlWorkStore(site.database)
    row = page.locator(f"#job-{job_id}")
    expect(row).to_contain_text("Waiting, 0 %")
    lease = held(work, job_id, "publish")
    expect(row).to_contain_text("Transcribing, 0 %")
    work.extend(lease, timedelta(minutes=1), progress=0.42)
    expect(row).to_contain_text("Transcribing, 42 %")
    work.fail(lease, JobFailure(code="no_audio", message="The recording has no sound."))
    expect(row).to_contain_text("The recording has no sound.")
    SqlJobStore(site.database).erase(site.tenant, job_id, by="test", reason="asked")
    expect(page.locator("#meetings")).to_contain_text("There is no meeting yet.")
    streams = [address for address in tab.requested if address.endswith("/v1/jobs/events")]
    assert len(streams) == 1, "one stream for all rows"
    assert not [address for address in tab.requested if f"/v1/jobs/{job_id}" in address]


def test_without_a_stream_the_list_says_why_and_is_polled(site: Site, tab: Tab) -> None:
    page, refused = tab.page, list[str]()

    def refuse(route: Route) -> None:
        refused.append(route.request.url)
        if len(refused) > 4:
            return route.continue_()
        return route.fulfill(status=429, json={"code": "too_many_requests", "detail": "There are too many streams."})

    page.clock.install()
    page.route("**/v1/jobs/events", refuse)
    page.goto(site.url)
    live = page.locator("#live")
    while not live.text_content():  # attempts wait longer each time
        page.clock.run_for(2000)
    assert len(refused) == 3
    expect(live).to_have_text(
        "The live state is not available. There are too many streams. The list is updated every 15 seconds."
    )
    job_id = site.add(standup())
    row = page.locator(f"#job-{job_id}")
    while row.count() == 0:
        page.clock.run_for(5000)
    while live.text_content():  # the fifth attempt succeeds
        page.clock.run_for(5000)
    assert len(refused) == 5
    tab.problems[:] = [one for one in tab.problems if "429" not in one]  # the browser logs the refused streams


def test_deleting_can_be_undone_for_a_while(site: Site, tab: Tab) -> None:
    job_id, other, page = site.add(standup()), site.add(standup()), tab.page

    def status(job: str) -> int:
        return httpx.get(f"{site.url}/v1/jobs/{job}").status_code

    page.clock.install()
    page.goto(site.url)
    row, undo = page.locator(f"#job-{job_id}"), page.get_by_role("button", name="Undo")
    row.get_by_role("button", name="Delete").click()
    expect(row).to_be_hidden()
    expect(page.locator("#undo")).to_contain_text("is deleted.")
    undo.click()
    expect(row).to_be_visible()
    expect(row.get_by_role("button", name="Delete")).to_be_focused()
    page.keyboard.press("Enter")
    expect(undo).to_be_focused()
    page.clock.run_for(60_000)
    assert status(job_id) == 200, "the time does not run while the keyboard is at the button"
    page.keyboard.press("Shift+Tab")
    page.clock.run_for(9000)
    assert status(job_id) == 200
    page.clock.run_for(2000)
    expect(row).to_have_count(0)
    assert status(job_id) == 404
    page.locator(f"#job-{other}").get_by_role("button", name="Delete").click()
    page.goto(f"{site.url}/manage")  # leaving the page does not undo it
    assert eventually(lambda: status(other) == 404)


def test_search_finds_the_moment_and_back_returns_to_the_hits(site: Site, tab: Tab) -> None:
    site.add(standup())
    page = tab.page
    page.goto(site.url)
    page.get_by_label("Search all transcripts").fill("customer friday")
    page.keyboard.press("Enter")
    expect(page.locator("#hits mark").first).to_have_text("customer")
    page.locator("#hits a").click()
    expect(page.locator("#u3")).to_be_in_viewport()
    page.go_back()
    expect(page.locator("#hits mark").first).to_have_text("customer")
    assert not [address for address in tab.requested if "friday" in address.lower()]


def test_search_by_speaker_emotion_and_day(site: Site, tab: Tab) -> None:
    site.add(standup())
    page = tab.page
    page.goto(site.url)
    page.get_by_text("Filters").click()
    page.get_by_label("Speaker", exact=True).fill("ana")
    page.get_by_label("Perceived emotion").select_option("sadness")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#hits")).to_contain_text("We lost our best customer")
    sad = [
        one for one in standup().utterances if one.speaker == "S1" and one.emotion and one.emotion.label == "sadness"
    ]
    expect(page.locator("#hits .hits li")).to_have_count(len(sad))
    page.get_by_label("To", exact=True).fill("2020-01-01")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#hits")).to_contain_text("No utterance matches.")
    page.reload()
    expect(page.get_by_label("Speaker", exact=True)).to_have_value("ana")
    assert not [address for address in tab.requested if "sadness" in address]


def test_a_browser_signs_in_edits_and_signs_out(opened_site: OpenSite, tab: Tab) -> None:
    with opened_site(keyless=False) as site:
        job_id, page = site.add(standup()), tab.page
        page.goto(f"{site.url}/meetings/{job_id}")
        page.get_by_label("API key").fill(site.key())
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{site.url}/meetings/{job_id}")
        page.get_by_role("button", name="Rename Ben").click()
        page.get_by_label("Name", exact=True).fill("Benjamin")
        page.keyboard.press("Enter")
        expect(page.locator("#u1 .name")).to_have_text("Benjamin")
        assert page.evaluate("document.cookie") == ""
        page.get_by_role("link", name="All meetings").click()
        choose(page, SAMPLE)
        expect(page.locator("#meetings")).to_contain_text("standup.mp4")
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/sign-in")
        page.goto(site.url)
        expect(page.get_by_label("API key")).to_be_visible()


def test_a_link_of_another_site_opens_the_meeting_of_a_signed_in_reader(opened_site: OpenSite, tab: Tab) -> None:
    """The session's cookie is not sent with the request that the other site starts."""
    with opened_site(keyless=False) as site:
        job_id, page = site.add(standup()), tab.page
        for signed_in in (False, True):
            page.goto(f"{site.url.replace('127.0.0.1', 'localhost')}/errors")
            page.evaluate("address => location.assign(address)", f"{site.url}/meetings/{job_id}")
            if not signed_in:
                page.get_by_label("API key").fill(site.key())
                page.get_by_role("button", name="Sign in").click()
            expect(page.get_by_role("heading", name="standup.mp4")).to_be_visible()
        assert page.url == f"{site.url}/meetings/{job_id}"
    tab.problems[:] = [one for one in tab.problems if "401" not in one]  # of the icon of the other site


def test_revoking_the_key_leads_back_to_the_sign_in(opened_site: OpenSite, tab: Tab) -> None:
    with opened_site(keyless=False) as site:
        site.add(standup())
        page, text = tab.page, site.key()
        page.goto(site.url)
        page.get_by_label("API key").fill(text)
        with page.expect_response("**/v1/jobs/events"):  # with a revoked key it would leave the page before the click
            page.get_by_role("button", name="Sign in").click()
        SqlKeyStore(site.database).revoke(site.tenant, text.split("_")[1])
        page.clock.install()
        page.get_by_role("button", name="Delete").click()
        page.clock.run_for(11_000)
        page.wait_for_url("**/sign-in?next=*")
    tab.problems[:] = [one for one in tab.problems if "401" not in one]
