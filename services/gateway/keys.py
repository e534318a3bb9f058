"""API keys over HTTP: list, create and revoke those of the caller's tenant; a key is returned only when it is created.

Only a key with `admin`, which has every scope, creates keys: none grants a scope that its creator lacks.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from services.gateway.dependencies import Admin, Gateway
from shared.domain.error import InvalidRequest, NotFound
from shared.domain.tenant import ApiKey, Scope
from shared.infra.key_verifier import make_key
from shared.infra.web.openapi import error_responses

PATH = "/v1/keys"

router = APIRouter(tags=["keys"])


class KeyRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    scopes: Annotated[frozenset[Scope], Field(min_length=1)]
    name: Annotated[str, Field(max_length=200)] = ""
    days: Annotated[int | None, Field(ge=1, le=3650, description="Days until it expires; never if omitted")] = None


class KeyView(BaseModel):
    id: str
    name: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute")
    usable: bool = Field(description="Neither revoked nor expired")


class NewKeyView(KeyView):
    key: str = Field(description="The key itself; it is not shown again")


class KeyList(BaseModel):
    items: tuple[KeyView, ...]


def key_view(key: ApiKey, now: datetime) -> KeyView:
    shown = key.model_dump(include=set(KeyView.model_fields) - {"scopes", "usable"})
    return KeyView(**shown, scopes=tuple(sorted(key.scopes)), usable=key.usable(now))


@router.get(PATH, summary="List the keys, without their secrets")
def list_keys(gateway: Gateway, caller: Admin) -> KeyList:
    now = gateway.clock()
    return KeyList(items=tuple(key_view(key, now) for key in gateway.keys.list(caller.tenant)))


@router.post(PATH, status_code=201, responses=error_responses(InvalidRequest), summary="Create a key")
def create_key(gateway: Gateway, caller: Admin, wanted: KeyRequest) -> NewKeyView:
    now = gateway.clock()
    expires = now + timedelta(days=wanted.days) if wanted.days else None
    _check_expiry(gateway.keys.find(caller.key_id) if caller.key_id else None, expires)
    text, key = make_key(caller.tenant, wanted.scopes, now, name=wanted.name, expires_at=expires)
    gateway.keys.add(key)
    gateway.record_audit(caller, "key.created", key.id, scopes=[*sorted(key.scopes)], days=wanted.days)
    return NewKeyView(**key_view(key, now).model_dump(), key=text)


def _check_expiry(own: ApiKey | None, expires: datetime | None) -> None:
    """A key that expires must not create one that outlives it: its rights would not end."""
    if own is not None and own.expires_at is not None and (expires is None or expires > own.expires_at):
        raise InvalidRequest(
            f"The new key would outlive the key that creates it, which expires on {own.expires_at:%Y-%m-%d}.",
            hint="Ask for fewer days, or create it with a key that does not expire.",
        )


@router.delete(
    PATH + "/{key_id}", status_code=204, responses=error_responses(NotFound), summary="Revoke a key and its sessions"
)
def revoke_key(gateway: Gateway, caller: Admin, key_id: str) -> None:
    gateway.keys.revoke(caller.tenant, key_id)
    gateway.record_audit(caller, "key.revoked", key_id)
