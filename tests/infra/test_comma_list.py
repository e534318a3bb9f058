import pytest
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from shared.infra.comma_list import CommaList


class PortSettings(BaseSettings):
    ports: CommaList[int] = (80,)


def test_a_list_from_the_environment_is_split_at_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spaces and empty parts are ignored, and each part has the type of the list."""
    monkeypatch.setenv("PORTS", " 443, 8000,")
    assert PortSettings().ports == (443, 8000)


def test_an_empty_variable_is_an_empty_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTS", "")
    assert PortSettings().ports == ()


def test_a_default_and_a_value_from_code_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORTS", raising=False)
    assert (PortSettings().ports, PortSettings(ports=(1, 2)).ports) == ((80,), (1, 2))


def test_an_invalid_part_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTS", "443,web")
    with pytest.raises(ValidationError, match=r"ports\.1"):
        PortSettings()
