"""PDQ equals the reference; the analyzer's hashes are those that others compute."""

from __future__ import annotations

import csv
from pathlib import Path

import imagehash
import numpy as np
import pdqhash
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hivescan.analyzers import hashes
from hivescan.media.pdq import HASH_BYTES, Pdq, hamming, pdq, pdq_forms
from hivescan.types import MediaType, Pixels

EXACT_UP_TO = 512
"""Larger pictures were reduced before the published hashes were taken."""


def pixels_of(path: Path) -> Pixels:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def reference(pixels: Pixels) -> Pdq:
    bits, quality = pdqhash.compute(pixels)
    return Pdq(np.packbits(bits).tobytes(), quality)


def published(data: Path) -> list[tuple[Path, str]]:
    """Pictures of the reference with the hashes that its authors give for them."""
    folder = data / "hash_reference" / "pdq"
    named: dict[Path, str] = {}
    with (folder / "wasm/test/TestData/PDQMD5TestData.csv").open() as rows:
        for row in csv.reader(rows):
            if len(row) == 2 and len(row[1]) == 64:
                named[folder / "data" / row[0].split("/data/")[-1]] = row[1]
    for readme, base in (("cpp/bin/README.md", "data/reg-test-input"), ("python/README.md", "data")):
        for line in (folder / readme).read_text().splitlines():
            parts = line.strip().split(",")
            if len(parts) >= 2 and len(parts[0]) == 64:
                path = parts[-1].replace("reg_test/input/", "").replace("../../data/", "")
                named.setdefault(folder / base / path, parts[0])
    return [(path, digest) for path, digest in named.items() if path.is_file()]


def test_pdq_equals_the_published_hashes(data: Path) -> None:
    pictures = published(data)
    assert len(pictures) >= 20
    for path, digest in pictures:
        pixels = pixels_of(path)
        distance = hamming(pdq(pixels).hash, bytes.fromhex(digest))
        assert distance <= (0 if max(pixels.shape) <= EXACT_UP_TO else 12), path.name


def test_pdq_and_its_quality_equal_the_reference_on_photos_of_every_size(data: Path, photos: Path) -> None:
    small = sorted((data / "clothing" / "test").rglob("*.jpg"))[::12]
    large = [p for p in sorted(photos.glob("*.png")) if "chessboard" not in p.name]
    large += sorted((data / "photos_exif").rglob("*.jpg"))[:5]
    assert len(small) > 20
    assert len(large) > 10
    for path in (*small, *large):
        pixels = pixels_of(path)
        assert pdq(pixels) == reference(pixels), path.name


