"""Attacks on `undertone serve`: none causes a 5xx or delays a request of another tenant by more than a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.attacks.hostile_meetings import MEETINGS
from tests.attacks.hostile_requests import REQUESTS, Attack
from tests.attacks.served import ATTEMPTS, LIMIT_SECONDS, SECRET_WORD, Served, serving
from tests.stores import opened_stores

pytestmark = pytest.mark.slow
ATTACKS: dict[str, Attack] = {**REQUESTS, **MEETINGS}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with opened_stores(tmp_path_factory.mktemp("served") / "state") as stores, serving(stores) as running:
        yield running


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_harms_no_other_tenant(
    served: Served, name: str, record_property: Callable[[str, object], None]
) -> None:
    """A delay is measured again, because noise of a busy machine does not repeat."""
    waits = []
    for _ in range(ATTEMPTS):
        with served.probing() as probe:
            statuses = set(ATTACKS[name](served))
        assert statuses and max(statuses) < 500, statuses
        assert probe.statuses == {200}
        waits.append(probe.worst)
        if probe.worst < LIMIT_SECONDS:
            break
    record_property("delay", min(waits))
    assert min(waits) < LIMIT_SECONDS, waits
    assert SECRET_WORD not in served.log()
