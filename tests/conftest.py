"""Fixtures shared by several test packages: the shared data, the engine setup and a tokenizer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from shared.engines.catalog import Setup
from shared.engines.settings import EngineSettings, MediaSettings
from shared.engines.weights.description import DEFAULT, find_weights
from shared.engines.weights.installed import is_intact
from tests.fakes import WORD_PIECES
from tests.stores import Stores, opened_stores

# The default logger prints to the present `sys.stdout`; CPython 3.11 crashes where pytest replaces it at that moment.
structlog.configure(logger_factory=structlog.WriteLoggerFactory())
settings.register_profile("busy machines", deadline=None)  # an example may take longer than 200 ms there
settings.load_profile("busy machines")
HERE = EngineSettings()  # the weights of this machine, which only `whisper` uses


@pytest.fixture(scope="session", autouse=True)
def _no_fetched_weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """`auto` gives the same engines on every machine, without fetched weights."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENGINES__MODELS_DIR", str(tmp_path_factory.mktemp("no_models")))
        yield


@pytest.fixture
def whisper(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whisper base from this machine's weights; `auto` finds it, also in child processes."""
    if not is_intact(find_weights(DEFAULT), HERE):
        assert not os.environ.get("UNDERTONE_TEST_REQUIRE_WEIGHTS"), f"{DEFAULT} is not in {HERE.models_dir}"
        pytest.skip(f"{DEFAULT} is not on this machine: {find_weights(DEFAULT).hint}")
    monkeypatch.setenv("ENGINES__MODELS_DIR", str(HERE.models_dir.expanduser()))


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
def stores(tmp_path: Path) -> Iterator[Stores]:
    """SQLite and a folder, or the servers of the environment."""
    with opened_stores(tmp_path / "state") as opened:
        yield opened


@pytest.fixture
def tokenizer() -> Tokenizer:
    made = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORD_PIECES)}, unk_token="[UNK]"))  # noqa: S106  # no password
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.add_special_tokens(["[CLS]", "[SEP]"])
    return made
