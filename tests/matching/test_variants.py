"""Mirrored and turned forms of PDQ hashes: exact from what a scan stores, near from the plain hash alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pdqhash
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from PIL import Image

from hivescan.matching.variants import EVERY_TURN, NAMES, dihedral, forms
from hivescan.media.pdq import pdq, pdq_forms
from hivescan.types import Pixels

HASHES = st_numpy.arrays(np.uint8, st.tuples(st.integers(0, 5), st.just(32)))
DONE = {
    None: lambda pixels: pixels,
    "mirrored": lambda pixels: pixels[:, ::-1],
    "flipped": lambda pixels: pixels[::-1],
    "turned 90": lambda pixels: np.rot90(pixels, -1),
    "turned 180": lambda pixels: np.rot90(pixels, 2),
    "turned 270": lambda pixels: np.rot90(pixels, 1),
    "transposed": lambda pixels: pixels.transpose(1, 0, 2),
    "transverse": lambda pixels: np.rot90(pixels, 2).transpose(1, 0, 2),
}
STORED = (None, "mirrored", "flipped", "turned 180")


def as_rows(*hashes: bytes) -> np.ndarray:
    return np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, 32)


def bits_off(a: np.ndarray, b: np.ndarray) -> int:
    return int(np.bitwise_count(a ^ b).sum())


@pytest.fixture(scope="module")
def pictures(photos: Path) -> list[Pixels]:
    names = ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg", "hubble_deep_field.jpg")
    return [np.asarray(Image.open(photos / name).convert("RGB")) for name in names]


def test_stored_forms_give_the_exact_hashes_of_the_picture_turned_in_all_eight_ways(
    pictures: list[Pixels],
) -> None:
    for pixels in pictures:
        stored = as_rows(*pdq_forms(pixels)[:4])
        found = forms(stored, STORED, np.ones(4, np.bool_))
        assert sorted(found.code) == list(EVERY_TURN)
        for value, code in zip(found.hashes, found.code, strict=True):
            assert value.tobytes() == pdq(DONE[NAMES[code]](pixels)).hash, NAMES[code]


def test_the_plain_hash_alone_gives_near_ones(pictures: list[Pixels]) -> None:
    off = []
    for pixels in pictures:
        found = dihedral(as_rows(pdq(pixels).hash))
        for value, code in zip(found.hashes, found.code, strict=True):
            exact = as_rows(pdq(DONE[NAMES[code]](pixels)).hash)[0]
            off.append(bits_off(value, exact))
    assert max(off) < 64  # unrelated ones differ by 128
    assert np.mean(off) < 24


def test_near_hashes_agree_with_those_that_the_reference_makes_of_its_frequencies(
    pictures: list[Pixels],
) -> None:
    # The order of pdqhash; it turns counterclockwise.
    order = (None, "turned 270", "turned 180", "turned 90", "flipped", "mirrored", "transposed", "transverse")
    for pixels in pictures:
        theirs, _quality = pdqhash.compute_dihedral(pixels)
        ours = dihedral(as_rows(pdq(pixels).hash))
        exact = {name: np.packbits(bits) for name, bits in zip(order, theirs, strict=True)}
        for value, code in zip(ours.hashes, ours.code, strict=True):
            # The median moves when signs change: only frequencies near it can differ.
            near = {name: bits_off(value, other) for name, other in exact.items()}
            assert min(near, key=near.__getitem__) == NAMES[code]
            assert near[NAMES[code]] <= 24


@given(HASHES)
def test_turning_four_times_or_mirroring_twice_gives_the_hash_again(hashes: np.ndarray) -> None:
    def once(values: np.ndarray, name: str | None) -> np.ndarray:
        return dihedral(values, [NAMES.index(name)]).hashes

    for name in ("mirrored", "flipped", "turned 180", "transposed", "transverse"):
        assert np.array_equal(once(once(hashes, name), name), hashes)
    turned = hashes
    for name in ("turned 90", "turned 180", "turned 270", None):
        turned = once(turned, "turned 90")
        assert np.array_equal(turned, once(hashes, name))
    both = once(once(hashes, "mirrored"), "turned 90")
    assert np.array_equal(both, once(hashes, "transverse"))


@given(HASHES)
def test_forms_stand_in_order_of_their_hashes_and_the_first_is_the_hash_itself(hashes: np.ndarray) -> None:
    found = dihedral(hashes)
    assert found.sample.tolist() == [i for i in range(len(hashes)) for _ in EVERY_TURN]
    assert found.code.tolist() == list(EVERY_TURN) * len(hashes)
    assert np.array_equal(found.hashes[:: len(EVERY_TURN)], hashes)


def test_rows_of_pictures_with_and_without_stored_forms_may_be_mixed() -> None:
    values = np.random.default_rng(1).integers(0, 256, (6, 32), dtype=np.uint8)
    names = (None, "mirrored", None, "unbordered", "unbordered, flipped", "crop of another make")
    complete = np.array([True, True, False, False, True, True])
    found = forms(values, names, complete)
    by_row = {row: [NAMES[c] for c in found.code[found.sample == row]] for row in range(6)}
    assert by_row[0] == [None, "transposed"]
    assert by_row[1] == ["mirrored", "turned 270"]
    assert by_row[2] == list(NAMES[:8])
    assert by_row[3] == list(NAMES[8:])
    assert by_row[4] == ["unbordered, flipped", "unbordered, turned 90"]
    assert by_row[5] == []
    assert found.sample.tolist() == sorted(found.sample)
    assert np.array_equal(found.hashes[found.code == 0], values[[0, 2]])


def test_other_hashes_are_refused() -> None:
    with pytest.raises(ValueError, match="uint8"):
        dihedral(np.zeros((3, 8), np.uint8))
    assert len(dihedral(np.zeros((0, 32), np.uint8)).hashes) == 0
