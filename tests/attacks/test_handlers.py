"""Handlers that hang: their clients get a response in time, and other tenants are served."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from fastapi import APIRouter

from services.gateway.settings import GatewaySettings
from shared.domain.tenant import Scope
from shared.infra.database.engine import open_database
from shared.infra.database.keys import SqlKeyStore
from shared.infra.key_verifier import make_key
from shared.infra.web import handler_limit
from shared.infra.web.application import WebService, create_application
from tests.gateway.serving import running
from tests.stores import Stores

REQUESTS = 30
LIMIT_SECONDS = 1.5
BUSY_SECONDS = 10.0  # a busy machine


class Handlers:
    """Counts the handlers that run at the same time until they are released."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.count = self.most = 0
        self._lock = threading.Lock()

    def hang(self) -> str:
        with self._lock:
            self.count += 1
            self.most = max(self.most, self.count)
        self.released.wait(60)
        with self._lock:
            self.count -= 1
        return "late"

    def work(self) -> str:
        return "in time"

    def router(self) -> APIRouter:
        router = APIRouter()
        router.get("/v1/hang")(self.hang)
        router.get("/v1/work")(self.work)
        return router


@pytest.fixture
def handlers() -> Iterator[Handlers]:
    made = Handlers()
    yield made
    made.released.set()


def test_hanging_handlers_of_one_tenant_end_and_leave_threads_to_others(
    stores: Stores, handlers: Handlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler_limit, "LIMIT_SECONDS", LIMIT_SECONDS)
    database = open_database(stores.database_url)
    store, texts = SqlKeyStore(database), {}
    for tenant in ("ours", "theirs"):
        store.ensure_tenant(tenant)
        texts[tenant], key = make_key(tenant, set(Scope), database.now)
        store.add(key)
    service = WebService(name="x", context=None, routers=[handlers.router()], checks={})
    app = create_application([service], GatewaySettings(), database)
    with running(app) as url, ThreadPoolExecutor(REQUESTS) as threads:

        def get(tenant: str, path: str) -> httpx.Response:
            return httpx.get(url + path, headers={"Authorization": f"Bearer {texts[tenant]}"}, timeout=60)

        hanging = [threads.submit(get, "theirs", "/v1/hang") for _ in range(REQUESTS)]
        time.sleep(0.5)
        began = time.monotonic()
        assert get("ours", "/v1/work").json() == "in time"
        assert time.monotonic() - began < BUSY_SECONDS
        for one in hanging:
            answer = one.result(LIMIT_SECONDS + 2 * BUSY_SECONDS)
            assert (answer.status_code, answer.json()["code"]) == (503, "request_timeout")
            assert int(answer.headers["retry-after"]) > 0
        assert handlers.most == handlers.count == handler_limit.MAX_RUNNING_PER_TENANT
        assert get("theirs", "/v1/work").status_code == 503, "its slots are occupied"
        handlers.released.set()
        assert get("theirs", "/v1/work").json() == "in time"
    database.close()
