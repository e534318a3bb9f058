"""`python -m services.container`: its arguments."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import pytest

from services.container import __main__ as container
from services.container import secret_files
from shared.domain.error import InvalidRequest, InvalidSetting


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of secrets; the functions' default argument was bound at their definition."""
    for function in (secret_files.store_secrets, secret_files.stored_secrets):
        monkeypatch.setattr(function, "__defaults__", (tmp_path,))
    for secret in secret_files.SECRETS:
        monkeypatch.delenv(secret.variable, raising=False)
    return tmp_path


def test_secrets_are_generated_and_printed_for_an_env_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert container.main(["secrets"]) == 0
    assert json.loads(capsys.readouterr().out)["made"].startswith("REDIS_PASSWORD")
    assert container.main(["secrets", "print"]) == 0
    printed = dict(line.split("=", 1) for line in capsys.readouterr().out.splitlines())
    assert printed == secret_files.stored_secrets()
    assert (folder / "sealing" / "keys").read_text() == printed["SECRETS__KEYS"]


def test_a_public_service_without_its_own_secrets_does_not_start(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDERTONE_BIND", "192.0.2.7")
    with pytest.raises(InvalidSetting, match=r"192\.0\.2\.7") as raised:
        container.main(["secrets"])
    assert raised.value.exit_status != 0


def test_unknown_arguments_are_rejected() -> None:
    with pytest.raises(InvalidRequest, match="dispatcher"):
        container.main([])


@pytest.mark.parametrize("service", sorted(container.MODULES))
def test_every_service_has_its_module(service: str) -> None:
    module = import_module(container.MODULES[service])
    assert module.__name__.startswith("services.")


def test_compile_imports_a_service_and_its_lazy_imports() -> None:
    assert container.main(["compile", "courier"]) == 0
