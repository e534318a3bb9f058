"""Secrets of a deployment in containers: made at the first start, or taken from the operator, and kept in volumes.

Each secret has a volume of its own, so that a container can be given those that it needs and no others.
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
# They become parts of addresses and of configuration files: signs that mean something there are not taken.
PLAIN = re.compile(r"[A-Za-z0-9._~-]{16,200}")


def _plain(name: str, value: str) -> None:
    if not PLAIN.fullmatch(value):
        raise InvalidSetting(
            f"{name} must be 16 to 200 letters, digits or any of . _ ~ -", hint=f"{name}=$(openssl rand -hex 24)"
        )


def _sealing(_name: str, value: str) -> None:
    SecretCipher([key.strip() for key in value.split(",") if key.strip()])


@dataclass(frozen=True, slots=True)
class Secret:
    """`unless` names the setting of a server outside, whose secret is in its address and not ours to make."""

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


def keep_secrets(given: Mapping[str, str], folder: Path = FOLDER) -> list[str]:
    """Write what was given, make what is missing; the variables whose secrets were made now."""
    if missing := _missing(given):
        raise InvalidSetting(
            f"{BIND}={given[BIND]} opens the service to others, so its secrets must be ones that you keep: "
            f"set {', '.join(missing)}.",
            hint="`docker compose run --rm secrets print >> .env` writes down those that were made here.",
        )
    made = []
    for secret in SECRETS:
        path = folder / secret.path
        value = given.get(secret.variable, "")
        if value:
            secret.check(secret.variable, value)
        elif path.exists():
            continue
        else:
            value = secret.make()
            made.append(secret.variable)
        _write(path, value)
    return made


def kept_secrets(folder: Path = FOLDER) -> dict[str, str]:
    return {
        secret.variable: (folder / secret.path).read_text() for secret in SECRETS if (folder / secret.path).is_file()
    }


def _missing(given: Mapping[str, str]) -> list[str]:
    if is_loopback(given.get(BIND) or "127.0.0.1"):
        return []
    wanted = [secret for secret in SECRETS if not (secret.unless and given.get(secret.unless))]
    if not given.get("STORAGE__BUCKET"):
        wanted = [secret for secret in wanted if secret.variable != "OBJECTS_SECRET_KEY"]
    return [secret.variable for secret in wanted if not given.get(secret.variable)]


def _write(path: Path, value: str) -> None:
    """Readable by all: each volume is mounted only where its secret is needed, by users of different numbers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".new")
    aside.write_text(value)
    aside.chmod(0o444)
    aside.replace(path)
