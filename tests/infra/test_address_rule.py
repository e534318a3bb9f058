"""Tests of the outbound address policy, with every form of address that could reach the internal network."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from shared.domain.error import AddressBlocked
from shared.infra.address_rule import AddressPolicy, OutboundSettings, is_public, parse
from shared.infra.outbound import resolve

NOT_PUBLIC = (
    "224.0.0.1 ff02::1 ::127.0.0.1 64:ff9b::a9fe:a9fe 64:ff9b::808:808 fec0::1 3fff::1 2002:7f00:1:: "
    "64:ff9b:1::1 127.0.0.1 10.0.0.1 100.64.0.1 169.254.169.254 198.18.0.1 240.0.0.1 0.0.0.0 ::1 fc00::1 fe80::1 "
    "::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 :: 172.16.0.1 192.168.1.1 255.255.255.255 "
    "192.0.2.1 192.88.99.1 2001::1 2001:db8::1 fd00:ec2::254"
)
PUBLIC = ["8.8.8.8", "1.1.1.1", "::ffff:8.8.8.8", "2606:4700:4700::1111", "2a00:1450:4001::1"]
DEFAULT = OutboundSettings(_env_file=None)


@pytest.mark.parametrize("address", NOT_PUBLIC.split())
def test_non_public_address_is_blocked(address: str) -> None:
    assert not is_public(ip_address(address))
    with pytest.raises(AddressBlocked):
        AddressPolicy(DEFAULT).check(parse("https://hook.example/"), [address])


@pytest.mark.parametrize("address", PUBLIC)
def test_public_address_is_allowed(address: str) -> None:
    assert is_public(ip_address(address))
    AddressPolicy(DEFAULT).check(parse("https://hook.example/"), [address])


@pytest.mark.parametrize("host", ["127.1", "0x7f000001", "2130706433", "0177.0.0.1", "①②⑦.0.0.1", "localhost"])
def test_every_form_of_loopback_address_is_blocked(host: str) -> None:
    target = parse(f"https://{host}/")
    with pytest.raises(AddressBlocked):
        AddressPolicy(DEFAULT).check(target, resolve(target.host, target.port))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hook.example",
        "//hook.example/",
        "https:///path",
        "https://",
        "https://:443/",
        "https://user@hook.example/",
        "https://user:secret@hook.example/",
        "https://hook.example/#part",
        "http://127.0.0.1:80\\@ok.example/",
        "https://hook.example\\@ok.example/",
        "https://hook.example/a b",
        " https://hook.example/",
        "https://hook.example/\n",
        "https://hook.example/\x00",
        "https://hook.example/\u202e",
        "https://hook\u3000.example/",
        "https://[::1/",
        "https://[fe80::1%25eth0]/",
        "https://hook.example:/",
        "https://hook.example:99999/",
        "https://ho%6fk.example/",
        "https://-hook.example/",
        "https://ex\u00adample\u2100.example/",
        "ftp://hook.example/",
        "file:///etc/passwd",
        "gopher://hook.example/",
    ],
)
def test_ambiguous_url_is_rejected(url: str) -> None:
    with pytest.raises(AddressBlocked):
        parse(url)


@pytest.mark.parametrize("port", [0, 22, 25, 442, 1023, 2375, 5432, 6379, 9200, 11211, 27017, 65536])
def test_ports_of_other_services_are_rejected(port: int) -> None:
    with pytest.raises(AddressBlocked):
        parse(f"https://hook.example:{port}/")


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("https://Hook.Example", ("https", "hook.example", 443, "/", "hook.example")),
        ("HTTPS://hook.example.:8443/a?b=c%20d", ("https", "hook.example", 8443, "/a?b=c%20d", "hook.example:8443")),
        ("https://[2606:4700::1]/", ("https", "2606:4700::1", 443, "/", "[2606:4700::1]")),
        ("http://bücher.example:80/ä?", ("http", "xn--bcher-kva.example", 80, "/%C3%A4?", "xn--bcher-kva.example")),
        ("https://hook.example?q=1", ("https", "hook.example", 443, "/?q=1", "hook.example")),
        ("https://my_service/@user", ("https", "my_service", 443, "/@user", "my_service")),
    ],
)
def test_url_is_parsed_into_its_parts(url: str, parts: tuple[object, ...]) -> None:
    target = parse(url)
    assert (target.scheme, target.host, target.port, target.path, target.authority) == parts
    assert parse(target.url) == target


def test_every_resolved_address_must_be_allowed() -> None:
    for answers in ([], ["8.8.8.8", "10.0.0.1"], ["10.0.0.1", "8.8.8.8"], ["fe80::1%eth0"]):
        with pytest.raises(AddressBlocked) as blocked:
            AddressPolicy(DEFAULT).check(parse("https://hook.example/"), answers)
        assert "10.0.0.1" not in blocked.value.message, "the message does not contain internal addresses"


def test_plain_http_requires_a_setting() -> None:
    target = parse("http://hook.example/")
    with pytest.raises(AddressBlocked, match="https"):
        AddressPolicy(DEFAULT).check(target, ["8.8.8.8"])
    AddressPolicy(DEFAULT.model_copy(update={"plain_http": True})).check(target, ["8.8.8.8"])


def test_allowed_hosts_and_networks_come_from_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTBOUND__ALLOW", "BBB.internal, 10.1.0.0/16,192.168.7.7")
    rule = AddressPolicy(OutboundSettings())
    rule.check(parse("https://bbb.internal/"), ["172.16.0.9"])
    for allowed in ("10.1.2.3", "::ffff:10.1.2.3", "192.168.7.7"):
        rule.check(parse("https://other.example/"), [allowed])
    for refused in ("10.2.0.1", "192.168.7.8", "127.0.0.1"):
        with pytest.raises(AddressBlocked):
            rule.check(parse("https://sub.bbb.internal/"), [refused])


def test_loopback_option_allows_only_loopback_addresses() -> None:
    rule = AddressPolicy(DEFAULT, loopback=True)
    for answer in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
        rule.check(parse("http://localhost:8000/"), [answer])
    for answers in (["10.0.0.1"], ["169.254.169.254"], ["127.0.0.1", "8.8.8.8"]):
        with pytest.raises(AddressBlocked):
            rule.check(parse("http://localhost:8000/"), answers)


def test_own_hosts_are_blocked() -> None:
    rule = AddressPolicy(DEFAULT.model_copy(update={"own_hosts": ("our.example", "redis")}), loopback=True)
    for host in ("our.example", "OUR.example.", "redis"):
        with pytest.raises(AddressBlocked, match="not allowed"):
            rule.check(parse(f"https://{host}/"), ["8.8.8.8"])
