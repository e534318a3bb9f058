from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.pipeline.cluster_voices import MAX_ROWS, Groups, Pairs, agglomerate, find_voices, nearest, settle
from shared.ports.media import Floats

SAME_VOICE = 0.65  # similarity threshold of a typical encoder
NONE: Pairs = np.zeros((0, 2), dtype=np.intp)


def rows(*counts: int, spread: float = 0.02, similarity: float = 0.0) -> Floats:
    """Embeddings around one direction for each voice, in order; two voices have the given similarity."""
    random = np.random.default_rng(1)
    shared = np.eye(64)[63] * np.sqrt(similarity)
    made = [
        np.eye(64)[voice] * np.sqrt(1 - similarity) + shared + random.normal(0, spread, (count, 64))
        for voice, count in enumerate(counts)
    ]
    stacked = np.concatenate(made).astype(np.float32)
    scaled: Floats = stacked / np.linalg.norm(stacked, axis=1, keepdims=True)
    return scaled


def find(
    embeddings: Floats,
    conflicts: Pairs = NONE,
    *,
    seconds: float = 0.4,
    speakers: int | None = None,
    max_speakers: int | None = None,
) -> Floats:
    weights = np.full(len(embeddings), seconds, dtype=np.float32)
    return find_voices(
        embeddings, weights, conflicts, same_voice=SAME_VOICE, speakers=speakers, max_speakers=max_speakers
    )


def sizes(embeddings: Floats, voices: Floats) -> list[int]:
    return [int(count) for count in np.bincount((embeddings @ voices.T).argmax(axis=1), minlength=len(voices))]


def test_voices_are_counted_and_separated_the_largest_first() -> None:
    embeddings = rows(10, 30, 20)
    assert sizes(embeddings, find(embeddings)) == [30, 20, 10]


def test_one_voice_is_one_group() -> None:
    assert len(find(rows(40))) == 1
    assert len(find(rows(1))) == 1
    assert len(find(np.tile(rows(1), (50, 1)))) == 1


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_requested_number_of_speakers_is_returned(count: int) -> None:
    assert len(find(rows(30, 30, 30), speakers=count)) == count


@pytest.mark.parametrize(("most", "found"), [(2, 2), (3, 3), (9, 3)])
def test_maximum_number_of_speakers_is_respected(most: int, found: int) -> None:
    assert len(find(rows(30, 30, 30), max_speakers=most)) == found


def test_requested_speakers_are_the_largest_groups() -> None:
    """The outlier is the most different row, but not the second speaker."""
    embeddings = rows(40, 30, 1, similarity=0.3)
    assert sizes(embeddings[:70], find(embeddings, speakers=2)) == [40, 30]


def test_more_speakers_than_rows_gives_every_row() -> None:
    assert len(find(rows(2), speakers=5)) == 2


def test_little_speech_is_not_a_speaker() -> None:
    assert len(find(rows(100, 100, 1))) == 2
    assert len(find(rows(30, 3))) == 1
    assert len(find(rows(30, 5))) == 2


def test_conflicts_separate_similar_voices() -> None:
    embeddings = rows(20, 20, similarity=0.8)
    assert len(find(embeddings)) == 1
    together = np.array([(row, 20 + row) for row in range(10)], dtype=np.intp)
    assert sizes(embeddings, find(embeddings, together)) == [20, 20]


@pytest.mark.parametrize(("spread", "similarity", "count"), [(0.02, 0.62, 2), (0.08, 0.86, 1)])
def test_voice_that_varies_may_have_less_similar_groups(spread: float, similarity: float, count: int) -> None:
    """The groups have a similarity of about 0.6 in both cases: the spread of the rows lowers it."""
    assert len(find(rows(30, 30, spread=spread, similarity=similarity))) == count


def test_rows_move_to_the_nearest_voice() -> None:
    embeddings = rows(10, 10, spread=0.0)
    odd = np.array([[0.8] + [0.6] + [0.0] * 62], dtype=np.float32)
    mixed = np.concatenate([embeddings, odd])
    start = np.stack([embeddings[0], odd[0]])
    found = settle(mixed, np.ones(len(mixed), dtype=np.float32), start)
    assert nearest(mixed, found).tolist() == [0] * 10 + [1] * 10 + [0]


def test_voice_without_rows_stays() -> None:
    embeddings = rows(10)
    absent = -embeddings[:1]
    found = settle(embeddings, np.ones(10, dtype=np.float32), np.concatenate([embeddings[:1], absent]))
    assert np.array_equal(found[1], absent[0])


def test_single_conflict_does_not_split_a_voice() -> None:
    assert len(find(rows(40), np.array([(0, 20)], dtype=np.intp))) == 1


@pytest.mark.parametrize("conflicts", [NONE, np.array([(n, 2000 + n) for n in range(1000)], dtype=np.intp)])
def test_long_recording_is_reduced_block_by_block(conflicts: Pairs) -> None:
    embeddings = rows(2000, 1500, 700)
    assert len(embeddings) > 5 * MAX_ROWS
    assert sizes(embeddings, find(embeddings, conflicts)) == [2000, 1500, 700]


def test_speakers_of_a_long_recording_take_turns() -> None:
    embeddings = rows(1500, 1200, spread=0.08)
    order = np.random.default_rng(2).permutation(len(embeddings))
    assert sizes(embeddings, find(embeddings[order])) == [1500, 1200]


def test_same_rows_give_the_same_voices() -> None:
    embeddings = rows(700, 600, 50, spread=0.08)
    assert np.array_equal(find(embeddings), find(embeddings))


@settings(max_examples=30)
@given(st.lists(st.integers(0, 3), min_size=2, max_size=25), st.data())
def test_merging_keeps_every_row_in_one_group(voices: list[int], data: st.DataObject) -> None:
    embeddings = np.eye(8, dtype=np.float32)[voices] + np.float32(0.1)
    weights = np.ones(len(voices), dtype=np.float32)
    row = st.integers(0, len(voices) - 1)
    conflicts = np.array(data.draw(st.lists(st.tuples(row, row), max_size=10)), dtype=np.intp).reshape(-1, 2)
    until = data.draw(st.integers(1, len(voices)))
    merges = agglomerate(Groups.of_rows(embeddings, weights), conflicts, len(voices), until=until)
    groups = merges.after(len(merges.pairs))
    assert sorted(number for members in groups.members for number in members) == list(range(len(voices)))
    assert len(groups.members) == until
    assert groups.weights.sum() == pytest.approx(len(voices))
    assert groups.sums.sum(axis=0) == pytest.approx(embeddings.sum(axis=0), rel=1e-4)
