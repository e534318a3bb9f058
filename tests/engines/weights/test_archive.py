"""Weights move as a tar archive, and only described content is accepted."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from shared.domain.error import EngineUnavailable, InvalidRequest
from shared.engines.settings import EngineSettings
from shared.engines.weights.archive import export_weights, import_weights
from shared.engines.weights.fetch import fetch
from shared.engines.weights.installed import is_here, is_intact, source_of
from tests.engines.weights.sources import FILES, Source, described


@pytest.fixture
def archive(source: Source, settings: EngineSettings, tmp_path: Path) -> Path:
    source.add_to_hub(FILES)
    fetch(described(), settings, lambda done, total: None)
    export_weights([described()], tmp_path / "weights.tar", settings)
    return tmp_path / "weights.tar"


@pytest.fixture
def closed(settings: EngineSettings, tmp_path: Path) -> EngineSettings:
    """Another machine, without a network."""
    return settings.model_copy(
        update={"models_dir": tmp_path / "closed", "fetch": "never", "hub_url": "http://[::1]:9"}
    )


def write(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def test_exported_weights_are_imported_elsewhere(archive: Path, closed: EngineSettings) -> None:
    assert import_weights(archive, [described()], closed) == (described(),)
    assert is_intact(described(), closed)
    assert source_of(described(), closed) == "weights.tar"
    assert sorted(path.name for path in archive.parent.iterdir()) == ["closed", "models", "weights.tar"]


def test_missing_weights_are_not_exported(closed: EngineSettings, tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="not on this machine"):
        export_weights([described()], tmp_path / "none.tar", closed)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/evil", "tiny-model/../../evil", "tiny-model/evil", "other/model.bin"]
)
def test_a_member_that_is_not_described_is_refused(name: str, closed: EngineSettings, tmp_path: Path) -> None:
    members = {f"tiny-model/{path}": content for path, content in FILES.items()}
    made = write(tmp_path / "bad.tar", {**members, name: b"evil"})
    with pytest.raises(InvalidRequest, match="not part of complete, known weights"):
        import_weights(made, [described()], closed)
    assert list(tmp_path.rglob("evil")) == [] and not is_here(described(), closed)


def test_a_link_is_refused(closed: EngineSettings, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(FILES["config.json"])
    with tarfile.open(tmp_path / "bad.tar", "w") as tar:
        link = tarfile.TarInfo("tiny-model/config.json")
        link.type, link.linkname = tarfile.SYMTYPE, str(secret)
        tar.addfile(link)
        model = tarfile.TarInfo("tiny-model/model.bin")
        model.size = len(FILES["model.bin"])
        tar.addfile(model, io.BytesIO(FILES["model.bin"]))
    with pytest.raises(InvalidRequest, match=r"config\.json"):
        import_weights(tmp_path / "bad.tar", [described()], closed)
    assert not is_here(described(), closed)


def test_a_sparse_member_that_claims_a_petabyte_is_refused(
    archive: Path, closed: EngineSettings, tmp_path: Path
) -> None:
    with tarfile.open(archive) as tar:
        names = tar.getnames()
    with tarfile.open(tmp_path / "bomb.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        for name in names:
            member = tarfile.TarInfo("hidden")
            member.pax_headers = {
                "GNU.sparse.major": "1",
                "GNU.sparse.minor": "0",
                "GNU.sparse.name": name,
                "GNU.sparse.realsize": str(1 << 50),
            }
            member.size = 512
            tar.addfile(member, io.BytesIO(b"0\n".ljust(512, b"\0")))
    with pytest.raises(InvalidRequest, match="larger than the known file"):
        import_weights(tmp_path / "bomb.tar", [described()], closed)
    assert not (tmp_path / "closed").exists() or not list((tmp_path / "closed").rglob("*.bin"))


def test_an_archive_without_one_of_the_files_is_refused(closed: EngineSettings, tmp_path: Path) -> None:
    made = write(tmp_path / "bad.tar", {"tiny-model/model.bin": FILES["model.bin"]})
    with pytest.raises(InvalidRequest, match="not part of complete"):
        import_weights(made, [described()], closed)


def test_other_content_is_never_installed(closed: EngineSettings, tmp_path: Path) -> None:
    wrong = {"tiny-model/config.json": b"[]", "tiny-model/model.bin": FILES["model.bin"]}
    with pytest.raises(EngineUnavailable, match=r"config\.json from bad\.tar does not match"):
        import_weights(write(tmp_path / "bad.tar", wrong), [described()], closed)
    assert not is_here(described(), closed)


@pytest.mark.parametrize("kept", [0.5, 0.01])
def test_a_truncated_archive_is_refused(kept: float, archive: Path, closed: EngineSettings) -> None:
    content = archive.read_bytes()
    archive.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(InvalidRequest, match="not a complete archive|not part of complete"):
        import_weights(archive, [described()], closed)
    assert not is_here(described(), closed)


def test_a_file_that_is_no_archive_is_refused(closed: EngineSettings, tmp_path: Path) -> None:
    (tmp_path / "text.tar").write_text("no archive")
    with pytest.raises(InvalidRequest, match="not a complete archive"):
        import_weights(tmp_path / "text.tar", [described()], closed)
    with pytest.raises(InvalidRequest, match="contains no weights"):
        import_weights(write(tmp_path / "empty.tar", {}), [described()], closed)