@given(st.integers(5, 700), st.integers(5, 700), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_pdq_equals_the_reference_whatever_the_shape(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    pixels = np.clip(smooth + rng.normal(0, 9, smooth.shape), 0, 255).astype(np.uint8)
    ours, theirs = pdq(pixels), reference(pixels)
    # Their sums carry rounding errors: once in a while one lies across the median. Six or eight pixels
    # across make whole rows of zero frequencies, whose signs are nothing but such errors.
    if min(height, width) > 16:
        assert hamming(ours.hash, theirs.hash) <= 2
    assert abs(ours.quality - theirs.quality) <= 1


@given(st.integers(5, 400), st.integers(5, 400), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_forms_are_the_hashes_of_the_picture_mirrored(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    found = pdq_forms(pixels)
    assert Pdq(found.plain, found.quality) == pdq(pixels)
    # At the rim weights are no whole numbers, and their sums depend on the order.
    assert hamming(found.mirrored, pdq(pixels[:, ::-1]).hash) <= 1
    assert hamming(found.flipped, pdq(pixels[::-1]).hash) <= 1
    assert hamming(found.turned_180, pdq(pixels[::-1, ::-1]).hash) <= 1


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (4, 9), (1, 3000), (2, 2)])
def test_pictures_too_small_to_hash_get_the_zero_hash_at_quality_0(shape: tuple[int, int]) -> None:
    assert pdq(np.full((*shape, 3), 200, np.uint8)) == Pdq(bytes(HASH_BYTES), 0)


@pytest.mark.parametrize("shape", [(5, 5), (5, 4000), (4000, 5), (63, 65), (128, 129), (20_000, 7)])
def test_odd_shapes_are_hashed(shape: tuple[int, int]) -> None:
    found = pdq(np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8))
    assert len(found.hash) == HASH_BYTES
    assert 0 <= found.quality <= 100


def test_a_plain_picture_has_quality_0() -> None:
    assert pdq(np.full((300, 400, 3), 77, np.uint8)).quality == 0


def test_pictures_that_are_views_of_others_are_hashed_like_copies(photos: Path) -> None:
    pixels = pixels_of(photos / "astronaut.png")
    mirrored = pixels[:, ::-1]
    assert not mirrored.flags.c_contiguous
    assert pdq(mirrored) == pdq(mirrored.copy())
    assert pdq(pixels[10:, 20:]) == pdq(pixels[10:, 20:].copy())


def test_the_analyzer_gives_what_imagehash_prints(photos: Path) -> None:
    names = ("astronaut.png", "coffee.png", "hubble_deep_field.jpg")
    pictures = [pixels_of(photos / name) for name in names]
    columns = hashes.load().infer(pictures).hashes
    by_name = {column.algorithm: column for column in columns if column.transformation is None}
    assert set(by_name) == {"pdq", "phash", "dhash"}
    for i, pixels in enumerate(pictures):
        image = Image.fromarray(pixels)
        assert by_name["phash"].hashes[i].hex() == str(imagehash.phash(image))
        assert by_name["dhash"].hashes[i].hex() == str(imagehash.dhash(image))
        assert (by_name["pdq"].hashes[i], by_name["pdq"].quality[i]) == pdq(pixels)
    assert by_name["phash"].quality == by_name["dhash"].quality == (None, None, None)


def test_a_pictures_hashes_do_not_depend_on_its_neighbours(photos: Path) -> None:
    pictures = [pixels_of(photos / name) for name in ("coins.png", "rocket.jpg", "page.png")]
    analyzer = hashes.load()
    together = analyzer.infer(pictures).hashes
    reverse = analyzer.infer(pictures[::-1]).hashes
    for some, others in zip(together, reverse, strict=True):
        assert some.hashes == others.hashes[::-1]


def test_the_smallest_pictures_pass_through_the_analyzer() -> None:
    found = hashes.load().infer([np.zeros((1, 1, 3), np.uint8), np.zeros((5, 3, 3), np.uint8)])
    assert {len(column.hashes) for column in found.hashes} == {2}
    assert found.hashes[0].quality == (0, 0)


def test_no_pictures_give_no_hashes() -> None:
    assert {column.hashes for column in hashes.load().infer([]).hashes} == {()}


def test_mirror_images_and_the_picture_without_its_borders_are_hashed_too(photos: Path) -> None:
    plain = pixels_of(photos / "astronaut.png")
    framed = np.zeros((plain.shape[0] + 160, *plain.shape[1:]), np.uint8)
    framed[80:-80] = plain
    found = {
        column.transformation: column
        for column in hashes.load().infer([plain, framed]).hashes
        if column.algorithm == "pdq"
    }
    turned = ("mirrored", "flipped", "turned 180")
    assert set(found) == {None, *turned, "unbordered", *(f"unbordered, {name}" for name in turned)}
    assert found["mirrored"].hashes[0] == pdq(plain[:, ::-1]).hash
    assert found["flipped"].hashes[1] == pdq(framed[::-1]).hash
    for name in (None, *turned):
        inside = found[", ".join(filter(None, ("unbordered", name)))]
        assert inside.hashes == (None, found[name].hashes[0])
        assert inside.quality == (None, found[name].quality[0])


def test_the_spec_consumes_pictures_and_videos_where_they_are_decoded() -> None:
    spec = hashes.spec()
    assert (spec.name, spec.runs_in) == ("hashes", "decoder")
    assert spec.consumes == {MediaType.IMAGE, MediaType.VIDEO}
    assert spec.fingerprint(None) != spec.fingerprint("fps=1")
