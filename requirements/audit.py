"""Check the locked packages against PyPI's database of known vulnerabilities; fail if one is affected."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
LOCKS = ("default", "web", "worker", "telemetry")


def audit(lock: Path) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner", "off"]
    done = subprocess.run([*command, "--format", "json", "-r", str(lock)], check=False, capture_output=True, text=True)
    packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    return packages


def main() -> int:
    status = 0
    for name in LOCKS:
        packages = audit(FOLDER / f"{name}.txt")
        known = [package for package in packages if "skip_reason" not in package]
        affected = [package for package in known if package["vulns"]]
        sys.stdout.write(f"{name}: {len(known)} of {len(packages)} packages looked up, {len(affected)} affected\n")
        for package in affected:
            ids = ", ".join(vulnerability["id"] for vulnerability in package["vulns"])
            sys.stdout.write(f"  {package['name']} {package['version']}: {ids}\n")
        if not known:
            sys.stdout.write("  The database cannot be reached: nothing was looked up.\n")
        status = 1 if affected else status
    return status


if __name__ == "__main__":
    sys.exit(main())
