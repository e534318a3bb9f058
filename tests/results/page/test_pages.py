"""The pages as the service sends them: readable without scripts, escaped, and audited."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from services.results.page.meetings import HELP
from services.results.page.render import FILES, FOLDER
from shared.domain.error import JobFailed, UndertoneError
from shared.infra.database.audit_log import SqlAuditLog
from shared.infra.web.error_page import error_classes
from tests.exports.sample import EVE
from tests.results.conftest import READ, ResultsHarness

ROOT = Path(__file__).parents[3]


def test_a_transcript_alone_is_not_a_deleted_recording(harness: ResultsHarness) -> None:
    page = harness.web().get(f"/meetings/{harness.done(text_only=True).job_id}").text
    assert "no recording" in page and "was deleted" not in page


def test_the_meeting_is_readable_without_scripts(harness: ResultsHarness) -> None:
    made = harness.done()
    page = harness.web().get(f"/meetings/{made.job_id}").text
    assert "Ana &lt;Ops&gt; &amp; Co" in page and "<Ops>" not in page
    assert "She said &#34;no&#34; &amp; left &lt;there&gt;" in page
    assert page.count("<li id=") == len(made.utterances)
    assert "while Ana &lt;Ops&gt; &amp; Co speaks" in page and page.count('class="overlap"') == 1
    assert made.disclosure.notice in page
    assert "The recording was deleted" in page
    assert "99:59:59" in page
    for suffix in ("vtt", "TextGrid", "json"):
        assert f'href="/v1/transcripts/{made.job_id}.{suffix}"' in page


def test_the_readings_say_plainly_what_is_missing(harness: ResultsHarness) -> None:
    made, web = harness.done(), harness.web()
    page = web.get(f"/meetings/{made.job_id}/utterances/0").text
    assert "unavailable: the recording has no picture" in page
    assert "not used" in page
    assert "Together: sadness" in page
    assert "There is no reading" in web.get(f"/meetings/{made.job_id}/utterances/1").text
    assert web.get(f"/meetings/{made.job_id}/utterances/99").status_code == 404
    unread = harness.web(READ).get(f"/meetings/{made.job_id}/utterances/0").text
    assert "There is no reading" in unread and "sadness" not in unread


def test_the_list_says_why_a_job_failed_and_what_helps(harness: ResultsHarness) -> None:
    made = harness.done()
    failed, waiting = harness.failed("no_audio"), harness.queued()
    page = harness.web().get("/").text
    assert f'href="/meetings/{made.job_id}"' in page
    assert "It has no sound." in page and HELP["no_audio"] in page
    assert f'id="job-{failed}"' in page and f'id="job-{waiting}"' in page and "Waiting, 0 %" in page
    assert "data-action" not in harness.web(READ).get("/").text


def test_every_code_with_help_exists() -> None:
    codes = {error.code for error in error_classes(UndertoneError) if error is not JobFailed}
    assert set(HELP) <= codes


def test_search_marks_the_words_and_keeps_them_out_of_addresses(harness: ResultsHarness) -> None:
    made, web = harness.done(), harness.web()
    page = web.post("/search", data={"q": "customer"}).text
    assert "We lost the <mark>customer</mark> --&gt; yesterday." in page
    assert f'href="/meetings/{made.job_id}#u0"' in page
    assert "No utterance matches" in web.post("/search", data={"q": "giraffe"}).text
    assert "The query contains no word." in web.post("/search", data={"q": "??"}).text
    for address in re.findall(r'(?:href|action|src)="([^"]*)"', page):
        assert "customer" not in address


def test_a_page_view_is_audited_without_content(harness: ResultsHarness) -> None:
    made = harness.done()
    harness.web().get(f"/meetings/{made.job_id}")
    entry = SqlAuditLog(harness.database).list("ours").items[0]
    assert (entry.action, entry.subject) == ("transcript.read", made.job_id)
    assert dict(entry.details) == {"format": "page", "emotion": True}
    assert EVE not in entry.model_dump_json()


def test_a_meeting_that_is_not_ready_says_so(harness: ResultsHarness) -> None:
    answer = harness.web().get(f"/meetings/{harness.queued()}")
    assert answer.status_code == 409
    assert "There is no transcript yet: the job is queued." in answer.text and "/v1/" not in answer.text


def test_an_internal_error_shows_no_message(harness: ResultsHarness) -> None:
    made = harness.done()
    harness.blobs.delete_prefix("ours", f"jobs/{made.job_id}")
    answer = harness.web().get(f"/meetings/{made.job_id}")
    assert answer.status_code == 500
    assert "An internal error occurred" in answer.text and "storage" not in answer.text


def test_no_page_has_inline_scripts_styles_or_other_hosts() -> None:
    sources = [path for folder in ("templates", "static") for path in sorted((FOLDER / folder).iterdir())]
    assert len(sources) > 15
    for path in sources:
        text = path.read_text().replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert not re.search(r"https?://|style=|<style|\son\w+=|innerHTML|eval\(", text), path.name
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), path.name
        assert text.count("\n") <= 250, path.name


def test_the_files_are_packaged_and_revalidated(harness: ResultsHarness) -> None:
    packaged = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    found = {path for pattern in packaged["services.results.page"] for path in FOLDER.glob(pattern)}
    assert found == {path for folder in ("templates", "static") for path in (FOLDER / folder).iterdir()}
    web = harness.web()
    for path in FILES:
        answer = web.get(path)
        kind = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}[path.rpartition(".")[2]]
        assert answer.headers["content-type"].startswith(kind), path
        assert web.get(path, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
