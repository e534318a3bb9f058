"""Requests that schemathesis generates from the OpenAPI description, with the keys of two tenants."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.budget import SECONDS, SEED, SHORT_SECONDS

ROOT = Path(__file__).parents[2]
# The budget is for each target, and these are many: all operations, and sequences of them.
RUN_SECONDS = max(90, round(10 * SECONDS))
START_SECONDS = 120
CHECKS = (
    "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "ignored_auth", "use_after_free", "no_foreign_data",
)  # fmt: skip
# All pairs in a long run; in the short one, both tenants and all phases once.
RUNS = [("ours", "coverage,fuzzing"), ("theirs", "stateful")]
if SECONDS > SHORT_SECONDS:
    RUNS += [("ours", "stateful"), ("theirs", "coverage,fuzzing")]
# Their responses do not end while a client listens.
ENDLESS = ("/v1/jobs/{job_id}/events", "/v1/jobs/events")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("schemathesis") is None, reason="schemathesis is missing (`make fuzz` installs it)"),
]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("service")
    command = [sys.executable, "-m", "tests.fuzz.service", str(folder)]
    log = (folder / "log").open("w")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        assert process.poll() is None, "the service has ended"
    finally:
        process.terminate()
        process.wait(30)
        process.communicate()
        log.close()


@pytest.mark.parametrize(("tenant", "phases"), RUNS)
def test_every_response_is_described_and_none_contains_data_of_another_tenant(
    service: dict[str, Any], tenant: str, phases: str, tmp_path: Path
) -> None:
    (other,) = service["tenants"].keys() - {tenant}
    own = service["tenants"][tenant]
    ids = [*own["ids"], *service["tenants"][other]["ids"]]
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "tests.fuzz.hooks",
        "UNDERTONE_FUZZ_IDS": json.dumps(ids),
        "UNDERTONE_FUZZ_FOREIGN": service["tenants"][other]["word"],
        "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
    }
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"{service['address']}/openapi.json",
        "--header", f"Authorization: Bearer {own['key']}", "--checks", ",".join(CHECKS), "--seed", str(SEED),
        "--phases", phases,
        "--max-time", str(RUN_SECONDS), "--request-timeout", "20", "--continue-on-failure",
        *(part for path in ENDLESS for part in ("--exclude-path", path)),
        "--no-color", "--warnings", "off", "--suppress-health-check", "all",
    ]  # fmt: skip
    done = subprocess.run(
        command,
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS + START_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
    assert "No test cases" not in done.stdout, "the time is too short for this machine"
    counts = [line for line in done.stdout.splitlines() if " generated" in line]
    sys.stdout.write("\n".join([f"API ({phases}) with the key of {tenant}, FUZZ_SEED={SEED}", *counts, ""]))
