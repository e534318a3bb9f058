"""Install a lock file into this Python's environment with a pinned pip, and show the progress on one line."""

# It runs before anything is installed, on any Python version: use only the standard library.
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

SUPPORTED = ((3, 11), (3, 13))  # as requires-python in pyproject.toml
PIP_LOCK = Path(__file__).with_name("pip.txt")
TAIL = 15  # lines of pip's output shown for an unknown failure
EVERY = 10.0  # seconds between lines without a terminal
UNREACHABLE = re.compile(
    r"Retrying \(Retry|NewConnectionError|ConnectTimeout|ReadTimeout|Failed to establish|Temporary failure in name|"
    r"ProxyError|SSLError|Could not fetch URL|from versions: none|Network is unreachable|Connection refused|"
    r"Failed to connect|\[Errno -\d\]|HTTP error|\d{3} (Client|Server) Error"
)
NO_WHEEL = re.compile(r"No matching distribution found for (\S+)")


class Status:
    """A status line: updated in place on a terminal, printed periodically elsewhere."""

    def __init__(self, title: str, packages: int) -> None:
        self.title = title
        self.packages = packages
        self.began = self.last = time.monotonic()
        self.terminal = sys.stderr.isatty()
        self._write(f"{title} ...", force=True)

    def show(self, collected: int, installing: bool) -> None:
        what = "installing" if installing else f"{min(collected, self.packages)} of {self.packages} packages found"
        self._write(f"{self.title}: {what}, {time.monotonic() - self.began:.0f} s", force=installing)

    def close(self, sentence: str) -> None:
        self._write(f"{self.title}: {sentence}", force=True)
        if self.terminal:
            sys.stderr.write("\n")

    def _write(self, line: str, *, force: bool) -> None:
        now = time.monotonic()
        if not self.terminal and not force and now - self.last < EVERY:
            return
        self.last = now
        sys.stderr.write(f"\r\x1b[K{line}" if self.terminal else f"{line}\n")
        sys.stderr.flush()


def install(lock: Path, options: "list[str]") -> None:
    packages = len(re.findall(r"^[A-Za-z0-9]", lock.read_text(), re.MULTILINE))
    status = Status(f"Installing {lock.stem}", packages)
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
    command += ["--no-compile", "--progress-bar", "off", "--require-hashes", *options, "-r", str(lock)]
    began = time.monotonic()
    lines = []
    collected = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        for line in pip.stdout or ():
            lines.append(line.rstrip())
            collected += line.startswith(("Collecting", "Requirement already satisfied"))
            status.show(collected, line.startswith("Installing collected"))
    if pip.returncode:
        status.close("failed.")
        raise SystemExit(explain("\n".join(lines), lock))
    status.close(f"done in {time.monotonic() - began:.0f} s.")


def explain(output: str, lock: Path) -> str:
    """Return a sentence for common failures, and the end of pip's output for all others."""
    if UNREACHABLE.search(output):
        return (
            "The Python package index cannot be reached, or does not have what is needed. Check the network, or name "
            "a mirror with PIP_INDEX_URL, then run the same command again; what was fetched is kept."
        )
    if "No space left on device" in output:
        return "The disk is full. Make room for about 2 GB, then run the same command again."
    if found := NO_WHEEL.search(output):
        return f"{found[1]} has no wheel for Python {version(sys.version_info)} on this machine; {supported()}"
    return "\n".join([*output.splitlines()[-TAIL:], f"pip could not install {lock}."])


def version(numbers: "Sequence[object]") -> str:
    return ".".join(str(number) for number in numbers[:2])


def supported() -> str:
    return (
        f"Undertone runs on Python {version(SUPPORTED[0])} to {version(SUPPORTED[1])}. "
        "Remove the environment (make clean) and name another Python: make run PYTHON=python3.13"
    )


def main(arguments: "list[str]") -> None:
    if not SUPPORTED[0] <= sys.version_info[:2] <= SUPPORTED[1]:
        raise SystemExit(f"This is Python {version(sys.version_info)}. {supported()}")
    lock, *options = arguments
    pinned = re.search(r"^pip==(\S+)", PIP_LOCK.read_text(), re.MULTILINE)
    assert pinned is not None  # noqa: S101 - the lock file is ours
    found = subprocess.run([sys.executable, "-m", "pip", "--version"], check=True, capture_output=True, text=True)
    if found.stdout.split()[1] != pinned[1]:
        install(PIP_LOCK, ["--only-binary", ":all:"])
    install(Path(lock), options or ["--only-binary", ":all:"])


if __name__ == "__main__":
    main(sys.argv[1:])
