"""One person in view is one track, whoever else comes, goes and passes."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hivescan.analyzers.shots import cuts, look
from hivescan.analyzers.tracks import GAP_MS, tracks

Frames = list[tuple[int | None, np.ndarray]]


def boxes(*centres: tuple[float, float], side: float = 0.1) -> np.ndarray:
    at = np.array(centres, np.float64).reshape(-1, 2)
    return np.concatenate([at - side / 2, at + side / 2], axis=1)


def at_seconds(*found: np.ndarray) -> Frames:
    return [(second * 1000, each) for second, each in enumerate(found)]


def test_one_person_who_moves_is_one_track() -> None:
    walking = at_seconds(*(boxes((0.1 + 0.05 * i, 0.5)) for i in range(12)))
    assert tracks(walking) == [[0]] * 12


def test_two_people_keep_their_tracks_in_whatever_order_they_are_found() -> None:
    left, right = (0.2, 0.4), (0.7, 0.4)
    frames = at_seconds(boxes(left, right), boxes(right, left), boxes(left, right))
    assert tracks(frames) == [[0, 1], [1, 0], [0, 1]]


def test_a_face_that_is_missed_for_two_frames_goes_on() -> None:
    there, nobody = boxes((0.5, 0.5)), boxes()
    assert tracks(at_seconds(there, nobody, nobody, there)) == [[0], [], [], [0]]
    late: Frames = [(0, there), (GAP_MS + 1, there)]
    assert tracks(late) == [[0], [1]]


def test_a_newcomer_elsewhere_or_of_another_size_is_another_track() -> None:
    here, there = boxes((0.2, 0.2)), boxes((0.8, 0.8))
    assert tracks(at_seconds(here, there)) == [[0], [1]]
    near, close_up = boxes((0.5, 0.5)), boxes((0.62, 0.5), side=0.4)
    assert tracks(at_seconds(near, close_up)) == [[0], [1]]


def test_the_nearer_face_goes_on_and_the_other_begins() -> None:
    frames = at_seconds(boxes((0.5, 0.5)), boxes((0.58, 0.5), (0.51, 0.5)))
    assert tracks(frames) == [[0], [1, 0]]


def test_no_track_goes_over_a_cut() -> None:
    there = boxes((0.5, 0.5))
    assert tracks(at_seconds(there, there, there, there), {2}) == [[0], [0], [1], [1]]
    nobody = boxes()
    assert tracks(at_seconds(there, nobody, there), {1}) == [[0], [], [1]]


def test_looks_tell_another_place_from_one_where_somebody_moves() -> None:
    rng = np.random.default_rng(1)
    room, street = (rng.integers(0, 256, (90, 160, 3), np.uint8) // 3 + base for base in (10, 150))
    moved = room.copy()
    moved[30:80, 40:90] = 200
    frames = np.array([look(picture) for picture in (room, moved, street, street, room)])
    assert cuts(frames, [0, 1000, 2000, 3000, 4000]) == {2, 4}
    assert cuts(frames, [None] * 5) == set()
    assert look(np.zeros((3, 5, 3), np.uint8)).shape == frames[0].shape


def test_stills_and_pages_have_no_tracks() -> None:
    assert tracks([(None, boxes((0.5, 0.5), (0.2, 0.2))), (None, boxes((0.5, 0.5)))]) == [
        [None, None],
        [None],
    ]


CENTRE = st.tuples(st.floats(0, 1), st.floats(0, 1))


@given(st.lists(st.lists(CENTRE, max_size=5), max_size=8))
def test_no_frame_has_a_track_twice_and_numbers_come_in_order_of_first_sight(
    found: list[list[tuple[float, float]]],
) -> None:
    numbers = tracks(at_seconds(*(boxes(*centres) for centres in found)))
    assert [len(of_frame) for of_frame in numbers] == [len(centres) for centres in found]
    seen = 0
    for of_frame in numbers:
        assert len(set(of_frame)) == len(of_frame)
        fresh = [n for n in of_frame if n is not None and n >= seen]
        assert fresh == list(range(seen, seen + len(fresh)))
        seen += len(fresh)
