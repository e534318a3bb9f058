"""Serves an application whose event loop hangs at the first request; prints its port before."""

from __future__ import annotations

import asyncio
import ctypes
import sys

from starlette.types import Receive, Scope, Send

from shared.infra.web.listener import bound_sockets, make_server
from shared.infra.web.settings import WebSettings

HUNG_SECONDS = 3.0


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    ctypes.PyDLL(None).sleep(3600)  # a call that keeps the interpreter lock


def main() -> None:
    server = make_server(application, WebSettings(port=0))
    server.hung_seconds = HUNG_SECONDS
    sockets = bound_sockets("127.0.0.1", 0)
    sys.stdout.write(f"{sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    asyncio.run(server.serve(sockets))


if __name__ == "__main__":
    main()
