"""A TCP proxy in front of a server that forwards all bytes, or refuses, delays or cuts connections."""

from __future__ import annotations

import contextlib
import socket
import threading
from enum import StrEnum

BLOCK = 1 << 16


class ProxyMode(StrEnum):
    PASS = "pass"  # noqa: S105 - no password
    REFUSE = "refuse"  # no connection is accepted
    HANG = "hang"  # connections are accepted, and no byte passes
    CUT = "cut"  # connections are reset after the first block of each response


class Proxy:
    def __init__(self, port: int, target: int) -> None:
        self._port, self._target = port, target
        self._mode = ProxyMode.PASS
        self._passing = threading.Event()
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self.switch(ProxyMode.PASS)

    def switch(self, mode: ProxyMode) -> None:
        """Change the mode; open connections are closed, so that the fault also affects them, unless they hang."""
        self._mode = mode
        if mode is ProxyMode.HANG:
            self._passing.clear()
        else:
            self._passing.set()
            for connection in list(self._open):
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        if mode is ProxyMode.REFUSE and self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener = None
        elif mode is not ProxyMode.REFUSE and self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self._port), backlog=128)
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with listener, contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._open |= {client, server}
                threading.Thread(target=self._copy, args=(client, server, False), daemon=True).start()
                threading.Thread(target=self._copy, args=(server, client, True), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket, response: bool) -> None:
        with contextlib.suppress(OSError):
            while block := source.recv(BLOCK):
                self._passing.wait()
                cut = response and self._mode is ProxyMode.CUT
                sink.sendall(block[: len(block) // 2] if cut else block)
                if cut:
                    break
        for connection in (source, sink):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._open.discard(source)
        source.close()
