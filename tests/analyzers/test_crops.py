"""Hashes of crops: what cropped copies of a known picture are recognised by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hivescan.analyzers import registry
from hivescan.analyzers.crops import CROPS, cropped, load
from hivescan.media.pdq import hamming, pdq


def test_a_crop_of_five_percent_wherever_it_lies_is_near_one_of_them(photos: Path) -> None:
    rng = np.random.default_rng(3)
    for name in ("astronaut.png", "coffee.png", "chelsea.png"):
        pixels = np.asarray(Image.open(photos / name).convert("RGB"))
        (found,) = ([c.hashes[0] for c in load().infer([pixels]).hashes],)
        assert len(found) == len(CROPS)
        for _ in range(4):
            uploaded = pdq(cropped(pixels, 5, *rng.random(2))).hash
            assert min(hamming(uploaded, value) for value in found if value is not None) <= 31
            assert hamming(uploaded, pdq(pixels).hash) > 31


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (200, 4), (7, 7)])
def test_the_smallest_pictures_are_cropped_too(shape: tuple[int, int]) -> None:
    found = load().infer([np.zeros((*shape, 3), np.uint8)]).hashes
    assert [len(column.hashes) for column in found] == [1] * len(CROPS)


def test_crops_keep_what_their_names_say() -> None:
    picture = np.arange(200 * 100, dtype=np.uint8).reshape(200, 100, 1).repeat(3, axis=2)
    corner = cropped(picture, *CROPS["crop 10 %, top 0/2, left 2/2"])
    assert np.array_equal(corner, picture[:180, 10:])
    middle = cropped(picture, *CROPS["crop 10 %, top 1/2, left 1/2"])
    assert np.array_equal(middle, picture[10:190, 5:95])


def test_crops_are_made_only_where_they_are_asked_for() -> None:
    assert "crops" in registry.available()
    assert all("crops" not in registry.PROFILES[name] for name in registry.PROFILES)
