"""`docker-compose.yml` as compose reads it, for the tests of compose and of Kubernetes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import yaml

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
VARIABLE = re.compile(r"\$\{([A-Z_]+)(:[-?]([^}]*))?\}")


def project(**given: str) -> dict[str, Any]:
    """The file with its variables filled in, as compose does it."""

    def filled(found: re.Match[str]) -> str:
        return given.get(found[1], found[3] or "")

    return cast("dict[str, Any]", yaml.safe_load(VARIABLE.sub(filled, TEXT.replace("$$", "$"))))


SERVICES: dict[str, dict[str, Any]] = project()["services"]
