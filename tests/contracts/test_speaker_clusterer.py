"""Contract tests of speaker clusterers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from shared.engines.catalog import CLUSTERER, Setup, choose
from shared.ports.engines import SpeakerClusterer
from shared.ports.media import Floats

SAME_VOICE = 0.65  # similarity threshold of a typical encoder


@pytest.fixture(params=CLUSTERER.classes)
def clusterer(request: pytest.FixtureRequest, setup: Setup) -> SpeakerClusterer:
    return choose(CLUSTERER, request.param, setup)


def voices(*counts: int, spread: float = 0.02, shared: float = 0.0) -> Floats:
    """Embeddings around one direction per voice, in order, plus a component that all voices share."""
    random = np.random.default_rng(1)
    offset = shared * np.eye(64)[63]
    rows = [np.eye(64)[voice] + offset + random.normal(0, spread, (count, 64)) for voice, count in enumerate(counts)]
    stacked = np.concatenate(rows).astype(np.float32)
    scaled: Floats = stacked / np.linalg.norm(stacked, axis=1, keepdims=True)
    return scaled


def cluster(
    clusterer: SpeakerClusterer, rows: Floats, *, speakers: int | None = None, max_speakers: int | None = None
) -> Sequence[int]:
    return clusterer.cluster(rows, same_voice=SAME_VOICE, speakers=speakers, max_speakers=max_speakers)


def sizes(labels: Sequence[int]) -> list[int]:
    return [list(labels).count(label) for label in range(max(labels) + 1)]


def test_voices_are_counted_and_separated(clusterer: SpeakerClusterer) -> None:
    assert sizes(cluster(clusterer, voices(30, 20, 10))) == [30, 20, 10]


def test_labels_are_numbered_in_order_of_appearance(clusterer: SpeakerClusterer) -> None:
    labels = cluster(clusterer, voices(10, 10, 10)[::-1])
    assert list(dict.fromkeys(labels)) == [0, 1, 2]


def test_one_voice_is_one_cluster(clusterer: SpeakerClusterer) -> None:
    assert set(cluster(clusterer, voices(40))) == {0}


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_requested_number_of_speakers_is_returned(clusterer: SpeakerClusterer, count: int) -> None:
    assert len(set(cluster(clusterer, voices(30, 30, 30), speakers=count))) == count


@pytest.mark.parametrize(("most", "found"), [(2, 2), (3, 3), (9, 3)])
def test_maximum_number_of_speakers_is_respected(clusterer: SpeakerClusterer, most: int, found: int) -> None:
    assert len(set(cluster(clusterer, voices(30, 30, 30), max_speakers=most))) == found


def test_single_outlier_is_not_a_speaker(clusterer: SpeakerClusterer) -> None:
    assert set(cluster(clusterer, voices(100, 100, 1))) == {0, 1}


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_few_rows_are_clustered(clusterer: SpeakerClusterer, rows: int) -> None:
    labels = cluster(clusterer, voices(rows))
    assert len(labels) == rows
    assert len(cluster(clusterer, voices(rows), speakers=5)) == rows


def test_identical_rows_are_one_cluster(clusterer: SpeakerClusterer) -> None:
    assert set(cluster(clusterer, np.tile(voices(1), (50, 1)))) == {0}


@pytest.mark.parametrize("counts", [(30, 20, 10), (3000, 1500, 500)])
def test_shared_room_acoustics_do_not_merge_speakers(clusterer: SpeakerClusterer, counts: tuple[int, ...]) -> None:
    """With shared acoustics, different voices are more similar than windows of one voice often are otherwise."""
    rows = voices(*counts, shared=1.5)
    assert rows[0] @ rows[-1] > SAME_VOICE
    assert sizes(cluster(clusterer, rows)) == list(counts)


def test_same_rows_give_the_same_labels(clusterer: SpeakerClusterer) -> None:
    rows = voices(700, 600, 50, spread=0.08)
    assert list(cluster(clusterer, rows)) == list(cluster(clusterer, rows))


def test_speakers_of_a_long_meeting_are_separated(clusterer: SpeakerClusterer) -> None:
    assert sizes(cluster(clusterer, voices(3000, 1500, 500))) == [3000, 1500, 500]
