from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from shared.domain.speech import Utterance
from shared.pipeline.artifacts import FACE, DetectedFaces, FaceTracks
from shared.pipeline.faces_of_speakers import UNPROVEN_FACTOR, FacesOfSpeakers
from shared.ports.engines import FaceClip

Detection = tuple[int, float]  # track and mouth motion


def spoken(speaker: str, start: float, end: float) -> Utterance:
    return Utterance(index=0, speaker=speaker, text="hm", words=(), start=start, end=end)


def detected(
    seconds: float,
    detections: Callable[[float], Sequence[Detection]],
    *,
    tiles: Sequence[int],
    size: float = 100,
    sharpness: float = 800,
    reason: str | None = None,
) -> DetectedFaces:
    times = np.arange(0, seconds, 0.25)
    rows = [
        (time, track, 0, 0, size, size, 0.8, sharpness, motion)
        for time in times
        for track, motion in detections(float(time))
    ]
    faces = np.array(rows, FACE)
    crops = (np.arange(len(rows))[:, None, None] % 256 + np.zeros((1, 48, 48))).astype(np.uint8)
    summary = FaceTracks(frames=len(times), faces=len(rows), tiles=tuple(tiles), reason=reason)
    return DetectedFaces(summary, times, faces, crops)


# Ana speaks in the even intervals of five seconds, Ben in the odd ones.
TURNS = [spoken("Ana" if n % 2 == 0 else "Ben", 5.0 * n, 5.0 * n + 5) for n in range(8)]


