"""Measures the page of a meeting of four hours: the service, the first paint, the longest tasks, and the memory.

python bench/page.py [MINUTES]

MINUTES is how long the recording is played, 10 by default. It needs Chromium. Other programs delay the page, so the
processor time of each task is printed beside its duration.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from shared.infra.blobs_folder import FolderBlobs
from shared.infra.database.engine import open_database
from shared.infra.database.keys import SqlKeyStore
from shared.infra.web.authenticator import KEYLESS_TENANT
from tests.page.conftest import FLAGS, ROOT, Site, four_hours

MINUTES = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
PORT = 18770
RATE = 8000
CATEGORIES = ["toplevel", "disabled-by-default-devtools.timeline"]
TICK = os.sysconf("SC_CLK_TCK")
MB = 1e6


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, Callable[[], float]]]:
    """The address of the meeting, and the processor time of the service."""
    database = open_database(f"sqlite:///{folder / 'undertone.db'}")
    SqlKeyStore(database).ensure_tenant(KEYLESS_TENANT)
    sound = folder / "sound.wav"
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 1, RATE, 0, "NONE", ""))
        file.writeframes(bytes([128]) * int(RATE * 60 * (MINUTES + 1)))
    job_id = Site("", database, FolderBlobs(folder / "blobs"), KEYLESS_TENANT).add(four_hours(), media=sound)
    database.close()
    settings = {"STORAGE__FOLDER": str(folder), "RESULTS__KEYLESS": "true", "RESULTS__PORT": str(PORT)}
    command = [sys.executable, "-m", "services.results"]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **settings}, stdout=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{PORT}"
        while not answers(address):
            time.sleep(0.1)

        def cpu() -> float:
            fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / TICK

        yield f"{address}/meetings/{job_id}", cpu
    finally:
        process.terminate()
        process.wait()


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/livez").is_success
    except httpx.TransportError:
        return False


def measure_service(address: str, cpu: Callable[[], float]) -> None:
    httpx.get(address, timeout=60)  # loads modules and compiles templates
    seconds = []
    for _ in range(5):
        before = cpu()
        size = len(httpx.get(address, timeout=60).content)
        seconds.append(cpu() - before)
    print(f"service: {min(seconds):.2f} s of processor time (median {sorted(seconds)[2]:.2f}), {size / MB:.1f} MB")
    seconds = []
    for number in range(5):
        before = cpu()
        operation = {"op": "text", "utterance": 100 + number, "text": f"corrected {number}"}
        edits = address.replace("/meetings/", "/v1/transcripts/") + "/edits"
        httpx.post(edits, json={"operations": [operation]}, timeout=60).raise_for_status()
        seconds.append(cpu() - before)
    print(f"an edit: {min(seconds):.2f} s of processor time (median {sorted(seconds)[2]:.2f})")


def traced(browser: Browser, page: Page, name: str, action: Callable[[], None]) -> None:
    """Print the longest task of the page's main thread during the action."""
    browser.start_tracing(page=page, categories=CATEGORIES)
    action()
    events = json.loads(browser.stop_tracing())["traceEvents"]
    named = (one for one in events if one["name"] == "thread_name")
    main = {(one["pid"], one["tid"]) for one in named if one["args"]["name"] == "CrRendererMain"}
    tasks = [
        (one.get("dur", 0) / 1000, one.get("tdur", 0) / 1000)
        for one in events
        if one["name"].endswith("RunTask") and (one["pid"], one["tid"]) in main
    ]
    longest = max((task for task in tasks), default=(0.0, 0.0))
    busiest = max((busy for _, busy in tasks), default=0.0)
    print(f"{name}: longest task {longest[0]:.0f} ms; most processor time {busiest:.0f} ms; {len(tasks)} tasks")


def scroll(page: Page) -> None:
    page.mouse.move(900, 400)
    for _ in range(40):
        page.mouse.wheel(0, 1500)
        page.wait_for_timeout(100)


def click(page: Page, selector: str) -> None:
    """Playwright's search for an element is itself a long task of the page."""
    box = page.evaluate("one => document.querySelector(one).getBoundingClientRect().toJSON()", selector)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


def wait_for(page: Page, text: str) -> None:
    while text not in page.evaluate("document.getElementById('status').textContent"):
        page.wait_for_timeout(300)


def write(page: Page) -> None:
    click(page, "#u3 p")
    page.keyboard.press("Space")
    page.keyboard.press("e")
    page.keyboard.press("End")
    page.keyboard.type(" and these are some more words that somebody types into it", delay=40)
    page.keyboard.press("Escape")


def replace(page: Page) -> None:
    page.keyboard.press("h")
    page.keyboard.type("the", delay=60)
    page.keyboard.press("Tab")
    page.keyboard.type("ZZ", delay=60)
    while page.evaluate("document.getElementById('replace-run').disabled"):
        page.wait_for_timeout(300)
    click(page, "#replace-run")
    wait_for(page, "Replaced in")


def undo(page: Page) -> None:
    page.keyboard.press("Control+z")
    wait_for(page, "Undone")


def search(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.type("customer", delay=80)
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")


def enlarge(page: Page) -> None:
    for _ in range(4):
        click(page, "#zoom-in")
    for _ in range(4):
        click(page, "#zoom-out")


def memory(page: Page) -> str:
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    session.send("Performance.enable")
    found = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return f"{found['JSHeapUsedSize'] / MB:.1f} MB of scripts, {found['Nodes']:.0f} nodes"


def measure_page(browser: Browser, address: str) -> None:
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    for _ in range(2):  # the second time with the files in the browser's cache
        page.goto(address)
        page.wait_for_selector("html[data-ready]")
        page.wait_for_timeout(2000)  # the paint is reported later
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
        timing = page.evaluate("performance.getEntriesByType('navigation')[0].toJSON()")
        first, ready = timing["responseStart"], timing["domContentLoadedEventEnd"]
        print(f"first byte {first:.0f} ms, first contentful paint {paint:.0f} ms, scripts ready {ready:.0f} ms")
    traced(browser, page, "typing", lambda: write(page))
    traced(browser, page, "scrolling", lambda: scroll(page))
    traced(browser, page, "finding", lambda: search(page))
    traced(browser, page, "ribbon", lambda: enlarge(page))
    traced(browser, page, "replacing in 2,600 utterances", lambda: replace(page))
    traced(browser, page, "undoing it", lambda: undo(page))
    print(f"memory before playback: {memory(page)}")
    page.evaluate("document.getElementById('media').currentTime = 0; document.getElementById('media').play()")
    page.wait_for_timeout(1000)
    traced(browser, page, "playing for 20 s", lambda: page.wait_for_timeout(20_000))
    page.wait_for_timeout(max(0.0, MINUTES * 60 - 21) * 1000)
    played = page.evaluate("document.getElementById('media').currentTime")
    print(f"memory after {played / 60:.1f} minutes of playback: {memory(page)}")


def main() -> None:
    program = os.environ.get("UNDERTONE_TEST_CHROMIUM") or shutil.which("chromium")
    if program is None:
        sys.exit("Chromium is not installed: apt-get install chromium")
    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder)) as (address, cpu),
        sync_playwright() as playwright,
    ):
        measure_service(address, cpu)
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        measure_page(browser, address)
        browser.close()


if __name__ == "__main__":
    main()
