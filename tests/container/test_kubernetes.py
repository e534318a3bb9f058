"""The manifests of `deploy/kubernetes` are valid and equivalent to docker-compose.yml."""

from __future__ import annotations

import json
import re

import kubernetes_validate
import pytest

from tests.container.compose_file import ROOT, SERVICES
from tests.container.manifests import (
    ALL,
    COMPONENTS,
    FOLDER,
    RENDERED,
    container,
    generated,
    manifests,
    megabytes,
    of_kind,
    pods,
    references,
)

OLDEST = "1.30"  # the minimum in docs/kubernetes.md
VERSIONS = (OLDEST, kubernetes_validate.latest_version())
NAMES = sorted(pods())
RUNNING = sorted(of_kind("Deployment"))


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_valid_for_the_api(version: str) -> None:
    different = {json.dumps(manifest): manifest for name in RENDERED for manifest in manifests(name)}
    for manifest in different.values():
        if not manifest["apiVersion"].startswith("keda.sh/"):
            kubernetes_validate.validate(manifest, version, strict=True)


def test_the_validation_finds_an_unknown_field() -> None:
    edge = of_kind("Deployment")["edge"]
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**edge, "spec": {**edge["spec"], "replica": 2}}, OLDEST, strict=True)


@pytest.mark.parametrize("name", sorted(RENDERED))
def test_every_referenced_object_exists(name: str) -> None:
    there = {(each["kind"], each["metadata"]["name"]) for each in manifests(name)}
    assert len(there) == len(manifests(name))
    assert {found for manifest in manifests(name) for found in references(manifest)} <= there
    for pod in pods(name).values():
        mounted = {mount["name"] for mount in container(pod)["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["spec"]["volumes"]}


def test_every_service_is_deployed() -> None:
    own = {name for name, service in SERVICES.items() if "build" in service or name == "edge"}
    assert set(NAMES) == own - {"secrets"}
    assert of_kind("Deployment")["worker-gpu"]["spec"]["replicas"] == 0
    assert of_kind("Deployment", "gpu")["worker-gpu"]["spec"]["replicas"] == 1
    assert generated("settings", "gpu")["QUEUE__GPU"] == "true"


@pytest.mark.parametrize("name", NAMES)
def test_a_pod_has_minimal_privileges(name: str) -> None:
    pod, one = pods()[name]["spec"], container(pods()[name])
    user = int(SERVICES[name]["user"].partition(":")[0])
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["runAsGroup"] == user
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False and pod["enableServiceLinks"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert one["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert megabytes(one["resources"]["limits"]["memory"]) == megabytes(SERVICES[name]["mem_limit"])
    assert {"cpu", "memory"} <= set(one["resources"]["requests"])
    assert {"name": "tmp", "mountPath": "/tmp"} in one["volumeMounts"]  # noqa: S108
    for volume in pod["volumes"]:
        assert {"emptyDir", "configMap", "persistentVolumeClaim"} & set(volume)
        # A claimed volume belongs to root unless fsGroup is set.
        assert "persistentVolumeClaim" not in volume or pod["securityContext"]["fsGroup"] == user


@pytest.mark.parametrize("name", NAMES)
def test_a_pod_runs_the_command_of_its_compose_container(name: str) -> None:
    pod, one, service = pods()[name]["spec"], container(pods()[name]), SERVICES[name]
    assert one["image"] == service["image"]
    entry = ["python", "-m", "services.container"]
    if name != "edge":
        command = [*service.get("entrypoint", entry), *service["command"]]
        assert [*entry, *one["args"]][:4] == command[:4] and "command" not in one
    stops = one.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    if name in RUNNING:
        required = int(service.get("stop_grace_period", "10s").removesuffix("s"))
        assert pod["terminationGracePeriodSeconds"] >= required + stops


@pytest.mark.parametrize("name", RUNNING)
def test_the_probes_match_the_health_checks(name: str) -> None:
    one = container(pods()[name])
    if name in ("gateway", "results"):
        assert one["livenessProbe"]["httpGet"] == one["startupProbe"]["httpGet"] == {"path": "/livez", "port": "http"}
        assert one["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    else:
        assert ["CMD", *one["readinessProbe"]["exec"]["command"]] == SERVICES[name]["healthcheck"]["test"]
    # A check that queries the database must not restart pods that wait for it.
    assert ("livenessProbe" in one) == (name in ("edge", "gateway", "results"))


@pytest.mark.parametrize("name", RUNNING)
def test_a_drained_node_evicts_one_pod_of_a_service_at_a_time(name: str) -> None:
    budget, deployment = of_kind("PodDisruptionBudget")[name]["spec"], of_kind("Deployment")[name]["spec"]
    assert budget == {"maxUnavailable": 1, "selector": deployment["selector"]}
    labels = deployment["template"]["metadata"]["labels"]
    assert deployment["selector"]["matchLabels"].items() <= labels.items()
    assert labels["app.kubernetes.io/component"] == name


def test_services_target_the_ports_of_their_pods() -> None:
    services = of_kind("Service")
    assert set(services) == {"edge", "gateway", "results"}
    for name, service in services.items():
        labels = pods()[name]["metadata"]["labels"]
        assert service["spec"]["selector"].items() <= labels.items()
        (port,) = container(pods()[name])["ports"]
        assert service["spec"]["ports"][0]["targetPort"] == port["name"]


def test_a_gpu_worker_requests_a_gpu() -> None:
    spec = pods()["worker-gpu"]["spec"]
    assert container(pods()["worker-gpu"])["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert spec["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    assert spec["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]


def test_workers_read_the_models_and_one_job_writes_them() -> None:
    for name in ("worker-cpu", "worker-fast", "worker-gpu", "models"):
        mounts = {mount["name"]: mount for mount in container(pods()[name])["volumeMounts"]}
        assert mounts["models"]["mountPath"] == "/models"
        assert mounts["models"].get("readOnly", False) == (name != "models")
    job = of_kind("Job", ALL)["models"]["spec"]
    assert job["ttlSecondsAfterFinished"] < 3600, "the next `kubectl apply` replaces it"
    assert container(pods()["models"])["args"] == ["models", *SERVICES["models"]["command"]]


def test_the_example_uses_images_of_a_registry() -> None:
    images = {container(pod)["image"].partition("/")[0] for name, pod in pods("example").items() if name != "edge"}
    assert images == {"registry.example"}


@pytest.mark.parametrize("name", COMPONENTS)
def test_the_replica_count_has_a_single_owner(name: str) -> None:
    scaled = [*of_kind("ScaledObject", name).values(), *of_kind("HorizontalPodAutoscaler", name).values()]
    for each in scaled:
        assert "replicas" not in of_kind("Deployment", name)[each["spec"]["scaleTargetRef"]["name"]]["spec"]


@pytest.mark.parametrize(("queue", "served"), [("cpu", "cpu|fast"), ("gpu", "gpu")])
def test_keda_uses_a_metric_of_the_gateway(queue: str, served: str) -> None:
    scaled = of_kind("ScaledObject", ALL)[f"worker-{queue}"]
    assert scaled["apiVersion"] == "keda.sh/v1alpha1"
    # The API's schemas do not contain KEDA's.
    assert set(scaled["spec"]) == {
        *("scaleTargetRef", "minReplicaCount", "maxReplicaCount", "pollingInterval"),
        *("cooldownPeriod", "fallback", "advanced", "triggers"),
    }
    (trigger,) = scaled["spec"]["triggers"]
    assert trigger["type"] == "prometheus"
    assert all(isinstance(value, str) for value in trigger["metadata"].values())
    metric = re.search(r"(undertone_\w+)\{queue=~?\"([\w|]+)\"\}", trigger["metadata"]["query"])
    assert metric and metric[2] == served
    assert f'"{metric[1]}"' in (ROOT / "services" / "gateway" / "work_metrics.py").read_text()


def test_the_edge_configuration_matches_compose() -> None:
    """Except for service names, which nginx resolves once, because a Service keeps its address."""
    conf = (ROOT / "docker" / "edge" / "nginx.conf").read_text()
    ports = dict(re.findall(r"set \$(\w+) (http://\S+);", conf))
    conf = re.sub(r" +# Docker's name server.*?\n\n", "", conf, flags=re.DOTALL)
    conf = re.sub(r" +set \$.*\n", "", conf)
    conf = re.sub(r"proxy_pass \$(\w+);", lambda found: f"proxy_pass {ports[found[1]]};", conf)
    conf = conf.replace("include /etc/nginx/listen.conf;", "listen 8080;")
    conf = conf.replace("processes auto;", "processes 2; # `auto` counts the cores of the node")
    assert generated("edge")["nginx.conf"] == conf
    services = {f"http://{name}:{each['spec']['ports'][0]['port']}" for name, each in of_kind("Service").items()}
    assert set(ports.values()) <= services


def test_the_documentation_lists_every_component() -> None:
    text = (ROOT / "docs" / "kubernetes.md").read_text()
    assert all(f"`{name}`" in text for name in COMPONENTS)
    assert OLDEST in text
    assert all(list(each.glob("kustomization.yaml")) for each in (FOLDER / "components").iterdir())