def talking(time: float, who: int, seed: int) -> float:
    """The mouth motion of a participant: large during speech, plus random noise."""
    chance = float(np.random.default_rng([seed, int(time * 4)]).uniform(0, 0.25))
    # Motion is measured in the following frame.
    return chance + (0.2 if int((time - 0.125) // 5) % 2 == who else 0.0)


def gallery(time: float) -> list[Detection]:
    return [(0, talking(time, 0, 1)), (1, talking(time, 1, 2))]


def clip(faces: DetectedFaces, utterances: Sequence[Utterance], utterance: Utterance) -> FaceClip:
    found = FacesOfSpeakers(faces, utterances).face_of(utterance)
    assert isinstance(found, FaceClip), found
    return found


def test_speaker_in_a_gallery_is_found_by_mouth_motion() -> None:
    faces = detected(40, gallery, tiles=[0, 1])
    for number, turn in enumerate(TURNS):
        found = clip(faces, TURNS, turn)
        rows = found.crops[:, 0, 0].astype(int)
        assert set(rows % 2) == {number % 2}  # rows alternate between the two tiles
        assert found.margin > 0.4
        assert found.coverage == 1
        assert len(found.times) == 20


def test_evidence_is_combined_over_the_tracks_of_one_tile() -> None:
    """A tile whose face is lost repeatedly still belongs to one participant."""

    def broken(time: float) -> list[Detection]:
        return [(2 * int(time // 5) + tile, motion) for tile, motion in gallery(time)]

    faces = detected(40, broken, tiles=[0, 1] * 8)
    assert clip(faces, TURNS, TURNS[0]).margin == clip(detected(40, gallery, tiles=[0, 1]), TURNS, TURNS[0]).margin


def test_faces_without_evidence_are_not_assigned() -> None:
    still = detected(40, lambda _: [(0, 0.1), (1, 0.1)], tiles=[0, 1])
    assert FacesOfSpeakers(still, TURNS).face_of(TURNS[0]) == "no_face_of_speaker"


def test_only_speaker_among_several_faces_is_found_by_mouth_motion() -> None:
    monologue = [spoken("Ana", 0, 20)]
    faces = detected(20, lambda t: [(0, talking(0, 0, int(4 * t))), (1, 0.02)], tiles=[0, 1])
    found = clip(faces, monologue, monologue[0])
    assert set(found.crops[:, 0, 0].astype(int) % 2) == {0}


def test_only_face_is_assigned_to_only_speaker() -> None:
    faces = detected(4, lambda _: [(0, 0.1)], tiles=[0])
    assert clip(faces, [spoken("Ana", 0, 4)], spoken("Ana", 1, 3)).margin == 1


def test_only_face_is_not_assigned_to_a_speaker_with_camera_off() -> None:
    """Ana's mouth moves with her own speech, so the only face is not Ben's."""
    faces = detected(40, lambda t: [(0, talking(t, 0, 1))], tiles=[0])
    assert clip(faces, TURNS, TURNS[0]).margin == 1
    assert FacesOfSpeakers(faces, TURNS).face_of(TURNS[1]) == "no_face_of_speaker"


def test_only_visible_face_without_evidence_has_half_the_margin() -> None:
    """Speaker view: the video shows the current speaker, so each tile occurs with one voice only."""
    faces = detected(40, lambda t: [(int(t // 5) % 2, 0.1)], tiles=[0, 1])
    assert clip(faces, TURNS, spoken("Ana", 1, 4)).margin == UNPROVEN_FACTOR


def test_overlapped_speech_is_not_evidence() -> None:
    overlapped = [spoken("Ana", 0, 40), spoken("Ben", 0, 40)]
    assert (
        FacesOfSpeakers(detected(40, gallery, tiles=[0, 1]), overlapped).face_of(overlapped[0]) == "no_face_of_speaker"
    )


def test_speakers_are_found_after_the_gallery_is_rearranged() -> None:
    def rearranged(time: float) -> list[Detection]:
        return [(tile + (2 if time >= 20 else 0), motion) for tile, motion in gallery(time)]

    faces = detected(40, rearranged, tiles=[0, 1, 2, 3])
    tracks = [set(clip(faces, TURNS, turn).crops[:, 0, 0].astype(int) % 2) for turn in TURNS]
    assert tracks == [{0}, {1}] * 4


def test_speaker_is_not_assigned_two_simultaneous_tiles() -> None:
    """Two tiles move with Ana's voice; only the stronger one can be hers, with a small margin."""
    faces = detected(40, lambda t: [(0, talking(t, 0, 1)), (1, talking(t, 0, 2))], tiles=[0, 1])
    assert FacesOfSpeakers(faces, TURNS).face_of(TURNS[0]) == "no_face_of_speaker"


def test_weights_favour_confident_and_sharp_detections() -> None:
    faces = detected(4, lambda _: [(0, 0.1)], tiles=[0])
    faces.faces["sharpness"][4] = 50
    faces.faces["score"][5] = 0.4
    weights = clip(faces, [spoken("Ana", 0, 4)], spoken("Ana", 0, 4)).weights
    assert weights[4] < weights[0] / 3
    assert weights[5] == pytest.approx(weights[0] / 2)
    assert weights.max() <= 1


@pytest.mark.parametrize(
    ("faces", "reason"),
    [
        (detected(4, lambda _: [], tiles=[], reason="no_video"), "no_video"),
        (detected(4, lambda _: [], tiles=[]), "no_face"),
        (detected(4, lambda _: [(0, 0.1)], tiles=[-1]), "no_face"),
        (detected(4, lambda t: [(0, 0.1)] if t < 1 else [], tiles=[0]), "no_face"),
        (detected(4, lambda _: [(0, 0.1)], tiles=[0], size=40), "face_too_small"),
        (detected(4, lambda _: [(0, 0.1)], tiles=[0], sharpness=1), "too_few_frames"),
        (detected(4, lambda t: [(0, 0.1)] if 2 <= t < 2.5 else [], tiles=[0]), "too_few_frames"),
    ],
)
def test_utterance_without_face_has_a_reason(faces: DetectedFaces, reason: str) -> None:
    utterance = spoken("Ana", 2, 4)
    assert FacesOfSpeakers(faces, [utterance]).face_of(utterance) == reason
