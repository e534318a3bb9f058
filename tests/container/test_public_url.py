"""Webhooks link to the address that a deployment publishes."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from services.cli.serve import ServeConfig
from services.container.environment import environment
from shared.infra.settings import PublicSettings

PUBLISHED = {"UNDERTONE_PUBLIC_HOST": "meetings.example", "UNDERTONE_PORT": "8443"}


def test_a_container_uses_the_published_host_and_port(tmp_path: Path) -> None:
    assert environment(PUBLISHED, tmp_path) == {"PUBLIC__URL": "http://meetings.example:8443"}


def test_the_operators_own_address_stays(tmp_path: Path) -> None:
    assert environment({**PUBLISHED, "PUBLIC__URL": "https://meetings.example"}, tmp_path) == {}


def test_serve_uses_the_address_that_it_listens_on(tmp_path: Path) -> None:
    config = ServeConfig(tmp_path, "127.0.0.1", 8123, 1)
    assert config.environment("redis://r")["PUBLIC__URL"] == "http://127.0.0.1:8123"


@pytest.mark.parametrize("url", ["undertone.example", "https://undertone.example/", "https://undertone.example?x=1"])
def test_an_address_that_links_cannot_start_with_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        PublicSettings(url=url)
    assert PublicSettings(url="https://undertone.example/meetings").url == "https://undertone.example/meetings"
