"""`make sbom` lists every locked package and all weights, and refuses licences that are not on the list."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from requirements.sbom import LOCKS, Package, document, is_allowed, main, packages, refused
from shared.engines.weights.description import MODELS

REQUIREMENTS = Path(__file__).parents[2] / "requirements"


def test_every_locked_package_is_a_component_with_hashes_and_an_allowed_licence() -> None:
    found = packages()
    for lock in LOCKS:
        pinned = re.findall(r"^([a-z0-9-]+)(?:\[.*\])?==", (REQUIREMENTS / f"{lock}.txt").read_text(), re.MULTILINE)
        assert pinned and set(pinned) - {"httpx2-jsfetch"} <= set(found), "that one is only for Python in a browser"
    assert all(package.hashes for package in found.values())
    assert refused(found) == []
    components = {component["name"]: component for component in document(found)["components"]}
    numpy = components["numpy"]
    assert numpy["purl"] == f"pkg:pypi/numpy@{found['numpy'].version}"
    assert len(numpy["externalReferences"][0]["hashes"]) == len(found["numpy"].hashes)


def test_weights_are_components_with_the_hash_of_each_file() -> None:
    components = {component["name"]: component for component in document(packages())["components"]}
    base = components["faster-whisper:base"]
    hashes = {file["hashes"][0]["content"] for file in base["components"]}
    assert hashes and all(content in MODELS.read_text() for content in hashes)
    assert components["voice_cnn"]["licenses"] == [{"license": {"name": "CC BY-NC-SA 4.0"}}]


def test_the_document_is_valid_and_the_same_each_time(tmp_path: Path) -> None:
    validation = pytest.importorskip(
        "cyclonedx.validation.json", reason="cyclonedx is part of requirements/compose.txt"
    )
    schema = pytest.importorskip("cyclonedx.schema")
    files = [tmp_path / "a" / "sbom.json", tmp_path / "b" / "sbom.json"]
    assert [main(str(file)) for file in files] == [0, 0]
    text = files[0].read_text()
    assert text == files[1].read_text()
    assert validation.JsonStrictValidator(schema.SchemaVersion.V1_6).validate_str(text) is None
    refs = {component["bom-ref"] for component in json.loads(text)["components"]}
    assert all(set(edge["dependsOn"]) <= refs for edge in json.loads(text)["dependencies"])


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("GPL-2.0-only OR MIT AND BSD-3-Clause", True),
        ("(MIT OR Apache-2.0) AND GPL-3.0-only", False),
        ("", False),
    ],
)
def test_expressions_are_judged(expression: str, allowed: bool) -> None:
    assert is_allowed(expression) is allowed


def test_a_package_of_unknown_licence_is_refused() -> None:
    unknown = Package("no-such-package-here", "1.0", set())
    assert refused({unknown.name: unknown}) == ["no-such-package-here: unknown"]
