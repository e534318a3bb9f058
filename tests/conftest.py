"""What several tests need: the shared data where it lies, transcripts and scripted twins of the ports."""

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
    """Real recordings that are not part of the project; a test that wants them is skipped where they are not."""
    folder = Path(os.environ.get("UNDERTONE_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the shared data are not on this machine (UNDERTONE_SHARED_DATA names their folder)")
    return folder


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    """This machine, with no fetched weights."""
    return Setup(engines=EngineSettings(models_dir=tmp_path / "models", threads=1), media=MediaSettings())


@pytest.fixture
def tokenizer() -> Tokenizer:
    made = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORD_PIECES)}, unk_token="[UNK]"))  # noqa: S106  # no password
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.add_special_tokens(["[CLS]", "[SEP]"])
    return made
