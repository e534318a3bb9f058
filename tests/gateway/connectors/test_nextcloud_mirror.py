"""The nginx configuration of docs/connectors.md, in front of a simulated Nextcloud and the gateway."""

from __future__ import annotations

import getpass
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from secrets import token_urlsafe

import httpx
import pytest
from pydantic import SecretStr

from services.gateway.connectors.settings import ConnectorsSettings, NextcloudSettings
from tests.gateway.conftest import Open
from tests.gateway.connectors.announcing import imported, imports, soon
from tests.gateway.connectors.test_nextcloud import ROOM, SECRET, signed
from tests.gateway.serving import MP4, Gateway
from tests.local_server import LocalServer, Reply, serving

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is missing")
DOCUMENT = Path(__file__).parents[3] / "docs" / "connectors.md"


@pytest.fixture
def gateway(opened: Open) -> Iterator[Gateway]:
    settings = NextcloudSettings(secret=SecretStr(SECRET), tenant="ours")
    with opened(connectors=ConnectorsSettings(nextcloud=settings)) as one:
        yield one


def configuration(folder: Path, port: int, gateway: Gateway, nextcloud: LocalServer) -> str:
    """The documented text with other addresses, and a plain proxy instead of PHP."""
    (block,) = re.findall(r"```nginx\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    upstream, server, php = re.split(r"\n# in the [^\n]*\n", block)
    upstream = upstream.replace("undertone.example.org:443", gateway.url.removeprefix("http://"))
    server = server.replace("proxy_pass https://", "proxy_pass http://").replace("undertone.example.org", "127.0.0.1")
    temporary = "".join(f"{kind}_temp_path {folder / kind};\n" for kind in ("client_body", "proxy", "fastcgi"))
    return (
        # The user counts only for root, whose workers could otherwise not write to the test's folder.
        f"user {getpass.getuser()}; daemon off; pid {folder / 'pid'}; error_log stderr;\nevents {{}}\n"
        f"http {{ access_log off; {temporary} uwsgi_temp_path {folder}; scgi_temp_path {folder};\n{upstream}\n"
        f"server {{ listen 127.0.0.1:{port};\n{server}\n"
        f"location / {{ {php}\nproxy_pass {nextcloud.url}; }} }} }}\n"
    )


@pytest.fixture
def nextcloud() -> Iterator[LocalServer]:
    with serving(Reply(body=b'{"ocs":{}}')) as server:
        yield server


@pytest.fixture
def address(tmp_path: Path, gateway: Gateway, nextcloud: LocalServer) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file = tmp_path / "nginx.conf"
    file.write_text(configuration(tmp_path, port, gateway, nextcloud))
    with (tmp_path / "nginx.log").open("wb") as log:
        process = subprocess.Popen([str(NGINX), "-c", str(file), "-p", str(tmp_path)], stderr=log)
        try:
            assert soon(lambda: answers(port) or process.poll() is not None)
            assert process.poll() is None, (tmp_path / "nginx.log").read_text()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_an_upload_reaches_nextcloud_and_becomes_a_job(address: str, gateway: Gateway, nextcloud: LocalServer) -> None:
    asked = httpx.post(f"{address}{ROOM}/request-upload", json={"owner": "ana"}, headers=signed())
    assert asked.status_code == 404 and not nextcloud.asked, "the recording server then sends one request"
    content = MP4 * 500  # more than nginx accepts by default
    answer = httpx.post(
        f"{address}{ROOM}/store",
        data={"owner": "ana"},
        files={"file": ("Recording.webm", content)},
        headers=signed(random=token_urlsafe(64)),
        timeout=30,
    )
    assert (answer.status_code, answer.content) == (200, b'{"ocs":{}}')
    (job,) = imported(gateway)
    assert job.job.recording.name == "Recording.webm"
    assert content in nextcloud.asked[0].body and nextcloud.asked[0].path == f"{ROOM}/store"


def test_other_requests_are_not_mirrored(address: str, gateway: Gateway, nextcloud: LocalServer) -> None:
    assert httpx.get(f"{address}/index.php/apps/files").status_code == 200
    assert [one.path for one in nextcloud.asked] == ["/index.php/apps/files"]
    assert not imports(gateway)
