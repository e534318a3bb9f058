"""Fixtures that tests of several rooms share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real recordings and their references, where this machine has them."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("UNDERTONE_SHARED_DATA", beside))
    if not folder.is_dir():
        pytest.skip("there is no real data here: set UNDERTONE_SHARED_DATA to its folder")
    return folder
