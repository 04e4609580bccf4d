"""Videos through decord, for the kinds of file where it returns the right frame.

decord finds a frame by its number, and seeks to keyframes to get there. That is exact where a group of
pictures depends on nothing before its keyframe; in open groups (H.264, HEVC and MPEG-2 have them, and no
header says so) it silently returns another frame. So those codecs are taken in sequence, and every file's
frame times must agree with those in its container.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hivescan.errors import DecodeError, UnsupportedError
from hivescan.media import video_container, video_packets
from hivescan.media.video_pixels import display_matrix, is_mirrored, master_size, quarter_turns
from hivescan.types import Frame, Limits, MediaInfo, Pixels, Sampling

FORMATS = frozenset({"mov", "matroska"})
"""Elsewhere decord was seen to lose times (AVI, program streams) or a whole group (transport streams)."""

CLOSED_CODECS = frozenset({"vp8", "vp9", "mjpeg", "prores", "dnxhd", "ffv1", "png"})
"""Codecs whose keyframes cut every dependency: frames may be asked for by number."""

SEQUENCE_CODECS = frozenset({"h264", "hevc", "mpeg2video"})
"""Codecs that may have open groups of pictures: frames are taken one after the other."""

_SMALLEST_SIDE = 16

_SAME_TIME_S = 0.0015
"""decord gives times as 32-bit floats of seconds; Matroska rounds them to milliseconds."""


def available() -> bool:
    """Whether decord is installed: its wheels exist for x86-64 Linux and Windows only."""
    from importlib.util import find_spec

    return find_spec("decord") is not None


def version() -> str | None:
    """The version of decord that is installed, None without one."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed_version

    try:
        return installed_version("decord")
    except PackageNotFoundError:
        return None


@dataclass(frozen=True)
class Reader:
    """An opened video whose frames are known to come at the right times.

    ``ticks[i]`` is the presentation time of frame i since the first one, ``end`` that of the clip's end,
    in units of ``time_base`` seconds. ``by_number``: frames may be asked for in any order.
    """

    video: Any
    ticks: npt.NDArray[np.int64]
    end: int
    time_base: Fraction
    by_number: bool


def open_reader(path: Path, info: MediaInfo, limits: Limits) -> Reader:
    """Opens the file if decord serves its kind, and checks its times.

    Raises ``UnsupportedError`` with the reason where decord does not serve the file, ``DecodeError`` where
    its times differ from the container's.
    """
    if not available():
        raise UnsupportedError("decord is not installed here; use --decoder auto")
    with video_container.open_container(path, limits) as container:
        stream = video_container.choose_video_stream(container)
        name, codec = (
            video_container.format_name(container),
            video_container.codec_name(stream) if stream else None,
        )
        if stream is None or name not in FORMATS:
            raise UnsupportedError(f"decord does not serve {name} files; use --decoder auto")
        if codec not in CLOSED_CODECS | SEQUENCE_CODECS:
            raise UnsupportedError(f"decord does not serve {codec} video; use --decoder auto")
        if sum(video_container.is_moving_video(s) for s in container.streams) > 1:
            raise UnsupportedError("decord cannot choose among several video tracks; use --decoder auto")
        timeline = video_packets.timeline(container, stream, limits)
        time_base = Fraction(stream.time_base)
    first = timeline.first_frame
    if timeline.damaged or first is None:
        raise DecodeError("damaged, and decord cannot tell where; use --decoder auto")
    if not timeline.times:
        raise UnsupportedError("some frames have no time of their own; use --decoder auto")
    misshown = _misshown(first, name, codec)
    if misshown is not None:
        raise UnsupportedError(f"decord does not show {misshown} right; use --decoder auto")
    ticks = np.asarray(timeline.times, np.int64) - timeline.times[0]
    if len(ticks) > 1 and np.diff(ticks).min() <= 0:
        raise UnsupportedError("two frames are shown at one time; use --decoder auto")
    video = _open_video(path, info)
    times = np.asarray(video.get_frame_timestamp(range(len(video))), np.float64).reshape(-1, 2)[:, 0]
    if len(times) != len(ticks) or np.abs(times - times[0] - ticks * float(time_base)).max() > _SAME_TIME_S:
        raise DecodeError(
            f"decord finds {len(times)} frames at other times than the container's {len(ticks)}; "
            "use --decoder auto"
        )
    return Reader(video, ticks, timeline.end - timeline.times[0], time_base, codec in CLOSED_CODECS)


def _misshown(first: Any, container: str, codec: str | None) -> str | None:
    """What of this kind of video decord was seen to get wrong; None where it is right."""
    matrix, pixel_format = display_matrix(first), str(first.format.name)
    if first.interlaced_frame or is_mirrored(matrix):
        return "interlaced or mirrored video"
    if container == "matroska" and quarter_turns(matrix):
        return "video that Matroska says to turn"
    if pixel_format.endswith(("p10le", "p12le")) and codec not in {"prores", "dnxhd"}:
        return "the colours of video of ten and more bits"
    if first.width % 2 or first.height % 2 or min(first.width, first.height) < _SMALLEST_SIDE:
        return "video of odd or tiny sizes"
    return "quartered chroma" if pixel_format == "yuv410p" else None


def _open_video(path: Path, info: MediaInfo) -> Any:
    import decord

    decord.logging.set_level(decord.logging.QUIET)
    width, height = master_size(info.width or 0, info.height or 0)
    try:
        return decord.VideoReader(
            str(path.absolute()), ctx=decord.cpu(0), width=width, height=height, num_threads=1
        )
    except (decord.DECORDError, UnicodeEncodeError) as error:
        raise DecodeError("decord cannot open it; use --decoder auto") from error


def sampled_frames(opened: Reader, sampling: Sampling) -> Iterator[Frame]:
    """Frames at the sampling's times. Raises ``DecodeError`` where decord gives up on the way."""
    import decord

    step = 1 / Fraction(str(sampling.fps))
    duration_ms = floor(opened.end * opened.time_base * 1000)
    index, held, pixels = 0, -1, None
    try:
        while index == 0 or index * step < opened.end * opened.time_base:
            ticks = floor(index * step / opened.time_base)
            number = int(np.searchsorted(opened.ticks, ticks, side="right")) - 1
            if pixels is None or number != held:
                pixels = _picture(opened, held, number)
                held = number
            start_ms, end_ms = floor(index * step * 1000), floor((index + 1) * step * 1000)
            yield Frame(index, start_ms, max(start_ms + 1, min(end_ms, duration_ms)), pixels)
            index += 1
    except decord.DECORDError as error:
        raise DecodeError(
            f"decord gave up at {float(index * step):.1f} seconds; use --decoder auto"
        ) from error


def _picture(reader: Reader, held: int, number: int) -> Pixels:
    if reader.by_number:
        return np.ascontiguousarray(reader.video[number].asnumpy())
    picture = None
    for _ in range(number - held):
        picture = reader.video.next()
    assert picture is not None
    return np.ascontiguousarray(picture.asnumpy())
