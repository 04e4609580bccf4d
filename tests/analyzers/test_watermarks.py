"""Marks that generators write into pixels, here by an encoder of the same description."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import hivescan
from hivescan.analyzers import watermarks
from hivescan.analyzers.watermarks import MESSAGES, chance_of, found_in
from hivescan.types import Says


def marked(picture: np.ndarray, bits: tuple[int, ...], *, blue: int = 2) -> np.ndarray:
    """As invisible-watermark's ``dwtDct``: U at half the size, blocks of 4 × 4, steps of 36.

    ``blue`` is the channel that the encoder takes for blue.
    """
    channels = picture.astype(np.float64)
    b, g, r = channels[..., blue], channels[..., 1], channels[..., 2 - blue]
    y = 0.299 * r + 0.587 * g + 0.114 * b
    u = np.clip((b - y) * 0.492 + 128, 0, 255)
    rows, columns = (side // 8 for side in u.shape)
    blocks = u[: rows * 8, : columns * 8].reshape(rows, 4, 2, columns, 4, 2).sum(axis=(2, 5)) / 2
    for number in range(rows * columns):
        block = blocks[number // columns, :, number % columns]
        place = np.unravel_index(np.abs(block.ravel()[1:]).argmax() + 1, (4, 4))
        aim = (block[place] // 36 + 0.25 + 0.5 * bits[number % len(bits)]) * 36
        i, j = place
        top, left = number // columns * 8 + 2 * i, number % columns * 8 + 2 * j
        u[top : top + 2, left : left + 2] += (aim - block[place]) / 2
    made = channels.copy()
    made[..., blue] = y + (u - 128) / 0.492
    made[..., 1] = (y - 0.299 * r - 0.114 * made[..., blue]) / 0.587
    return np.clip(np.rint(made), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def picture(photos: Path) -> np.ndarray:
    """A photograph of softer colours, so that no marked value is cut off."""
    with Image.open(photos / "coffee.png") as image:
        values = np.asarray(image.convert("RGB")).astype(float)
    return np.rint(64 + 0.5 * values).astype(np.uint8)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: m.program)
def test_a_message_is_found_in_either_order_of_colours(
    picture: np.ndarray, message: watermarks.Message
) -> None:
    for blue in (0, 2):
        (evidence,) = found_in(marked(picture, message.bits, blue=blue))
        assert (evidence.kind, evidence.name, evidence.says) == (
            "watermark",
            message.program,
            Says.AI_GENERATED,
        )
        assert evidence.value["bits"] == len(message.bits)
        assert float(str(evidence.value["chance"])) <= watermarks.CHANCE


def test_nothing_is_found_where_nothing_was_written(picture: np.ndarray, photos: Path) -> None:
    strange = np.random.default_rng(0).integers(0, 2, len(MESSAGES[0].bits))
    assert not list(found_in(marked(picture, tuple(strange.tolist()))))
    assert not list(found_in(picture))
    for colour in (0, 77, 255):
        assert not list(found_in(np.full((300, 300, 3), colour, np.uint8)))
    assert not list(found_in(np.zeros((1, 70_000, 3), np.uint8)))


def test_a_change_of_size_destroys_the_mark(picture: np.ndarray) -> None:
    made = marked(picture, MESSAGES[2].bits)
    smaller = Image.fromarray(made).resize((540, 360), Image.Resampling.LANCZOS)
    assert not list(found_in(np.asarray(smaller)))


def test_chance_is_that_of_tossing_coins() -> None:
    assert chance_of(32, 32) == 2**-32
    assert chance_of(0, 48) == 1
    assert chance_of(47, 48) == 49 / 2**48
    for message in MESSAGES:
        assert chance_of(message.fewest, len(message.bits)) <= watermarks.CHANCE
        assert chance_of(message.fewest - 1, len(message.bits)) > watermarks.CHANCE


def test_evidence_of_a_mark_is_stored(picture: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    Image.fromarray(marked(picture, MESSAGES[1].bits)).save(tmp_path / "media" / "made.png")
    Image.fromarray(picture).save(tmp_path / "media" / "photo.png")
    hivescan.classify([tmp_path / "media"], store=tmp_path / "store", analyzers=("watermarks",), workers=1)
    rows = hivescan.open(tmp_path / "store").sql(
        "SELECT uri, kind, name, says, value ->> 'agreeing' AS agreeing"
        " FROM evidence JOIN items USING (content_id)"
    )
    (row,) = rows.to_pylist()
    assert Path(row.pop("uri")).name == "made.png"
    assert row == {
        "kind": "watermark",
        "name": "Stable Diffusion 2",
        "says": "ai_generated",
        "agreeing": "32",
    }
