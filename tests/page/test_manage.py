"""Managing in a browser: webhooks, keys, retention, the audit trail and engines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Event, Thread

import httpx
import pytest
from playwright.sync_api import Page, expect
from pydantic import SecretStr
from standardwebhooks import Webhook

from services.courier.deliver import Deliverer
from services.courier.loop import Courier
from services.courier.settings import CourierSettings
from shared.domain.engine_report import (
    DiskFinding,
    EngineFinding,
    EngineReport,
    EngineStatus,
    SlotReport,
    WeightsFinding,
)
from shared.domain.tenant import Scope
from shared.infra.address_rule import OutboundSettings
from shared.infra.database.engine_reports import SqlEngineReportStore
from shared.infra.database.outbox import SqlOutbox
from shared.infra.database.retention import SqlRetentionStore
from shared.infra.outbound import Outbound
from shared.infra.secret_encryption import SecretCipher, SecretSettings
from tests.page.conftest import SECRET_KEY, OpenSite, OpenTab, Site, Tab, standup
from tests.page.test_quality import SCREENS, check


class Received(BaseHTTPRequestHandler):
    """Stores what it receives in its server."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((dict(self.headers), body))  # type: ignore[attr-defined]  # set below
        self.send_response(200 if len(self.server.received) > 1 else 500)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def delivering(site: Site) -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """A receiver that refuses the first event, and a courier that delivers to it."""
    server, stop = HTTPServer(("127.0.0.1", 0), Received), Event()
    received: list[tuple[dict[str, str], bytes]] = []
    server.received = received  # type: ignore[attr-defined]  # read by the handler
    secrets = SecretSettings(keys=SecretStr(SECRET_KEY))
    outbox, clock = SqlOutbox(site.database), site.database.clock
    deliverer = Deliverer(
        outbox, Outbound(OutboundSettings(), loopback=True), SecretCipher.from_settings(secrets), clock
    )
    courier = Courier(outbox, deliverer, CourierSettings(poll_seconds=0.05), clock)
    threads = [Thread(target=server.serve_forever), Thread(target=courier.run, args=(stop,))]
    for thread in threads:
        thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", received
    finally:
        stop.set()
        server.shutdown()
        for thread in threads:
            thread.join()
        server.server_close()


def store_once(page: Page) -> str:
    field = page.locator("#once-value")
    expect(field).to_be_visible()
    value = field.input_value()
    page.get_by_role("button", name="I have stored it").click()
    expect(page.locator("#once")).to_be_hidden()
    expect(field).to_have_value("")
    return value


def report(site: Site) -> None:
    engines = (
        EngineFinding(engine="faster-whisper:base", status=EngineStatus.USED),
        EngineFinding(
            engine="other", status=EngineStatus.MISSING, detail="It is missing.", hint="undertone models fetch x"
        ),
    )
    weights = (
        WeightsFinding(name="faster-whisper:base", slot="asr", licence="MIT", megabytes=148, installed=True),
        WeightsFinding(name="faster-whisper:small", slot="asr", licence="MIT", megabytes=486, installed=False),
    )
    SqlEngineReportStore(site.database).replace(
        EngineReport(
            host="worker-1",
            at=site.database.now,
            version="0.1.0",
            slots=(SlotReport(slot="asr", work="transcribing", engines=engines),),
            weights=weights,
            disks=(DiskFinding(used_for="weights", free_bytes=5 * 10**9, total_bytes=50 * 10**9),),
        )
    )


