"""HEVC pictures that are left out are those that nothing refers to."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from video_clips import ClipMaker

from hivescan.media.hevc import Unreferenced

_HVCC = bytes([1, *[0] * 20, 3, 1, 33, 0, 1, 0, 3, 0x42, 1])
"""A configuration record with one sequence parameter set, whose last byte is to be added."""


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> ClipMaker:
    pytest.importorskip("imageio_ffmpeg", reason="ffmpeg's program comes with the development extras")
    return ClipMaker(tmp_path_factory.mktemp("hevc"))


def decoded(path: Path, *, leave_out: bool) -> dict[int, bytes]:
    """The luma of each picture by its time; with ``leave_out``, of those that others may refer to."""
    found = {}
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        unreferenced = Unreferenced(stream.codec_context.extradata)
        for packet in container.demux(stream):
            if packet.size and unreferenced(memoryview(packet)) and leave_out:
                continue
            for frame in stream.codec_context.decode(packet if packet.size else None):
                found[frame.pts] = np.asarray(frame.planes[0]).tobytes()
    return found


@pytest.mark.parametrize("name", ["hevc_open.mp4", "hevc_layers.mp4", "hevc_pyramid.mkv"])
def test_the_other_pictures_stay_as_they_are(clip: ClipMaker, name: str) -> None:
    every, some = (decoded(clip(name), leave_out=leave_out) for leave_out in (False, True))
    assert len(some) < 0.8 * len(every)
    assert some == {time: every[time] for time in some}


def unit(kind: int, sub_layer: int, *rest: int) -> bytes:
    body = bytes([kind << 1, sub_layer + 1, *rest])
    return len(body).to_bytes(4, "big") + body


@pytest.mark.parametrize(
    ("sub_layers", "packet", "left_out"),
    [
        (1, unit(0, 0, 9), True),
        (1, unit(1, 0, 9), False),  # referenced
        (1, unit(35, 0) + unit(39, 0, 5) + unit(8, 0, 9), True),  # behind a delimiter and a message
        (1, unit(0, 0, 9) + unit(1, 0, 9), False),
        (1, unit(10, 0, 9), False),  # reserved
        (1, unit(39, 0, 5), False),  # no picture
        (2, unit(0, 0, 9), False),  # a picture of the sub-layer above may refer to it
        (2, unit(0, 1, 9), True),
        (1, unit(33, 0, 2) + unit(0, 0, 9), False),  # now there are two
        (1, unit(0, 0, 9)[:-3], False),  # cut off
        (1, b"", False),
    ],
)
def test_headers_tell_what_is_referenced(sub_layers: int, packet: bytes, left_out: bool) -> None:
    assert Unreferenced(_HVCC + bytes([sub_layers - 1 << 1]))(packet) is left_out


def test_nothing_is_left_out_where_no_sub_layers_are_announced() -> None:
    assert not Unreferenced(None)(unit(0, 0, 9))
    assert not Unreferenced(_HVCC[:22] + b"\0")(unit(0, 0, 9))


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_damaged_headers_do_no_harm(configuration: bytes, packet: bytes) -> None:
    for extradata in (configuration, _HVCC[:22] + configuration):
        Unreferenced(extradata)(packet)
        Unreferenced(extradata)(unit(0, 0) + packet)
