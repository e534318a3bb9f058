"""Evaluates NetworkPolicies as a cluster does: policies add up, and only a selected pod is restricted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

Policy = Mapping[str, Any]


@dataclass(frozen=True)
class Peer:
    """A pod with its namespace's labels, or an address outside the cluster, which has none."""

    address: str
    namespace: Mapping[str, str] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    ours: bool = False


def reaches(policies: Sequence[Policy], source: Peer, target: Peer, port: int, protocol: str = "TCP") -> bool:
    return _lets(policies, "egress", source, target, port, protocol) and _lets(
        policies, "ingress", target, source, port, protocol
    )


def _lets(policies: Sequence[Policy], way: str, pod: Peer, other: Peer, port: int, protocol: str) -> bool:
    if not pod.ours:
        return True
    specs = [policy["spec"] for policy in policies]
    chosen = [
        spec for spec in specs if way.capitalize() in spec["policyTypes"] and _selects(spec["podSelector"], pod.labels)
    ]
    rules = [rule for spec in chosen for rule in spec.get(way, ())]
    side = "to" if way == "egress" else "from"
    return not chosen or any(
        _has_port(rule.get("ports"), port, protocol) and _has_peer(rule.get(side), other, pod) for rule in rules
    )


def _has_port(ports: Sequence[Mapping[str, Any]] | None, port: int, protocol: str) -> bool:
    return ports is None or any(each["port"] == port and each["protocol"] == protocol for each in ports)


def _has_peer(peers: Sequence[Mapping[str, Any]] | None, other: Peer, pod: Peer) -> bool:
    assert peers is None or peers, "an empty list allows everybody"
    return peers is None or any(_is(peer, other, pod) for peer in peers)


def _is(peer: Mapping[str, Any], other: Peer, pod: Peer) -> bool:
    if block := peer.get("ipBlock"):
        address = ip_address(other.address)
        return address in ip_network(block["cidr"]) and not any(
            address in ip_network(hole) for hole in block.get("except", ())
        )
    if other.namespace is None:
        return False
    if "namespaceSelector" in peer:
        placed = _selects(peer["namespaceSelector"], other.namespace)
    else:
        placed = other.namespace == pod.namespace
    return placed and _selects(peer.get("podSelector", {}), other.labels)


def _selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    expressions = selector.get("matchExpressions", ())
    assert all(each["operator"] == "In" for each in expressions)
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
        labels.get(each["key"]) in each["values"] for each in expressions
    )