def test_a_webhook_is_added_tested_replayed_and_removed(site: Site, tab: Tab) -> None:
    page = tab.page
    with delivering(site) as (address, received):
        page.goto(site.url)
        page.get_by_role("link", name="Manage").click()
        page.get_by_label("Address").fill(address)
        page.get_by_label("a meeting has failed").uncheck()
        page.get_by_role("button", name="Add").click()
        secret = store_once(page)
        expect(page.locator("#shown")).to_contain_text("When a meeting is ready.")
        page.get_by_role("button", name=f"Send a test event to {address}").click()
        page.wait_for_url("**/manage/webhooks/*")
        expect(page.locator("#shown")).to_contain_text("1 attempt")
        page.locator("summary").click()
        expect(page.locator("#shown ol")).to_contain_text("500")
        endpoint = page.url.rpartition("/")[2]
        page.get_by_role("button", name="Send a test event").click()
        expect(page.locator(".state-delivered")).to_have_count(2)  # the refused one was sent again after 5 seconds
        headers, body = received[-1]
        Webhook(secret).verify(body, headers)
        page.get_by_role("button", name="Send webhook.test 1 again").click()
        expect(page.locator("#shown > li").first).to_contain_text("2 attempts")
        page.get_by_role("button", name="Replace the secret").click()
        page.get_by_role("button", name="Replace it").click()
        assert store_once(page) != secret
    page.get_by_role("link", name="All webhooks").click()
    assert secret not in page.content()
    page.get_by_role("button", name=f"Remove {address}").click()
    page.get_by_role("button", name="Cancel").click()
    assert httpx.get(f"{site.url}/v1/webhooks/{endpoint}").status_code == 200
    page.get_by_role("button", name=f"Remove {address}").click()
    page.get_by_role("button", name="Remove it").click()
    expect(page.locator("#shown")).to_contain_text("There is no endpoint yet.")
    expect(page.get_by_role("heading", level=1)).to_be_focused()


def test_an_address_that_is_refused_keeps_the_form(site: Site, tab: Tab) -> None:
    page = tab.page
    page.goto(f"{site.url}/manage/webhooks")
    page.get_by_label("Address").fill("http://169.254.169.254/latest")
    page.get_by_role("button", name="Add").click()
    expect(page.locator("form .failure")).not_to_be_empty()
    expect(page.get_by_label("Address")).to_have_value("http://169.254.169.254/latest")
    tab.problems[:] = [one for one in tab.problems if "422" not in one]  # the browser logs the refused request


def test_a_key_is_created_used_and_revoked(opened_site: OpenSite, open_tab: OpenTab) -> None:
    with opened_site(keyless=False) as site:
        page = open_tab().page
        page.goto(f"{site.url}/manage/keys")
        page.get_by_label("API key").fill(site.key(frozenset(Scope)))
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{site.url}/manage/keys")  # not the sign-in, whose address ends like it
        page.get_by_label("Name").fill("for <Ana>")
        page.get_by_role("button", name="Create").click()
        key = store_once(page)
        row = page.locator("#shown > li", has_text="for <Ana>")
        expect(row).to_contain_text("emotions:read, transcripts:read")
        expect(row).to_contain_text("expires")
        assert key not in page.content()
        reader = open_tab()
        reader.page.goto(site.url)
        reader.page.get_by_label("API key").fill(key)
        reader.page.get_by_role("button", name="Sign in").click()
        expect(reader.page.get_by_role("heading", name="All meetings")).to_be_visible()
        expect(reader.page.get_by_role("link", name="Manage")).to_have_count(0)
        headers = {"Authorization": f"Bearer {key}"}
        wanted = {"scopes": ["admin"]}
        assert httpx.post(f"{site.url}/v1/keys", headers=headers, json=wanted).status_code == 403
        row.get_by_role("button", name="Revoke for <Ana>").click()
        page.get_by_role("button", name="Revoke it").click()
        expect(row).to_contain_text("Revoked")
        assert httpx.get(f"{site.url}/v1/jobs", headers=headers).status_code == 401
        reader.page.goto(site.url)
        expect(reader.page.get_by_label("API key")).to_be_visible()


def test_another_sites_page_cannot_create_a_key_with_the_session(opened_site: OpenSite) -> None:
    with opened_site(keyless=False) as site, httpx.Client(base_url=site.url) as browser:
        form = {"key": site.key(frozenset(Scope)), "next": "/manage/keys"}
        signed_in = browser.post("/sign-in", data=form, headers={"Sec-Fetch-Site": "same-origin"})
        assert signed_in.headers["location"] == "/manage/keys"
        body = {"scopes": ["admin"]}
        for site_of in ("cross-site", "same-site", "none"):
            answer = browser.post("/v1/keys", json=body, headers={"Sec-Fetch-Site": site_of})
            assert answer.status_code == 403, site_of
        assert browser.post("/v1/keys", json=body).status_code == 403
        allowed = browser.post("/v1/keys", json=body, headers={"Sec-Fetch-Site": "same-origin"})
        assert allowed.status_code == 201


