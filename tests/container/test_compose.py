"""Checks of `docker-compose.yml`: errors that `docker compose config` finds, and our own requirements."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis
import yaml

from services.container.__main__ import MODULES
from services.container.health import START_GRACE_SECONDS, TIMEOUT_SECONDS
from services.container.secret_files import store_secrets, stored_secrets
from services.worker.settings import WorkerSettings
from shared.infra.redis_server import find_server
from tests.container.compose_file import ROOT, SERVICES, TEXT, VARIABLE, project
from tests.container.settings_read import READ, example, read_by

NAMES = sorted(SERVICES)


def test_a_dependency_on_health_has_a_health_check() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            match how["condition"]:
                case "service_healthy":
                    assert "healthcheck" in SERVICES[other], f"{name} waits for {other}"
                case "service_started":
                    assert other in ("postgres", "redis"), f"{name} does not wait for {other} without Compose"
                case _:
                    assert SERVICES[other]["restart"] == "no", f"{other} never completes"


def test_the_edge_starts_after_the_web_services_are_healthy() -> None:
    conditions = {name: how["condition"] for name, how in SERVICES["edge"]["depends_on"].items()}
    assert conditions == {"gateway": "service_healthy", "results": "service_healthy"}


@pytest.mark.parametrize("name", [name for name in NAMES if "healthcheck" in SERVICES[name]])
def test_health_checks_have_the_same_intervals(name: str) -> None:
    """Compose refuses `start_interval` on an engine before 25; with `start_period` a later one checks every 5 s."""
    assert not {"start_interval", "start_period"} & set(SERVICES[name]["healthcheck"])


@pytest.mark.parametrize("name", ["gateway", "results", "courier", "dispatcher", "worker-cpu", "worker-gpu"])
def test_a_health_check_has_enough_time(name: str) -> None:
    assert int(SERVICES[name]["healthcheck"]["timeout"].removesuffix("s")) > START_GRACE_SECONDS + TIMEOUT_SECONDS


@pytest.mark.parametrize("name", NAMES)
def test_a_container_has_minimal_privileges(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"] and "cap_add" not in service and "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service["user"].startswith("0") and ":" in service["user"]
    assert service["mem_limit"] and service["pids_limit"]
    assert not any("docker.sock" in str(volume) for volume in service.get("volumes", ()))


def test_one_port_is_published_on_loopback_only() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"edge": ["127.0.0.1:8000:8080"]}
    assert project(UNDERTONE_BIND="0.0.0.0")["services"]["edge"]["ports"] == ["0.0.0.0:8000:8080"]  # noqa: S104


def test_a_public_address_requires_checked_secrets() -> None:
    services = project(UNDERTONE_BIND="192.0.2.7")["services"]
    assert services["secrets"]["environment"]["UNDERTONE_BIND"] == "192.0.2.7"
    for name in ("redis", "postgres", "gateway", "results", "courier", "dispatcher", "worker-cpu", "worker-gpu"):
        assert services[name]["depends_on"]["secrets"] == {"condition": "service_completed_successfully"}


def test_every_image_and_build_argument_can_be_replaced() -> None:
    raw = yaml.safe_load(TEXT)["services"]
    for name, service in raw.items():
        assert VARIABLE.fullmatch(service["image"]), name
        for value in service.get("build", {}).get("args", {}).values():
            assert VARIABLE.fullmatch(value), name


def test_media_workers_have_no_internet_access() -> None:
    networks = project()["networks"]
    for name in ("worker-cpu", "worker-gpu", "dispatcher", "results", "redis", "postgres", "objects"):
        assert all(networks[network].get("internal") for network in SERVICES[name]["networks"]), name
    assert SERVICES["secrets"]["network_mode"] == "none"
    outside = {name for name, service in SERVICES.items() if "outside" in service.get("networks", ())}
    assert outside == {"gateway", "courier", "models"}


def test_internal_networks_cannot_reach_the_host() -> None:
    networks = project()["networks"]
    closed = {name for name, network in networks.items() if network.get("internal")}
    assert closed == {"front", "database", "queue", "storage"}
    for name in closed:
        assert networks[name]["driver_opts"] == {"com.docker.network.bridge.inhibit_ipv4": "true"}


@pytest.mark.parametrize("name", ["gateway", "results"])
def test_a_web_service_listens_on_the_edge_network_only(name: str) -> None:
    host = SERVICES[name]["environment"][f"{name.upper()}__HOST"]
    owners = [network for network, options in SERVICES[name]["networks"].items() if host in options.get("aliases", ())]
    assert owners == ["front"]


@pytest.mark.parametrize("image", sorted(set(re.findall(r"\b[a-z/-]+:[\w.-]+@?[\w:]*(?=})", TEXT)) - {""}))
def test_a_registry_image_is_pinned_by_digest(image: str) -> None:
    if not image.endswith(":local"):
        assert re.search(r"@sha256:[0-9a-f]{64}$", image)


def test_the_dockerfile_and_compose_use_the_same_base_images() -> None:
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text()
    for name in ("PYTHON_IMAGE", "CUDA_IMAGE"):
        inside = re.search(rf"^ARG {name}=(.*)$", dockerfile, re.MULTILINE)
        assert inside and f"${{{name}:-{inside[1]}}}" in TEXT


def test_a_secret_is_mounted_only_where_it_is_needed() -> None:
    def holders(secret: str) -> set[str]:
        volume = f"secrets-{secret}:/secrets/{secret}"
        return {
            name for name, service in SERVICES.items() if any(v.startswith(volume) for v in service.get("volumes", ()))
        }

    assert holders("sealing") == {"secrets", "gateway", "courier"}
    workers = {"worker-cpu", "worker-fast", "worker-gpu"}
    assert holders("objects") == {"secrets", "objects", "gateway", "results", "dispatcher", *workers}
    assert holders("redis") == {"secrets", "redis", "gateway", "dispatcher", *workers}
    for name, service in SERVICES.items():
        if name != "secrets":
            assert all(v.endswith(":ro") for v in service.get("volumes", ()) if v.startswith("secrets-")), name
            assert not {"POSTGRES_PASSWORD", "REDIS_PASSWORD"} & set(service.get("environment", {})), name


def test_containers_start_existing_services() -> None:
    entry = ["python", "-m", "services.container"]
    for name, service in SERVICES.items():
        if "build" in service:
            whole = [*service.get("entrypoint", entry), *service["command"]]
            assert whole[:3] == entry and whole[3] in {*MODULES, "secrets"}, name
            if name not in ("secrets", "models"):
                check = ["CMD", "python", "-I", "-S", "services/container/health.py", whole[3]]
                assert service["healthcheck"]["test"] == check


def test_only_the_fetch_of_weights_writes_them_and_workers_start_after_it() -> None:
    for name, service in SERVICES.items():
        mounts = [volume for volume in service.get("volumes", ()) if volume.startswith("models:")]
        if name in ("worker-cpu", "worker-fast", "worker-gpu"):
            assert mounts == ["models:/models:ro"]
            assert service["depends_on"]["models"] == {"condition": "service_completed_successfully"}
        elif name not in ("models", "secrets"):
            assert not mounts and "models" not in service.get("depends_on", {})
    assert SERVICES["models"]["restart"] == "no" and "profiles" not in SERVICES["models"]


@pytest.mark.parametrize("fetch", ["auto", "never"])
def test_the_fetch_of_weights_succeeds_without_a_source(fetch: str, tmp_path: Path) -> None:
    """Otherwise no worker would start on a machine without a network."""
    (_, *command), closed = SERVICES["models"]["entrypoint"], "http://127.0.0.1:9"
    sources = {"ENGINES__HUB_URL": closed, "PIP_INDEX_URL": closed, "PIP_CONFIG_FILE": os.devnull}
    folders = {"HOME": str(tmp_path), "ENGINES__MODELS_DIR": str(tmp_path / "models")}
    done = subprocess.run(
        [sys.executable, *command, *SERVICES["models"]["command"]],
        cwd=ROOT,
        env={"PATH": os.defpath, "ENGINES__FETCH": fetch, **sources, **folders},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stderr.splitlines()) == 1 and "Undertone continues without it" in done.stderr


def test_redis_is_persistent_and_requires_a_password() -> None:
    command = SERVICES["redis"]["entrypoint"][-1]
    assert "--appendonly yes" in command and "--maxmemory-policy noeviction" in command and "requirepass" in command


def test_redis_starts_and_accepts_only_the_password(tmp_path: Path) -> None:
    store_secrets({}, tmp_path / "secrets")
    (tmp_path / "redis-server").symlink_to(find_server())
    socket = tmp_path / "s"
    script = SERVICES["redis"]["entrypoint"][-1].rstrip()
    for inside, here in (("/tmp/", tmp_path), ("/data", tmp_path), ("/secrets/", tmp_path / "secrets")):  # noqa: S108
        script = script.replace(f" {inside}", f" {here}{'/' if inside.endswith('/') else ''}")
    server = subprocess.Popen(
        ["/bin/sh", "-ec", f"{script} --port 0 --unixsocket {socket}"],
        env={"PATH": f"{tmp_path}:{os.defpath}"},
        stdout=subprocess.DEVNULL,
    )
    try:
        password = stored_secrets(tmp_path / "secrets")["REDIS_PASSWORD"]
        client = redis.Redis(unix_socket_path=str(socket), password=password)
        for _ in range(100):
            if socket.exists():
                break
            time.sleep(0.1)
        assert client.ping()
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        client.close()
        stranger = redis.Redis(unix_socket_path=str(socket))
        with pytest.raises(redis.AuthenticationError):
            stranger.ping()
        stranger.close()
    finally:
        server.terminate()
        server.wait(10)


@pytest.mark.parametrize("name", ["worker-cpu", "worker-gpu"])
def test_a_worker_has_time_to_requeue_its_stage(name: str) -> None:
    grace = int(SERVICES[name]["stop_grace_period"].removesuffix("s"))
    assert grace > WorkerSettings().shutdown_seconds + 60  # and for unresponsive native code


@pytest.mark.parametrize("name", sorted(READ))
def test_every_setting_of_a_service_is_passed_to_it(name: str) -> None:
    assert read_by(name) <= set(SERVICES[name]["environment"])


def test_every_mount_is_declared_and_used() -> None:
    whole = project()
    mounted = {
        volume.partition(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", ())
        if not volume.startswith(".")
    }
    assert mounted == set(whole["volumes"])
    assert {network for service in SERVICES.values() for network in service.get("networks", ())} == set(
        whole["networks"]
    )
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            if volume.startswith("."):
                assert (ROOT / volume.partition(":")[0]).is_file()


def test_the_edge_routes_every_path_to_its_service() -> None:
    conf = (ROOT / "docker" / "edge" / "nginx.conf").read_text()
    routes = dict(re.findall(r"location ((?:[=~] )?\S+) \{ proxy_pass \$(\w+); \}", conf))
    assert routes.pop("/") == "gateway"
    assert set(routes.values()) == {"results"}
    assert {"/v1/transcripts", "= /v1/search", "= /", "/meetings/", "/page/"} <= set(routes)
    media = next(route for route in routes if route.startswith("~")).removeprefix("~ ")
    assert re.search(media, "/v1/jobs/0a1b/media")
    assert not re.search(media, "/v1/jobs/0a1b/events")
    logged = re.search(r"log_format(.*?);", conf, re.DOTALL)
    assert logged and not re.search(r"\$(request\b|request_uri|uri|args|http_)", logged[1]), (
        "a log line contains request data"
    )


def test_compose_accepts_the_files() -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], check=False, capture_output=True).returncode:
        pytest.skip("`docker compose` is not installed")
    given = {"UNDERTONE_TLS_FOLDER": "/tls", "DATABASE__URL": "postgresql://x", "REDIS__URL": "redis://x"}
    for more in ([], ["-f", "docker/tls.yml"], ["-f", "docker/own-state.yml"]):
        files = ["-f", "docker-compose.yml", *more]
        done = subprocess.run(
            [docker, "compose", *files, "--profile", "*", "config", "-q"],
            cwd=ROOT,
            env={**os.environ, **given},
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr


def test_env_example_contains_every_variable_with_its_default() -> None:
    settings = example()
    for name, _, default in VARIABLE.findall(re.sub(r"#.*", "", TEXT)):
        assert name in settings, name
        if "__" not in name:  # a container may need another default for our settings
            assert settings[name] == default, name
