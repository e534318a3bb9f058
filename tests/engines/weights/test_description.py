"""The descriptions in models.toml, and the choice of `auto` among the weights that are here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shared.domain.error import EngineUnavailable, NotFound
from shared.engines.settings import EngineSettings
from shared.engines.weights.description import DEFAULT, Weights, all_weights, find_weights
from shared.engines.weights.installed import best_here, folder_of, is_here


def place(weights: Weights, settings: EngineSettings) -> None:
    """Create files of the right size, which take no space."""
    folder = folder_of(weights.name, settings)
    folder.mkdir(parents=True)
    for file in weights.files:
        with (folder / file.path).open("wb") as out:
            out.truncate(file.size)


def test_every_file_is_described_by_its_content() -> None:
    assert len({weights.name for weights in all_weights()}) == len(all_weights())
    for weights in all_weights():
        assert weights.licence and weights.files
        for file in weights.files:
            assert file.size > 0 and re.fullmatch(r"[0-9a-f]{64}", file.sha256) and "/" not in file.path
        paths = {file.path for file in weights.files}
        assert all(set(package.members) <= paths for package in weights.packages)
        assert not weights.packages or {path for package in weights.packages for path in package.members} == paths


def test_the_default_needs_no_hub() -> None:
    assert find_weights(DEFAULT).packages
    assert find_weights(DEFAULT).slot == "asr"


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(NotFound, match="no weights 'gpt'"):
        find_weights("gpt")


def test_the_fingerprint_is_the_content(tmp_path: Path) -> None:
    weights = find_weights(DEFAULT)
    other = weights.files[0].model_copy(update={"sha256": "0" * 64})
    assert weights.model_copy(update={"files": (other, *weights.files[1:])}).fingerprint != weights.fingerprint
    assert weights.model_copy(update={"revision": "main", "packages": ()}).fingerprint == weights.fingerprint


def test_the_best_weights_that_are_here_are_chosen(tmp_path: Path) -> None:
    settings = EngineSettings(models_dir=tmp_path)
    with pytest.raises(EngineUnavailable, match="No weights for asr") as caught:
        best_here("asr", settings)
    assert caught.value.hint == "undertone models fetch faster-whisper:base"
    for name in (
        "yunet",
        "faster-whisper:tiny",
        "faster-whisper:small.en",
        "faster-whisper:base",
        "faster-whisper:small",
    ):
        place(find_weights(name), settings)
        if name != "yunet":
            assert best_here("asr", settings).name == name


def test_a_folder_with_a_short_file_is_not_here(tmp_path: Path) -> None:
    settings = EngineSettings(models_dir=tmp_path)
    place(find_weights(DEFAULT), settings)
    assert is_here(find_weights(DEFAULT), settings)
    (folder_of(DEFAULT, settings) / "model.bin").write_bytes(b"short")
    assert not is_here(find_weights(DEFAULT), settings)
