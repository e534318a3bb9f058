"""Who asks: a key's tenant and scopes, or on a machine of one's own nobody but its user."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Annotated, cast
from urllib.parse import urlsplit

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import JsonValue
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.domain.error import AccessError, KeyRefused, ScopeMissing, SettingUnusable
from shared.domain.tenant import Scope
from shared.domain.value import Value
from shared.infra.database.engine import Clock, utc_now
from shared.infra.keys import Doorkeeper
from shared.ports.keys import KeyStore

LOCAL_TENANT = "local"


class AccessSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="ACCESS__", frozen=True)

    keyless: bool = False
    """Ask for no key: for one machine and its one user. A service that listens on anything but a loopback address
    refuses to start with it."""


class Caller(Value):
    """Who asks, as every query and every line of the audit trail needs it."""

    tenant: str
    key_id: str | None = None  # None: the user of this machine, without a key
    scopes: frozenset[Scope]
    defaults: Mapping[str, JsonValue] = {}
    address: str | None = None

    def may(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def need(self, scope: Scope) -> None:
        if not self.may(scope):
            raise ScopeMissing(
                f"This key may not do that: it has no {scope}.", mend=f"Ask for a key with the scope {scope}."
            )


class Admission:
    """The check at the door; with `keyless`, whoever stands on this machine is its user."""

    def __init__(self, keys: KeyStore, *, keyless: bool = False, clock: Clock = utc_now) -> None:
        self._doorkeeper = Doorkeeper(keys, clock)
        self._keyless = keyless
        if keyless:
            keys.ensure_tenant(LOCAL_TENANT)

    def admit(self, presented: str | None, request: Request) -> Caller:
        """The caller behind this key; a dialect takes the key from where its vendor puts it."""
        address = request.client.host if request.client else None
        if self._keyless:
            check_own_page(request.headers)
            return Caller(tenant=LOCAL_TENANT, scopes=frozenset(Scope), address=address)
        if not presented:
            raise KeyRefused("There is no key.", mend="Send the header Authorization: Bearer ut_…")
        key = self._doorkeeper.admit(presented)
        return Caller(tenant=key.tenant, key_id=key.id, scopes=key.scopes, defaults=key.defaults, address=address)


def check_keyless(keyless: bool, bound_to: str) -> None:
    """Before a service starts: without keys it may be reached from its own machine only."""
    if keyless and not _is_loopback(bound_to):
        raise SettingUnusable(
            "Without keys a service must listen on a loopback address, or anybody could read every meeting.",
            mend="Listen on 127.0.0.1, or set ACCESS__KEYLESS=false and make keys.",
        )


def check_own_page(headers: Mapping[str, str]) -> None:
    """A page from elsewhere that reaches a loopback address must not drive it (DNS rebinding, forms, images)."""
    host = headers.get("host", "")
    origin = headers.get("origin")
    named = _is_loopback(_hostname(f"//{host}"))
    own = origin is None or origin in (f"http://{host}", f"https://{host}")
    same_site = headers.get("sec-fetch-site", "none") in ("none", "same-origin")
    if not (named and own and same_site):
        raise AccessError(
            "Without a key, only this machine's own pages and programs are answered.",
            mend="Call it as http://localhost or http://127.0.0.1, and not from another site's page.",
        )


def _hostname(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


_BEARER = HTTPBearer(auto_error=False, description="A key: `ut_<id>_<secret>`. None is needed in keyless mode.")


def caller(request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]) -> Caller:
    """A dependency: the caller of this request. The application keeps its Admission in `app.state.admission`."""
    admission = cast("Admission", request.app.state.admission)
    return admission.admit(credentials.credentials if credentials else None, request)


def caller_with(*scopes: Scope) -> Callable[..., Caller]:
    """A dependency: the caller of this request, who must have all of these scopes."""

    def _caller(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]
    ) -> Caller:
        found = caller(request, credentials)
        for scope in scopes:
            found.need(scope)
        return found

    return _caller