def test_retention_periods_are_shortened_after_a_confirmation(site: Site, tab: Tab) -> None:
    page, store = tab.page, SqlRetentionStore(site.database)
    page.goto(f"{site.url}/manage/retention")
    hours = page.get_by_label("Recording and its video with captions, in hours")
    expect(hours).to_have_attribute("placeholder", "24")
    hours.fill("2")
    page.get_by_label("The whole meeting").fill("30")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Cancel").click()
    assert store.find(site.tenant).media_hours is None
    page.get_by_role("button", name="Save").click()
    page.locator("#ask-yes").click()
    expect(page.get_by_role("status")).to_have_text("The periods are saved.")
    assert (store.find(site.tenant).media_hours, store.find(site.tenant).transcript_days) == (2, 30)
    page.reload()
    expect(hours).to_have_value("2")


def test_the_retention_form_does_nothing_without_scripts(site: Site, open_tab: OpenTab) -> None:
    page = open_tab(java_script_enabled=False).page
    page.goto(f"{site.url}/manage/retention")
    page.get_by_label("The whole meeting").fill("30")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="All meetings").click()
    page.go_back()
    assert page.url == f"{site.url}/manage/retention"


def test_the_audit_trail_is_filtered(site: Site, tab: Tab) -> None:
    job_id, page = site.add(standup()), tab.page
    tab.open_meeting(site, job_id)
    page.goto(f"{site.url}/manage/audit")
    expect(page.locator("#shown")).to_contain_text("transcript.read")
    page.get_by_label("Meeting, key or endpoint").fill("somewhere else")
    page.keyboard.press("Enter")
    expect(page.locator("#shown")).to_contain_text("No entry matches.")
    page.get_by_label("Meeting, key or endpoint").fill(job_id)
    page.get_by_label("Action").fill("transcript.read")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator("#shown > li")).to_have_count(1)
    expect(page.get_by_label("Action")).to_have_value("transcript.read")


def test_engines_say_what_is_missing_and_how_to_install_it(site: Site, tab: Tab) -> None:
    page = tab.page
    page.goto(f"{site.url}/manage/engines")
    expect(page.locator("#shown")).to_contain_text("No worker has reported yet.")
    report(site)
    page.reload()
    machine = page.get_by_role("region", name="worker-1")
    expect(machine).to_contain_text("used faster-whisper:base")
    expect(machine).to_contain_text("undertone models fetch faster-whisper:small")
    expect(machine).to_contain_text("5.0 GB of 50.0 GB")


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_for_managing_have_no_accessibility_violation(
    opened_site: OpenSite, open_tab: OpenTab, scheme: str, screen: str
) -> None:
    with opened_site(keyless=False) as site:
        report(site)
        page = open_tab(color_scheme=scheme, viewport=SCREENS[screen]).page
        page.goto(f"{site.url}/manage/webhooks")
        page.get_by_label("API key").fill(site.key(frozenset(Scope)))
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{site.url}/manage/webhooks")
        for description in ("Issues", ""):
            page.get_by_label("Address").fill(
                "https://9.9.9.9/a-hook-with-a-long-name-that-does-not-fit-on-narrow-screens"
            )
            page.get_by_label("Description").fill(description)
            page.get_by_role("button", name="Add").click()
            store_once(page)
        check(page, f"manage-webhooks-{scheme}-{screen}")
        page.get_by_role("button", name="Send a test event").first.click()
        page.wait_for_url("**/manage/webhooks/*")
        expect(page.locator(".state-pending")).to_be_visible()
        check(page, f"manage-deliveries-{scheme}-{screen}")
        for name in ("keys", "retention", "audit", "engines"):
            page.goto(f"{site.url}/manage/{name}")
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            check(page, f"manage-{name}-{scheme}-{screen}")
        page.goto(f"{site.url}/manage/keys")
        page.get_by_role("button", name="Create").click()
        expect(page.locator("#once-value")).to_be_visible()
        check(page, f"manage-once-{scheme}-{screen}")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Revoke").first.click()
        check(page, f"manage-ask-{scheme}-{screen}")
