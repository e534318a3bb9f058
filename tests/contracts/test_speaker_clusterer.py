"""What every clusterer of voices promises."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from shared.engines.catalog import CATALOG, Setup, choose
from shared.ports.engines import SpeakerClusterer
from shared.ports.media import Floats

SAME_VOICE = 0.65


@pytest.fixture(params=CATALOG["clusterer"])
def clusterer(request: pytest.FixtureRequest, setup: Setup) -> SpeakerClusterer:
    made: SpeakerClusterer = choose("clusterer", request.param, setup).engine
    return made


def voices(*counts: int, spread: float = 0.02) -> Floats:
    """Rows around one direction for each voice, one voice after the other."""
    random = np.random.default_rng(1)
    rows = [np.eye(64)[voice] + random.normal(0, spread, (count, 64)) for voice, count in enumerate(counts)]
    stacked = np.concatenate(rows).astype(np.float32)
    scaled: Floats = stacked / np.linalg.norm(stacked, axis=1, keepdims=True)
    return scaled


def sizes(labels: Sequence[int]) -> list[int]:
    return [list(labels).count(label) for label in range(max(labels) + 1)]


def test_it_counts_voices_and_keeps_them_apart(clusterer: SpeakerClusterer) -> None:
    assert sizes(clusterer.cluster(voices(30, 20, 10), same_voice=SAME_VOICE, exactly=None, at_most=None)) == [
        30,
        20,
        10,
    ]


def test_labels_count_up_in_the_order_of_appearance(clusterer: SpeakerClusterer) -> None:
    labels = clusterer.cluster(voices(10, 10, 10)[::-1], same_voice=SAME_VOICE, exactly=None, at_most=None)
    assert list(dict.fromkeys(labels)) == [0, 1, 2]


def test_one_voice_is_one(clusterer: SpeakerClusterer) -> None:
    assert set(clusterer.cluster(voices(40), same_voice=SAME_VOICE, exactly=None, at_most=None)) == {0}


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_exactly_as_many_as_wished(clusterer: SpeakerClusterer, count: int) -> None:
    assert len(set(clusterer.cluster(voices(30, 30, 30), same_voice=SAME_VOICE, exactly=count, at_most=None))) == count


@pytest.mark.parametrize(("most", "found"), [(2, 2), (3, 3), (9, 3)])
def test_at_most_as_many_as_wished(clusterer: SpeakerClusterer, most: int, found: int) -> None:
    assert len(set(clusterer.cluster(voices(30, 30, 30), same_voice=SAME_VOICE, exactly=None, at_most=most))) == found


def test_a_cough_is_no_participant(clusterer: SpeakerClusterer) -> None:
    assert set(clusterer.cluster(voices(100, 100, 1), same_voice=SAME_VOICE, exactly=None, at_most=None)) == {0, 1}


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_hardly_anything_to_cluster(clusterer: SpeakerClusterer, rows: int) -> None:
    labels = clusterer.cluster(voices(rows), same_voice=SAME_VOICE, exactly=None, at_most=None)
    assert len(labels) == rows
    assert len(clusterer.cluster(voices(rows), same_voice=SAME_VOICE, exactly=5, at_most=None)) == rows


def test_rows_that_are_all_the_same(clusterer: SpeakerClusterer) -> None:
    assert set(clusterer.cluster(np.tile(voices(1), (50, 1)), same_voice=SAME_VOICE, exactly=None, at_most=None)) == {0}


def test_the_same_rows_always_give_the_same_labels(clusterer: SpeakerClusterer) -> None:
    rows = voices(700, 600, 50, spread=0.08)
    assert list(clusterer.cluster(rows, same_voice=SAME_VOICE, exactly=None, at_most=None)) == list(
        clusterer.cluster(rows, same_voice=SAME_VOICE, exactly=None, at_most=None)
    )


def test_a_long_meeting_is_compressed_and_still_told_apart(clusterer: SpeakerClusterer) -> None:
    assert sizes(clusterer.cluster(voices(3000, 1500, 500), same_voice=SAME_VOICE, exactly=None, at_most=None)) == [
        3000,
        1500,
        500,
    ]
