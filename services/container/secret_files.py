"""The secrets of a container deployment: generated at the first start or set by the operator, stored in volumes.

Each secret has its own volume, so that a container gets only the secrets that it needs.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.container.environment import FOLDER
from shared.domain.error import InvalidSetting
from shared.infra.secret_encryption import SecretCipher, new_key
from shared.infra.web.loopback import is_loopback

BIND = "UNDERTONE_BIND"
# Secrets become parts of URLs and configuration files, so characters with a meaning there are rejected.
PLAIN = re.compile(r"[A-Za-z0-9._~-]{16,200}")


def _plain(name: str, value: str) -> None:
    if not PLAIN.fullmatch(value):
        raise InvalidSetting(
            f"{name} must be 16 to 200 letters, digits or any of . _ ~ -", hint=f"{name}=$(openssl rand -hex 24)"
        )


def _sealing(_name: str, value: str) -> None:
    SecretCipher.from_text(value)


@dataclass(frozen=True, slots=True)
class Secret:
    """`unless` names the setting of an external server, whose address contains its own secret."""

    variable: str
    path: str
    make: Callable[[], str]
    check: Callable[[str, str], None] = _plain
    unless: str = ""


SECRETS = (
    Secret("REDIS_PASSWORD", "redis/password", lambda: secrets.token_hex(24), unless="REDIS__URL"),
    Secret("POSTGRES_PASSWORD", "postgres/password", lambda: secrets.token_hex(24), unless="DATABASE__URL"),
    Secret("SECRETS__KEYS", "sealing/keys", new_key, _sealing),
    Secret("OBJECTS_SECRET_KEY", "objects/secret_key", lambda: secrets.token_hex(24), unless="STORAGE__SECRET_KEY"),
)


def store_secrets(environment: Mapping[str, str], folder: Path = FOLDER) -> list[str]:
    """Write the configured secrets and generate missing ones; return the variables of the generated ones."""
    if missing := _missing(environment):
        raise InvalidSetting(
            f"{BIND}={environment[BIND]} makes the service reachable for others, so you must set its secrets yourself: "
            f"set {', '.join(missing)}.",
            hint="`docker compose run --rm secrets print >> .env` saves the secrets that were generated here.",
        )
    created = []
    for secret in SECRETS:
        path = folder / secret.path
        value = environment.get(secret.variable, "")
        if value:
            secret.check(secret.variable, value)
        elif path.exists():
            continue
        else:
            value = secret.make()
            created.append(secret.variable)
        _write(path, value)
    return created


def stored_secrets(folder: Path = FOLDER) -> dict[str, str]:
    return {
        secret.variable: (folder / secret.path).read_text() for secret in SECRETS if (folder / secret.path).is_file()
    }


def _missing(environment: Mapping[str, str]) -> list[str]:
    if is_loopback(environment.get(BIND) or "127.0.0.1"):
        return []
    required = [secret for secret in SECRETS if not (secret.unless and environment.get(secret.unless))]
    if not environment.get("STORAGE__BUCKET"):
        required = [secret for secret in required if secret.variable != "OBJECTS_SECRET_KEY"]
    return [secret.variable for secret in required if not environment.get(secret.variable)]


def _write(path: Path, value: str) -> None:
    """Readable for all users: each volume is mounted only where its secret is needed, by containers with other uids."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    temporary.write_text(value)
    temporary.chmod(0o444)
    temporary.replace(path)
