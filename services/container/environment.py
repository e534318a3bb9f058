"""A service's settings in a container: the operator's, and addresses that contain secrets from files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

FOLDER = Path("/secrets")
REDIS = "redis://:{}@redis:6379/0"
POSTGRES = "postgresql://undertone:{}@postgres:5432/undertone"
OBJECTS = "http://objects:7070"
OBJECTS_KEY_ID = "undertone"


def environment(variables: Mapping[str, str], folder: Path = FOLDER) -> dict[str, str]:
    """The variables to add; a container without a secret's volume gets no setting that needs it."""
    added: dict[str, str] = {}
    for name, path, form in (
        ("REDIS__URL", "redis/password", REDIS),
        ("DATABASE__URL", "postgres/password", POSTGRES),
        ("SECRETS__KEYS", "sealing/keys", "{}"),
    ):
        if not variables.get(name) and (folder / path).is_file():
            added[name] = form.format((folder / path).read_text())
    if not variables.get("PUBLIC__URL") and variables.get("UNDERTONE_PUBLIC_HOST"):
        added["PUBLIC__URL"] = f"http://{variables['UNDERTONE_PUBLIC_HOST']}:{variables['UNDERTONE_PORT']}"
    bundled_store = variables.get("STORAGE__BUCKET") and variables.get("STORAGE__ENDPOINT") == OBJECTS
    if bundled_store and not variables.get("STORAGE__SECRET_KEY"):
        added["STORAGE__ACCESS_KEY"] = OBJECTS_KEY_ID
        added["STORAGE__SECRET_KEY"] = (folder / "objects/secret_key").read_text()
    return added
