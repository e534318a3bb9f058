"""What every clusterer of voices promises."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from shared.engines.catalog import CATALOG, Setup, choose
from shared.ports.engines import SpeakerClusterer
from shared.ports.media import Floats

SAME_VOICE = 0.65  # as an encoder would say


@pytest.fixture(params=CATALOG["clusterer"])
def clusterer(request: pytest.FixtureRequest, setup: Setup) -> SpeakerClusterer:
    made: SpeakerClusterer = choose("clusterer", request.param, setup).engine
    return made


def voices(*counts: int, spread: float = 0.02, shared: float = 0.0) -> Floats:
    """Rows around one direction for each voice, one voice after the other; and something that all of them share."""
    random = np.random.default_rng(1)
    room = shared * np.eye(64)[63]
    rows = [np.eye(64)[voice] + room + random.normal(0, spread, (count, 64)) for voice, count in enumerate(counts)]
    stacked = np.concatenate(rows).astype(np.float32)
    scaled: Floats = stacked / np.linalg.norm(stacked, axis=1, keepdims=True)
    return scaled


def cluster(
    clusterer: SpeakerClusterer, rows: Floats, *, speakers: int | None = None, max_speakers: int | None = None
) -> Sequence[int]:
    return clusterer.cluster(rows, same_voice=SAME_VOICE, speakers=speakers, max_speakers=max_speakers)


def sizes(labels: Sequence[int]) -> list[int]:
    return [list(labels).count(label) for label in range(max(labels) + 1)]


def test_it_counts_voices_and_keeps_them_apart(clusterer: SpeakerClusterer) -> None:
    assert sizes(cluster(clusterer, voices(30, 20, 10))) == [30, 20, 10]


def test_labels_count_up_in_the_order_of_appearance(clusterer: SpeakerClusterer) -> None:
    labels = cluster(clusterer, voices(10, 10, 10)[::-1])
    assert list(dict.fromkeys(labels)) == [0, 1, 2]


def test_one_voice_is_one(clusterer: SpeakerClusterer) -> None:
    assert set(cluster(clusterer, voices(40))) == {0}


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_exactly_as_many_as_wished(clusterer: SpeakerClusterer, count: int) -> None:
    assert len(set(cluster(clusterer, voices(30, 30, 30), speakers=count))) == count


@pytest.mark.parametrize(("most", "found"), [(2, 2), (3, 3), (9, 3)])
def test_at_most_as_many_as_wished(clusterer: SpeakerClusterer, most: int, found: int) -> None:
    assert len(set(cluster(clusterer, voices(30, 30, 30), max_speakers=most))) == found


def test_a_cough_is_no_participant(clusterer: SpeakerClusterer) -> None:
    assert set(cluster(clusterer, voices(100, 100, 1))) == {0, 1}


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_hardly_anything_to_cluster(clusterer: SpeakerClusterer, rows: int) -> None:
    labels = cluster(clusterer, voices(rows))
    assert len(labels) == rows
    assert len(cluster(clusterer, voices(rows), speakers=5)) == rows


def test_rows_that_are_all_the_same(clusterer: SpeakerClusterer) -> None:
    assert set(cluster(clusterer, np.tile(voices(1), (50, 1)))) == {0}


@pytest.mark.parametrize("counts", [(30, 20, 10), (3000, 1500, 500)])
def test_a_room_that_all_share_does_not_make_them_one(clusterer: SpeakerClusterer, counts: tuple[int, ...]) -> None:
    """Different voices are then more alike than windows of one voice often are elsewhere."""
    rows = voices(*counts, shared=1.5)
    assert rows[0] @ rows[-1] > SAME_VOICE
    assert sizes(cluster(clusterer, rows)) == list(counts)


def test_the_same_rows_always_give_the_same_labels(clusterer: SpeakerClusterer) -> None:
    rows = voices(700, 600, 50, spread=0.08)
    assert list(cluster(clusterer, rows)) == list(cluster(clusterer, rows))


def test_a_long_meeting_is_compressed_and_still_told_apart(clusterer: SpeakerClusterer) -> None:
    assert sizes(cluster(clusterer, voices(3000, 1500, 500))) == [3000, 1500, 500]
