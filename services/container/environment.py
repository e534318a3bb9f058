"""A service's settings in a container: what the operator set, and addresses made with the secrets in their files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

FOLDER = Path("/secrets")
REDIS = "redis://:{}@redis:6379/0"
POSTGRES = "postgresql://undertone:{}@postgres:5432/undertone"
OBJECTS = "http://objects:7070"
OBJECTS_KEY_ID = "undertone"


def environment(given: Mapping[str, str], folder: Path = FOLDER) -> dict[str, str]:
    """What is to be set besides; a container without a secret's volume gets no setting that needs it."""
    found: dict[str, str] = {}
    for name, path, form in (
        ("REDIS__URL", "redis/password", REDIS),
        ("DATABASE__URL", "postgres/password", POSTGRES),
        ("SECRETS__KEYS", "sealing/keys", "{}"),
    ):
        if not given.get(name) and (folder / path).is_file():
            found[name] = form.format((folder / path).read_text())
    if not given.get("PUBLIC__URL") and given.get("UNDERTONE_PUBLIC_HOST"):
        found["PUBLIC__URL"] = f"http://{given['UNDERTONE_PUBLIC_HOST']}:{given['UNDERTONE_PORT']}"
    ours = given.get("STORAGE__BUCKET") and given.get("STORAGE__ENDPOINT") == OBJECTS
    if ours and not given.get("STORAGE__SECRET_KEY"):
        found["STORAGE__ACCESS_KEY"] = OBJECTS_KEY_ID
        found["STORAGE__SECRET_KEY"] = (folder / "objects/secret_key").read_text()
    return found
