"""The NetworkPolicies allow the connections of docker-compose.yml's networks and no others."""

from __future__ import annotations

import re

import pytest

from tests.container.compose_file import ROOT, SERVICES
from tests.container.manifests import ALL, container, of_kind, pods
from tests.container.network_policies import Peer, reaches

LABEL = "network.undertone/"
NAMES = sorted(pods())
# The servers of docker-compose.yml; in a cluster the operator provides them.
STATE = {"postgres": 5432, "redis": 6379, "objects": 7070}
POLICIES = list(of_kind("NetworkPolicy", ALL).values())
OURS = {"kubernetes.io/metadata.name": "undertone"}
DNS = Peer("10.96.0.10", {"kubernetes.io/metadata.name": "kube-system"}, {"k8s-app": "kube-dns"})
STRANGER = Peer("10.1.9.9", {"kubernetes.io/metadata.name": "other"}, {"app.kubernetes.io/name": "undertone"})
INTERNET = (Peer("1.1.1.1"), Peer("2606:4700:4700::1111"))
PRIVATE = tuple(
    Peer(address)
    for address in ("10.0.0.1", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "192.168.0.1", "fd00::1")
)


def pod(name: str) -> Peer:
    return Peer("10.1.0.1", OURS, pods()[name]["metadata"]["labels"], ours=True)


def networks(name: str) -> set[str]:
    return set(SERVICES[name].get("networks", ()))


def server(name: str) -> Peer:
    """One of the operator's servers, in a namespace with its network's label."""
    (network,) = networks(name)
    return Peer("10.2.0.1", {f"{LABEL}{network}": "member"}, {"app": name})


def ports(name: str) -> list[int]:
    return [each["containerPort"] for each in container(pods()[name]).get("ports", ())]


@pytest.mark.parametrize("name", NAMES)
def test_a_pod_has_the_networks_of_its_container(name: str) -> None:
    labels = pods()[name]["metadata"]["labels"]
    assert {label.removeprefix(LABEL) for label in labels if label.startswith(LABEL)} == networks(name)


def test_every_compose_network_has_a_policy() -> None:
    used = {network for name in NAMES for network in networks(name)}
    assert used <= set(of_kind("NetworkPolicy"))


@pytest.mark.parametrize("name", NAMES)
def test_a_pod_reaches_only_the_servers_of_its_networks(name: str) -> None:
    for other, port in STATE.items():
        assert reaches(POLICIES, pod(name), server(other), port) == bool(networks(name) & networks(other)), other


def test_only_the_edge_reaches_the_services() -> None:
    conf = (ROOT / "docker" / "edge" / "nginx.conf").read_text()
    expected = {("edge", other) for other in re.findall(r"set \$\w+ http://(\w+):\d+;", conf)}
    found = {
        (name, other)
        for name in NAMES
        for other in NAMES
        for port in (80, 443, 8000, 8001, 8080)
        if other not in {name, "edge"} and reaches(POLICIES, pod(name), pod(other), port)
    }
    assert found == expected
    assert all(networks("edge") & networks(other) for _, other in expected)


@pytest.mark.parametrize("name", NAMES)
def test_only_one_port_of_the_edge_is_reachable_from_outside(name: str) -> None:
    for port in (80, 443, 8000, 8001, 8080):
        published = "public" in networks(name) and port in ports(name)
        for other in (STRANGER, *INTERNET, *PRIVATE):
            assert reaches(POLICIES, other, pod(name), port) == published


@pytest.mark.parametrize("name", NAMES)
def test_only_services_that_call_urls_reach_the_internet_and_none_reaches_private_addresses(name: str) -> None:
    for port in (80, 443, 5432, 6379, 6443):
        for there in INTERNET:
            assert reaches(POLICIES, pod(name), there, port) == ("outside" in networks(name))
        assert not any(reaches(POLICIES, pod(name), there, port) for there in (*PRIVATE, STRANGER, DNS))


@pytest.mark.parametrize("name", NAMES)
def test_every_pod_can_resolve_names(name: str) -> None:
    assert reaches(POLICIES, pod(name), DNS, 53, "UDP") and reaches(POLICIES, pod(name), DNS, 53)
    assert not any(reaches(POLICIES, pod(name), there, 53, "UDP") for there in (STRANGER, *PRIVATE))


def test_prometheus_reads_metrics_from_a_namespace_on_the_network() -> None:
    prometheus = Peer("10.3.0.1", {f"{LABEL}front": "member"}, {"app": "prometheus"})
    found = {name for name in NAMES for port in ports(name) if reaches(POLICIES, prometheus, pod(name), port)}
    assert found == {"gateway", "results", "edge"}


def test_the_example_opens_the_addresses_and_ports_of_its_servers() -> None:
    policies = list(of_kind("NetworkPolicy", "example").values())
    worker = pod("worker-cpu")
    for address, port in (("192.0.2.10", 5432), ("192.0.2.11", 6379), ("192.0.2.12", 443)):
        assert reaches(policies, worker, Peer(address), port)
        assert not reaches(policies, worker, Peer(address), 22)
    assert not reaches(policies, pod("results"), Peer("192.0.2.11"), 6379)
