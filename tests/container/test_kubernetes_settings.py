"""Settings and secrets in a cluster match `.env.example` and docker-compose.yml; manifests contain no secret values."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from tests.container.compose_file import SERVICES
from tests.container.manifests import RENDERED, container, environment, generated, megabytes, of_kind, pods
from tests.container.settings_read import ELSEWHERE, READ, example, read_by

NAMES = sorted(pods())
# Values of settings.env that differ from the default, with the reason.
CHANGED = {
    "ENGINES__THREADS": "2",  # a worker's CPU limit, not the node's CPUs
    "WORKER__MEMORY_PER_PROCESS_MB": "3072",  # below the memory limit, so that processes are replaced, not killed
    "OUTBOUND__OWN_HOSTS": "edge,gateway,results",  # names of the Services
}
KEPT_IN = {  # the Compose volume for each key of the Secret
    "postgres": {"DATABASE__URL"},
    "redis": {"REDIS__URL"},
    "sealing": {"SECRETS__KEYS"},
    "objects": {"STORAGE__ACCESS_KEY", "STORAGE__SECRET_KEY"},
}
SECRET = {
    f"{group.model_config['env_prefix']}{name}".upper()
    for groups in READ.values()
    for group in groups
    for name, field in group.model_fields.items()
    if field.annotation is SecretStr
}


def test_manifests_contain_no_secrets() -> None:
    for name in RENDERED:
        assert not of_kind("Secret", name)
        assert not SECRET & set(generated("settings", name))
    for name in NAMES:
        for setting, source in environment(name).items():
            assert ("valueFrom" in source) == (setting in SECRET), setting


@pytest.mark.parametrize("name", sorted(READ))
def test_a_pod_gets_only_the_secrets_of_its_container(name: str) -> None:
    volumes = {volume.partition(":")[0] for volume in SERVICES[name]["volumes"]}
    expected = {key for secret, keys in KEPT_IN.items() if f"secrets-{secret}" in volumes for key in keys}
    references = {}
    for setting, source in environment(name).items():
        if "valueFrom" in source:
            references[setting] = source["valueFrom"]["secretKeyRef"]
            assert (references[setting]["name"], references[setting]["key"]) == ("undertone", setting)
    assert set(references) == expected | {"TELEMETRY__HEADERS"} | ({"NOTES__KEY"} & read_by(name))
    optional = {setting for setting, reference in references.items() if reference.get("optional")}
    assert optional == set(references) - {"DATABASE__URL", "REDIS__URL", "SECRETS__KEYS"}


@pytest.mark.parametrize("name", sorted(READ))
def test_every_setting_of_a_service_is_passed_to_it(name: str) -> None:
    (source,) = container(pods()[name])["envFrom"]
    assert source["configMapRef"]["name"].startswith("settings-")
    assert read_by(name) <= set(generated("settings")) | set(environment(name))


def test_the_settings_match_the_example_and_its_defaults() -> None:
    fixed = {setting for name in READ for setting in environment(name)} - {"WORKER__PROCESSES"}
    expected = {
        setting: default
        for setting, default in example().items()
        if "__" in setting and setting not in fixed | ELSEWHERE - {"ENGINES__HUB_URL", "ENGINES__FETCH"}
    }
    assert generated("settings") == expected | CHANGED


def test_the_settings_are_parsed_to_their_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = {group for groups in READ.values() for group in groups}
    defaults = {group: group() for group in groups}
    for setting, value in generated("settings").items():
        if setting not in CHANGED:
            monkeypatch.setenv(setting, value)
    assert {group: group() for group in groups} == defaults


@pytest.mark.parametrize("name", ["worker-cpu", "worker-fast", "worker-gpu"])
def test_a_worker_uses_its_cpu_and_memory_limits(name: str) -> None:
    settings, limits = generated("settings"), container(pods()[name])["resources"]["limits"]
    processes = int(settings["WORKER__PROCESSES"])
    assert int(settings["ENGINES__THREADS"]) * processes == int(limits["cpu"])
    assert int(settings["WORKER__MEMORY_PER_PROCESS_MB"]) * processes < megabytes(limits["memory"])
    assert environment(name)["WORKER__QUEUES"]["value"] == SERVICES[name]["environment"]["WORKER__QUEUES"]
