"""`docker-compose.yml` with its variables substituted, for the tests of Compose and Kubernetes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import yaml

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
VARIABLE = re.compile(r"\$\{([A-Z_]+)(:[-?]([^}]*))?\}")


def project(**variables: str) -> dict[str, Any]:
    """Substitute the file's variables, as Compose does."""

    def substitute(match: re.Match[str]) -> str:
        return variables.get(match[1], match[3] or "")

    return cast("dict[str, Any]", yaml.safe_load(VARIABLE.sub(substitute, TEXT.replace("$$", "$"))))


SERVICES: dict[str, dict[str, Any]] = project()["services"]
