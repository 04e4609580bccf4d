"""Pictures varied for training."""

from __future__ import annotations

import numpy as np
import pytest

from hivescan.automl.networks.augmentation import Augmentation, augmented, parse_augmentation
from hivescan.errors import UsageError

PICTURE = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)


def test_names_say_what_is_done() -> None:
    assert parse_augmentation(["flip,colour"]) == Augmentation(flip=True, crop=False, colour=True)
    assert parse_augmentation(["flip", "crop"]) == Augmentation(flip=True, crop=True, colour=False)
    assert not parse_augmentation(["none"]).any


@pytest.mark.parametrize("names", [["spin"], ["none", "flip"]])
def test_names_that_mean_nothing_are_refused(names: list[str]) -> None:
    with pytest.raises(UsageError, match="--augmentation"):
        parse_augmentation(names)


def test_a_generator_decides_what_becomes_of_a_picture() -> None:
    made = [augmented(PICTURE, (32, 32), Augmentation(), np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])
    assert made[0].shape == (32, 32, 3)


def test_without_crop_the_centre_is_taken() -> None:
    plain = augmented(PICTURE, (32, 32), Augmentation(False, False, False), np.random.default_rng(0))
    assert np.array_equal(plain, PICTURE[4:36, 4:36])


def test_a_flip_mirrors() -> None:
    how = Augmentation(flip=True, crop=False, colour=False)
    centre = PICTURE[4:36, 4:36]
    seen = [augmented(PICTURE, (32, 32), how, np.random.default_rng(seed)) for seed in range(8)]
    assert any(np.array_equal(picture, centre[:, ::-1]) for picture in seen)
    assert any(np.array_equal(picture, centre) for picture in seen)
