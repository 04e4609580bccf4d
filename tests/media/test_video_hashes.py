"""Hashes of sampled frames are those that vPDQ publishes for the same moments."""

from __future__ import annotations

from pathlib import Path

import pytest

from hivescan.media.decode import frames
from hivescan.media.pdq import hamming, pdq
from hivescan.media.probe import probe
from hivescan.types import Limits, Sampling

ROUNDING_BITS = 6
"""Of pictures of 480 × 720: decoders round differently on the way from YUV. Half of the frames are equal."""


def published(path: Path) -> dict[int, tuple[bytes, int]]:
    """Hash and quality of every frame, by its time in milliseconds."""
    rows = [line.split(",") for line in path.read_text().split()]
    return {round(1000 * float(at)): (bytes.fromhex(value), int(quality)) for _, quality, value, at in rows}


@pytest.mark.parametrize("name", ["chair-19-sd-bar", "chair-22-sd-grey-bar", "chair-22-with-large-logo-bar"])
def test_frames_of_vpdqs_videos_have_the_published_hashes(data: Path, name: str) -> None:
    folder = data / "hash_reference"
    video, of_frame = folder / "videos" / f"{name}.mp4", published(folder / "vpdq" / f"{name}.txt")
    equal = compared = 0
    for frame in frames(video, probe(video, Limits()), Sampling(fps=0.5), Limits()):
        wanted, quality = of_frame[min(of_frame, key=lambda time: abs(time - (frame.start_ms or 0)))]
        found = pdq(frame.pixels)
        assert hamming(found.hash, wanted) <= ROUNDING_BITS
        assert found.quality == quality
        equal += found.hash == wanted
        compared += 1
    assert compared >= 10
    assert equal >= compared / 3
