"""The one door to pictures: which decoder serves what, what comes before an error, what never comes out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hivescan.errors import LimitError, UnsupportedError
from hivescan.media.decode import frames
from hivescan.media.video import probe_video
from hivescan.types import Limits, MediaInfo, MediaType, Sampling

LIMITS = Limits()


def test_a_video_goes_through_pyav_and_gives_one_frame_a_second(data: Path) -> None:
    path = data / "video" / "torchcodec" / "nasa_13013.mp4"
    stream = frames(path, probe_video(path, LIMITS), Sampling(), LIMITS)
    got = list(stream)
    assert stream.decoder == "pyav"
    assert [(f.index, f.start_ms) for f in got] == [(k, k * 1000) for k in range(14)]
    assert got[-1].end_ms == 13013
    assert all(f.pixels.shape == (270, 480, 3) and f.pixels.dtype == np.uint8 for f in got)


def test_a_still_goes_through_pillow(photos: Path) -> None:
    info = MediaInfo(MediaType.IMAGE, "image/png", 512, 512, frame_count=1)
    stream = frames(photos / "astronaut.png", info, Sampling(), LIMITS)
    assert next(stream).pixels.shape == (512, 512, 3)
    assert stream.decoder == "pillow"


@pytest.mark.parametrize("media_type", [MediaType.AUDIO, MediaType.TEXT, MediaType.ARCHIVE])
def test_what_has_no_pictures_is_refused(media_type: MediaType, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="no pictures"):
        frames(tmp_path / "x", MediaInfo(media_type, "x/y"), Sampling(), LIMITS)


def test_the_number_of_samples_is_limited(data: Path) -> None:
    path = data / "video" / "torchcodec" / "nasa_13013.mp4"
    info = probe_video(path, LIMITS)
    with pytest.raises(LimitError, match="130 frames at 10 a second, over the limit of 100"):
        next(frames(path, info, Sampling(10.0), Limits(max_frames=100)))
