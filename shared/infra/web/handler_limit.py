"""Middleware that bounds how long a client waits for a handler, and how many handlers run for one tenant."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection
from contextlib import ExitStack

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.domain.error import RequestTimeout
from shared.infra.web.problems import error_response

LIMIT_SECONDS = 60.0  # until the response starts
MAX_RUNNING_PER_TENANT = 4  # of the 40 threads in which handlers run: each competes for the interpreter lock


class HandlerLimit:
    """Answers with 503 at the time limit. A thread cannot be stopped, so its handler keeps the slot of its tenant.

    `unlimited` are path prefixes of routes that limit themselves, such as uploads.
    """

    def __init__(self, app: ASGIApp, *, unlimited: Collection[str]) -> None:
        self._app = app
        self._unlimited = tuple(f"{prefix}/" for prefix in unlimited)
        self._slots: defaultdict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(MAX_RUNNING_PER_TENANT)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = scope.get("state", {}).get("caller")
        if caller is None or f"{scope['path']}/".startswith(self._unlimited):
            await self._app(scope, receive, send)
            return
        slots = self._slots[caller.tenant]
        try:
            async with asyncio.timeout(LIMIT_SECONDS) as limit:
                await slots.acquire()
        except TimeoutError:
            await _respond_late(scope, receive, send)
            return
        slot = ExitStack()
        slot.callback(slots.release)
        if not await self._answer(scope, receive, send, slot, until=limit.when() or 0.0):
            await _respond_late(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, slot: ExitStack, *, until: float) -> bool:
        """Run the handler; return False if the response has not started at `until`.

        The handler then continues and its response is dropped: a cancelled one would not count while its thread runs.
        """
        started, abandoned = asyncio.Event(), False

        async def send_in_time(message: Message) -> None:
            slot.close()
            if not abandoned:
                started.set()
                await send(message)

        handler = asyncio.create_task(self._run(scope, receive, send_in_time))
        handler.add_done_callback(lambda _: slot.close())
        waiting = asyncio.create_task(started.wait())
        try:
            left = until - asyncio.get_running_loop().time()
            done, _ = await asyncio.wait({handler, waiting}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if done:
                await handler
            abandoned = not done
        except asyncio.CancelledError:  # the server stops
            handler.cancel()
            raise
        finally:
            waiting.cancel()
        if abandoned:
            handler.add_done_callback(lambda task: task.cancelled() or task.exception())
        return not abandoned

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)  # which may return any awaitable, while a task needs a coroutine


async def _respond_late(scope: Scope, receive: Receive, send: Send) -> None:
    error = RequestTimeout(f"The request was not answered within {LIMIT_SECONDS:g} seconds.", hint="Repeat it later.")
    response = error_response(error, scope["path"])
    response.headers["Connection"] = "close"
    await response(scope, receive, send)
