"""Fixtures shared by several test packages: the shared data, the engine setup and a tokenizer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from shared.engines.catalog import Setup
from shared.engines.settings import EngineSettings, MediaSettings
from tests.fakes import WORD_PIECES


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real recordings that are not part of the project; tests that need it are skipped without it."""
    folder = Path(os.environ.get("UNDERTONE_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the shared data are missing (set UNDERTONE_SHARED_DATA to their folder)")
    return folder


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    """An engine setup without fetched weights."""
    return Setup(engines=EngineSettings(models_dir=tmp_path / "models", threads=1), media=MediaSettings())


@pytest.fixture
def tokenizer() -> Tokenizer:
    made = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORD_PIECES)}, unk_token="[UNK]"))  # noqa: S106  # no password
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.add_special_tokens(["[CLS]", "[SEP]"])
    return made
