"""Settings and secrets in a cluster: those of `.env.example` and of docker-compose.yml, and no value of a secret."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from tests.container.compose_file import SERVICES
from tests.container.manifests import RENDERED, container, environment, generated, megabytes, of_kind, pods
from tests.container.settings_read import ELSEWHERE, READ, example, read_by

NAMES = sorted(pods())
# Values of settings.env that are not the default, and why.
CHANGED = {
    "ENGINES__THREADS": "2",  # the CPUs of a worker's limit, not all of its node
    "WORKER__MEMORY_PER_PROCESS_MB": "3072",  # below the memory limit: replaced, not killed
    "OUTBOUND__OWN_HOSTS": "edge,gateway,results",  # the Services
}
KEPT_IN = {  # which volume of compose holds what the Secret has under these keys
    "postgres": {"DATABASE__URL"},
    "redis": {"REDIS__URL"},
    "sealing": {"SECRETS__KEYS"},
    "objects": {"STORAGE__ACCESS_KEY", "STORAGE__SECRET_KEY"},
}
SECRET = {
    f"{room.model_config['env_prefix']}{name}".upper()
    for rooms in READ.values()
    for room in rooms
    for name, field in room.model_fields.items()
    if field.annotation is SecretStr
}


def test_no_secret_is_in_the_manifests() -> None:
    for name in RENDERED:
        assert not of_kind("Secret", name)
        assert not SECRET & set(generated("settings", name))
    for name in NAMES:
        for setting, given in environment(name).items():
            assert ("valueFrom" in given) == (setting in SECRET), setting


@pytest.mark.parametrize("name", sorted(READ))
def test_a_pod_gets_the_secrets_of_its_container_and_no_other(name: str) -> None:
    volumes = {volume.partition(":")[0] for volume in SERVICES[name]["volumes"]}
    expected = {key for secret, keys in KEPT_IN.items() if f"secrets-{secret}" in volumes for key in keys}
    found = {}
    for setting, given in environment(name).items():
        if "valueFrom" in given:
            found[setting] = given["valueFrom"]["secretKeyRef"]
            assert (found[setting]["name"], found[setting]["key"]) == ("undertone", setting)
    assert set(found) == expected | {"TELEMETRY__HEADERS"}
    optional = {setting for setting, reference in found.items() if reference.get("optional")}
    assert optional == set(found) - {"DATABASE__URL", "REDIS__URL", "SECRETS__KEYS"}


@pytest.mark.parametrize("name", sorted(READ))
def test_every_setting_that_a_service_reads_reaches_it(name: str) -> None:
    (source,) = container(pods()[name])["envFrom"]
    assert source["configMapRef"]["name"].startswith("settings-")
    assert read_by(name) <= set(generated("settings")) | set(environment(name))


def test_the_settings_are_those_of_the_example_with_their_defaults() -> None:
    fixed = {setting for name in READ for setting in environment(name)} - {"WORKER__PROCESSES"}
    expected = {
        setting: default
        for setting, default in example().items()
        if "__" in setting and setting not in fixed | ELSEWHERE - {"ENGINES__HUB_URL"}
    }
    assert generated("settings") == expected | CHANGED


def test_the_settings_are_read_as_their_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    rooms = {room for rooms in READ.values() for room in rooms}
    defaults = {room: room() for room in rooms}
    for setting, value in generated("settings").items():
        if setting not in CHANGED:
            monkeypatch.setenv(setting, value)
    assert {room: room() for room in rooms} == defaults


@pytest.mark.parametrize("name", ["worker-cpu", "worker-gpu"])
def test_a_worker_uses_the_cpus_and_the_memory_that_it_has(name: str) -> None:
    settings, limits = generated("settings"), container(pods()[name])["resources"]["limits"]
    processes = int(settings["WORKER__PROCESSES"])
    assert int(settings["ENGINES__THREADS"]) * processes == int(limits["cpu"])
    assert int(settings["WORKER__MEMORY_PER_PROCESS_MB"]) * processes < megabytes(limits["memory"])
    assert environment(name)["WORKER__QUEUES"]["value"] == SERVICES[name]["environment"]["WORKER__QUEUES"]
