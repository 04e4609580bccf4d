"""Scenes from matching frames: planted intervals come back, chance and single pictures do not."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hivescan.matching.timeline import Interval, covered_ms, intervals, seconds_of, shares

SECOND = 1_000
Pairs = list[npt.NDArray[np.int64]]


@dataclass(frozen=True)
class Copy:
    """What an upload took from a known video, all in milliseconds."""

    start: int
    known_start: int
    length: int
    speed: float = 1.0
    still: bool = False
    missed: tuple[int, int] = (0, 0)


def pairs_of(
    copies: list[Copy], *, upload_step: int = SECOND, known_step: int = SECOND, alike_ms: int = 600
) -> Pairs:
    """The pairs of two sampled videos: frames match where they show moments less than ``alike_ms`` apart."""
    rows = []
    for copy in copies:
        known_end = copy.known_start + round(copy.length * copy.speed)
        for at in range(-(-copy.start // upload_step) * upload_step, copy.start + copy.length, upload_step):
            if copy.missed[0] <= at < copy.missed[1]:
                continue
            shown = copy.known_start + (at - copy.start) * copy.speed
            first = -(-copy.known_start // known_step) * known_step
            for known in range(first, known_end, known_step):
                apart = abs(known - shown)
                if copy.still or apart < alike_ms:
                    distance = 4 if copy.still else round(30 * apart / alike_ms)
                    rows.append((at, at + upload_step, known, known + known_step, distance))
    return columns(rows)


def columns(rows: list[tuple[int, ...]]) -> Pairs:
    table = np.array(rows, np.int64).reshape(-1, 5)
    return [table[:, n] for n in range(5)]


def joined(*parts: Pairs) -> Pairs:
    return [np.concatenate(each) for each in zip(*parts, strict=True)]


def noise(count: int, upload_s: int, known_s: int, seed: int = 0) -> Pairs:
    """Frames that match at random moments."""
    random = np.random.default_rng(seed)
    upload = random.integers(0, upload_s, count) * SECOND
    known = random.integers(0, known_s, count) * SECOND
    return [upload, upload + SECOND, known, known + SECOND, random.integers(0, 32, count)]


def assert_found(found: Interval, copy: Copy, within: int = SECOND) -> None:
    known_end = copy.known_start + copy.length * copy.speed
    assert abs(found.start_ms - copy.start) <= within, (found, copy)
    assert abs(found.end_ms - (copy.start + copy.length)) <= within, (found, copy)
    assert abs(found.known_start_ms - copy.known_start) <= within, (found, copy)
    assert abs(found.known_end_ms - known_end) <= within, (found, copy)


def test_a_whole_copy_is_one_interval() -> None:
    (found,) = intervals(*pairs_of([Copy(0, 0, 60_000)]))
    assert (found.start_ms, found.end_ms) == (0, 60_000)
    assert (found.known_start_ms, found.known_end_ms) == (0, 60_000)
    assert found.speed == pytest.approx(1, abs=0.002)
    assert (found.samples, found.known_samples, found.distance) == (60, 60, 0)


def test_nothing_in_common() -> None:
    assert intervals([], [], [], [], []) == []


def test_columns_of_one_length() -> None:
    with pytest.raises(ValueError, match="length"):
        intervals([0], [1], [0], [1], [])


@pytest.mark.parametrize("length", [3_000, 4_000, 10_000])
@pytest.mark.parametrize("phase", [0, 300, 500, 900])
def test_a_short_scene_in_an_hour(length: int, phase: int) -> None:
    copy = Copy(2_000_000 + phase, 700_400, length)
    scattered = noise(60, 3_600, 1_800)
    (found,) = intervals(*joined(pairs_of([copy], known_step=250), scattered))
    assert_found(found, copy)


@pytest.mark.parametrize("speed", [0.9, 0.95, 1.0, 1.04, 1.1])
@pytest.mark.parametrize("length", [12_000, 600_000])
def test_another_speed(speed: float, length: int) -> None:
    copy = Copy(40_000, 95_000, length, speed)
    (found,) = intervals(*joined(pairs_of([copy], known_step=250), noise(30, 700, 900)))
    assert_found(found, copy)
    assert found.speed == pytest.approx(speed, abs=0.06 if length < 60_000 else 0.003)


def test_an_upload_sampled_more_densely_than_the_known_video() -> None:
    copy = Copy(5_000, 20_400, 30_000)
    (found,) = intervals(*pairs_of([copy], upload_step=250, known_step=1_000, alike_ms=130))
    assert_found(found, copy)


def test_a_compilation_in_another_order() -> None:
    copies = [Copy(0, 300_000, 5_000), Copy(5_000, 100_000, 8_000), Copy(13_000, 200_000, 4_000)]
    copies += [Copy(17_000, 20_000, 30_000)]
    found = intervals(*pairs_of(copies, known_step=250))
    assert len(found) == len(copies)
    for one, copy in zip(found, copies, strict=True):
        assert_found(one, copy)


def test_a_scene_used_twice() -> None:
    copies = [Copy(10_000, 50_000, 6_000), Copy(40_000, 50_000, 6_000)]
    found = intervals(*pairs_of(copies, known_step=250))
    assert [(each.start_ms, each.known_start_ms // SECOND) for each in found] == [(10_000, 50), (40_000, 50)]


def test_a_known_video_that_repeats_itself() -> None:
    twice = joined(pairs_of([Copy(0, 10_000, 8_000)]), pairs_of([Copy(0, 70_000, 8_000)]))
    assert sorted(each.known_start_ms for each in intervals(*twice)) == [10_000, 70_000]


def test_an_overlay_does_not_cut_a_scene() -> None:
    copy = Copy(5_000, 0, 20_000, missed=(14_000, 16_000))
    (found,) = intervals(*pairs_of([copy], known_step=250))
    assert_found(found, copy)
    assert found.samples == 18


def test_a_long_interruption_is_bridged_between_long_parts() -> None:
    copy = Copy(0, 0, 120_000, missed=(50_000, 70_000))
    (found,) = intervals(*pairs_of([copy]))
    assert_found(found, copy)
    assert found.samples == 100


def test_a_cut_leaves_two_intervals() -> None:
    found = intervals(*pairs_of([Copy(0, 0, 20_000), Copy(20_000, 50_000, 20_000)], known_step=250))
    assert [each.known_start_ms // SECOND for each in found] == [0, 50]


def test_a_single_picture_is_no_scene() -> None:
    assert intervals(*pairs_of([Copy(100_000, 20_000, 1_000)])) == []


def test_a_title_card_is_no_scene() -> None:
    assert intervals(*pairs_of([Copy(100_000, 20_000, 5_000, still=True)])) == []


def test_title_cards_that_come_again_and_again_are_no_scene() -> None:
    logo = [Copy(100_000 * n, 57_000 * m, 3_000, still=True) for n in range(6) for m in range(9)]
    assert intervals(*pairs_of(logo)) == []


def test_a_still_scene_counts_once_it_lasts() -> None:
    copy = Copy(100_000, 20_000, 12_000, still=True)
    (found,) = intervals(*pairs_of([copy]))
    assert_found(found, copy)


def test_a_known_picture_that_stays_on_in_the_upload_is_no_scene() -> None:
    rows = [(n * SECOND, (n + 1) * SECOND, 40_000, 41_000, 0) for n in range(60)]
    assert intervals(*columns(rows)) == []


def test_a_short_known_video_met_whole() -> None:
    rows = [(at, at + SECOND, 0, 900, 2) for at in (7_000, 8_000)]
    assert intervals(*columns(rows)) == []
    found = intervals(*columns(rows), known_length_ms=900, upload_length_ms=60_000)
    assert {(each.known_start_ms, each.known_end_ms) for each in found} == {(0, 900)}


def test_a_known_video_whose_still_frames_were_joined() -> None:
    """Scene lists hold one row for a stretch in which the picture hardly changes."""
    scenes = [(0, 4_000), (4_000, 4_250), (4_250, 9_000), (9_000, 15_000)]
    rows = [
        (at, at + SECOND, start, end, 6)
        for at in range(0, 15_000, SECOND)
        for start, end in scenes
        if start <= at < end
    ]
    (found,) = intervals(*columns(rows))
    assert_found(found, Copy(0, 0, 15_000))


def test_shots_as_samples_of_the_upload() -> None:
    cuts = [0, 3_000, 7_400, 9_000, 15_000, 21_000, 40_000]
    shots = list(itertools.pairwise(cuts))
    rows = [(start + 9_000, end + 9_000, start, end, 8) for start, end in shots]
    (found,) = intervals(*columns(rows))
    assert_found(found, Copy(9_000, 0, 40_000))


def test_twenty_minutes_of_one_picture_are_one_interval() -> None:
    grid = np.arange(1_200, dtype=np.int64) * SECOND
    upload, known = (each.ravel() for each in np.meshgrid(grid, grid))
    (found,) = intervals(upload, upload + SECOND, known, known + SECOND, np.full(len(upload), 2))
    assert found.samples >= 1_180
    assert covered_ms([(found.known_start_ms, found.known_end_ms)]) >= 1_180_000


def test_scattered_pairs_are_no_scene() -> None:
    assert intervals(*noise(20_000, 3_600, 3_600)) == []


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32), count=st.integers(20, 3_000), length=st.integers(60, 3_600))
def test_noise_alone_gives_nothing(seed: int, count: int, length: int) -> None:
    most = max(20, length * length // 200)
    assert intervals(*noise(min(count, most), length, length, seed)) == []


@settings(max_examples=30)
@given(data=st.data())
def test_planted_scenes_are_found_within_a_step(data: st.DataObject) -> None:
    at, known, copies = 0, 0, []
    for _ in range(data.draw(st.integers(1, 5))):
        at += data.draw(st.integers(2_000, 60_000))
        known += data.draw(st.integers(40_000, 90_000))
        length = data.draw(st.integers(4_000, 30_000))
        copies.append(Copy(at, known, length, data.draw(st.sampled_from([0.9, 1.0, 1.0, 1.1]))))
        at += length
        known += round(length * 1.1)
    if data.draw(st.booleans()):
        places = [copy.known_start for copy in copies][::-1]
        copies = [
            Copy(copy.start, place, min(copy.length, 30_000), copy.speed)
            for copy, place in zip(copies, places, strict=True)
        ]
    pairs = pairs_of(copies, known_step=data.draw(st.sampled_from([250, 500])))
    scattered = noise(data.draw(st.integers(0, 40)), 400, 600, data.draw(st.integers(0, 99)))
    found = intervals(*joined(pairs, scattered))
    for copy in copies:
        nearest = min(found, key=lambda one: abs(one.start_ms - copy.start), default=None)
        assert nearest is not None, copy
        assert_found(nearest, copy, within=1_500)
    assert len(found) == len(copies)


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32))
def test_the_order_of_pairs_does_not_matter(seed: int) -> None:
    copies = [Copy(3_000, 50_000, 9_000), Copy(20_000, 10_000, 12_000, 1.1)]
    pairs = joined(pairs_of(copies, known_step=250), noise(100, 60, 60, seed))
    shuffled = np.random.default_rng(seed).permutation(len(pairs[0]))
    twice = np.concatenate([shuffled, shuffled[::2]])
    assert intervals(*pairs) == intervals(*(each[twice] for each in pairs))


def test_the_percentages_of_vpdq() -> None:
    known = [5_000, 6_000, 5_000], [6_000, 7_000, 6_000]
    found = shares([0, 0, 1_000], *known, upload_samples=4, known_seconds=2)
    assert (found.upload, found.known) == (0.5, 1.0)
    assert shares([], [], [], upload_samples=0, known_seconds=3).upload == 0


def test_seconds_of_frames_however_dense() -> None:
    assert seconds_of(range(0, 4_000, 125), range(125, 4_125, 125)) == 4
    assert seconds_of([0, 7_250], [5_000, 9_100]) == 8
    assert seconds_of([2_000], [2_000]) == 1


def test_coverage_counts_what_overlaps_once() -> None:
    assert covered_ms([(0, 10), (5, 20), (30, 40), (31, 32)]) == 30
    assert covered_ms([]) == 0
