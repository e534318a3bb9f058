"""Write what an installation consists of as CycloneDX JSON, and fail if a licence is not on the list of allowed ones.

python requirements/sbom.py FILE

The packages are those of the lock files of the product, with the hashes of their files; the weights those that are
bundled and those that can be fetched.
"""

import json
import re
import sys
import tomllib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
LOCKS = ("default", "web", "worker", "telemetry")
RULES = tomllib.loads((FOLDER / "licences.toml").read_text())
LOCKED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;]+)(.*(?:\n +--hash=.*)*)", re.MULTILINE)
NAMESPACE = uuid.UUID("6f0bd1f4-52d5-4e0c-9a0e-5cbb4b9a3c0e")


@dataclass
class Package:
    """A locked package; `locks` are the lock files that contain it."""

    name: str
    version: str
    hashes: set[str]
    locks: list[str] = field(default_factory=list)

    @property
    def purl(self) -> str:
        return f"pkg:pypi/{self.name}@{self.version}"

    def licence(self) -> str:
        """The SPDX expression, or an empty text if it is unknown."""
        if declared := RULES["declared"].get(self.name):
            return str(declared)
        try:
            described = metadata.metadata(self.name).json
        except metadata.PackageNotFoundError:
            return ""
        if expression := described.get("license_expression"):
            return str(expression)
        names = [str(described.get("license", "")).split("\n")[0].strip()]
        names += [
            line.rpartition(" :: ")[2] for line in described.get("classifier", []) if line.startswith("License ::")
        ]
        known = (RULES["aliases"].get(name, name) for name in names)
        return next((name for name in known if name in RULES["packages"]), names[0])

    def requires(self, locked: set[str]) -> list[str]:
        try:
            lines = metadata.requires(self.name) or []
        except metadata.PackageNotFoundError:
            return []
        names = {normal(re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]) for line in lines}
        return sorted(names & locked - {self.name})


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def packages() -> dict[str, Package]:
    found: dict[str, Package] = {}
    for lock in LOCKS:
        for name, version, rest in LOCKED.findall((FOLDER / f"{lock}.txt").read_text().replace("\\\n", "\n")):
            if "and sys_platform == 'emscripten'" in rest:  # a browser's Python, on which the service does not run
                continue
            hashes = set(re.findall(r"--hash=sha256:([0-9a-f]{64})", rest))
            package = found.setdefault(normal(name), Package(normal(name), version, hashes))
            if package.version != version:
                raise SystemExit(f"{name} has the versions {package.version} and {version} in the lock files.")
            package.locks.append(lock)
    return found


def weights() -> Iterator[dict[str, Any]]:
    """The components of the weights that are bundled or can be fetched."""
    engines = ROOT / "shared/engines"
    for card in sorted((engines / "bundled").glob("*.json")):
        described = json.loads(card.read_text())
        if "sha256" in described:
            yield weight(described["name"], described["sha256"][:16], described["licence"], described["sha256"])
    for model in tomllib.loads((engines / "weights/models.toml").read_text())["model"]:
        files = [weight(file["path"], model["revision"], "", file["sha256"]) for file in model["files"]]
        yield {**weight(model["name"], model["revision"], model["licence"]), "components": files}


def weight(name: str, version: str, licence: str, sha256: str = "") -> dict[str, Any]:
    component: dict[str, Any] = {"type": "machine-learning-model" if licence else "file", "name": name}
    component["version"] = version
    if licence:
        component |= {"bom-ref": f"weights:{name}", "licenses": [{"license": {"name": licence}}]}
    if sha256:
        component["hashes"] = [{"alg": "SHA-256", "content": sha256}]
    return component


def library(package: Package) -> dict[str, Any]:
    hashes = [{"alg": "SHA-256", "content": content} for content in sorted(package.hashes)]
    url = f"https://pypi.org/project/{package.name}/{package.version}/"
    return {
        "type": "library",
        "bom-ref": package.purl,
        "name": package.name,
        "version": package.version,
        "purl": package.purl,
        "licenses": [{"expression": package.licence()}],
        "externalReferences": [{"type": "distribution", "url": url, "hashes": hashes}],
        "properties": [{"name": "undertone:lock", "value": lock} for lock in package.locks],
    }


def is_allowed(expression: str) -> bool:
    """Whether one alternative of an SPDX expression, or all names of one with parentheses, may be used."""
    names = [name for name in re.split(r" AND | OR |[()]", expression) if name.strip()]
    if "(" in expression:
        return bool(names) and all(name.strip() in RULES["packages"] for name in names)
    return any(all(name in RULES["packages"] for name in part.split(" AND ")) for part in expression.split(" OR "))


def refused(found: dict[str, Package]) -> list[str]:
    """One line for each package or weights whose licence is not allowed."""
    lines = [f"{package.name}: {package.licence() or 'unknown'}" for package in found.values()]
    bad = [line for line, package in zip(lines, found.values(), strict=True) if not is_allowed(package.licence())]
    for component in weights():
        licence = component["licenses"][0]["license"]["name"]
        if licence not in RULES["weights"]:
            bad.append(f"{component['name']}: {licence}")
    return bad


def document(found: dict[str, Package]) -> dict[str, Any]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    own = f"pkg:pypi/{project['name']}@{project['version']}"
    components = [*(library(package) for package in found.values()), *weights()]
    root = {"type": "application", "bom-ref": own, "name": project["name"], "version": project["version"]}
    edges = {own: sorted(component["bom-ref"] for component in components)}
    for package in found.values():
        edges[package.purl] = [found[name].purl for name in package.requires(set(found))]
    content: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**root, "licenses": [{"license": {"id": project["license"]}}]}},
        "components": components,
        "dependencies": [{"ref": ref, "dependsOn": needed} for ref, needed in edges.items()],
    }
    # The same packages give the same document.
    serial = uuid.uuid5(NAMESPACE, json.dumps(content, sort_keys=True))
    return {**content, "serialNumber": f"urn:uuid:{serial}"}


def main(file: str) -> int:
    found = packages()
    target = Path(file)
    target.parent.mkdir(parents=True, exist_ok=True)
    made = document(found)
    target.write_text(json.dumps(made, indent=2) + "\n")
    licences: dict[str, int] = {}
    for package in found.values():
        licences[package.licence()] = licences.get(package.licence(), 0) + 1
    for licence, count in sorted(licences.items(), key=lambda item: (-item[1], item[0])):
        sys.stdout.write(f"{count:4} {licence or 'unknown'}\n")
    sys.stdout.write(f"{len(found)} packages and {len(made['components']) - len(found)} weights in {target}\n")
    bad = refused(found)
    for line in bad:
        sys.stdout.write(f"not allowed: {line} (requirements/licences.toml)\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
