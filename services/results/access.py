"""Authentication and the scopes that each route requires."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Request

from services.results.settings import ResultsSettings
from shared.domain.error import InvalidSetting
from shared.domain.tenant import Scope
from shared.infra.database.engine import Clock
from shared.infra.database.keys import SqlKeyStore
from shared.infra.keys import ApiKeyVerifier
from shared.infra.web.api_keys import KEYLESS_TENANT, Authenticator, Caller
from shared.infra.web.auth_middleware import caller_of
from shared.infra.web.loopback import is_loopback


def require_scopes(*scopes: Scope) -> Callable[[Request], Caller]:
    """Return a FastAPI dependency: the caller of the request, who must have all of these scopes."""

    def caller(request: Request) -> Caller:
        authenticated = caller_of(request)
        for scope in scopes:
            authenticated.require_scope(scope)
        return authenticated

    return caller


def make_authenticator(settings: ResultsSettings, keys: SqlKeyStore, clock: Clock) -> Authenticator:
    if not settings.keyless:
        return Authenticator(ApiKeyVerifier(keys, clock))
    if not is_loopback(settings.host):
        raise InvalidSetting(
            "Without keys a service must listen on a loopback address, otherwise anybody could read every meeting.",
            hint="Set RESULTS__HOST=127.0.0.1, or RESULTS__KEYLESS=false and create keys with `undertone keys create`.",
        )
    keys.ensure_tenant(KEYLESS_TENANT, "this machine")
    return Authenticator(None)
