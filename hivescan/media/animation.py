"""When each picture of an animation is shown, read from the container without decoding.

Durations of 10 ms and less are shown for 100 ms, as browsers do for GIF, WebP and APNG alike. How often
an animation repeats is not considered: its duration is that of one round.
"""

from __future__ import annotations

import mmap
import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from hivescan.errors import MediaError
from hivescan.media.scenes import SceneFinder, small_size
from hivescan.types import Frame, Pixels

_SHORTEST_MS: Final = 11
_INSTEAD_MS: Final = 100


@dataclass(frozen=True)
class Timeline:
    """The pictures of one round: ``durations_ms`` each, ``whole`` False where the file ends in one.

    ``first`` is the number of the decoder's pictures before the first shown (an APNG's fallback picture).
    """

    durations_ms: tuple[int, ...]
    whole: bool = True
    first: int = 0

    @property
    def duration_ms(self) -> int:
        return sum(self.durations_ms)


@dataclass(frozen=True)
class Shown:
    """What a sample at ``start_ms`` sees: picture ``picture`` of the timeline."""

    picture: int
    start_ms: int
    end_ms: int


def samples(timeline: Timeline, fps: float) -> Iterator[Shown]:
    """One sample every ``1 / fps`` seconds: the last picture whose time is ≤ the sample's."""
    starts = [0, *accumulate(timeline.durations_ms)]
    duration = starts.pop()
    rate = Fraction(str(fps))
    index = 0
    while (start := int(index * 1000 / rate)) < duration:
        index += 1
        yield Shown(bisect_right(starts, start) - 1, start, min(int(index * 1000 / rate), duration))


def every_picture(timeline: Timeline) -> Iterator[Shown]:
    """All pictures of the timeline, each from when to when it is shown."""
    ends = accumulate(timeline.durations_ms)
    for picture, (duration, end) in enumerate(zip(timeline.durations_ms, ends, strict=True)):
        yield Shown(picture, end - duration, end)


def scenes(frames: Iterator[Frame]) -> Iterator[Frame]:
    """One frame of each scene of an animation, of which ``frames`` are all pictures with their times.

    What ``frames`` raises at its end comes after the last scene.
    """
    finder, index, end_ms = SceneFinder(), 0, 0
    trouble: MediaError | None = None
    try:
        for frame in frames:
            assert frame.start_ms is not None and frame.end_ms is not None
            end_ms = frame.end_ms
            for scene in finder.see(Fraction(frame.start_ms, 1000), _small(frame.pixels), frame.pixels):
                yield Frame(index, int(scene.start * 1000), frame.start_ms, scene.picture)
                index += 1
    except MediaError as error:
        trouble = error
    last = finder.last(Fraction(end_ms, 1000))
    if last is not None:
        yield Frame(index, int(last.start * 1000), end_ms, last.picture)
    if trouble is not None:
        raise trouble


def _small(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    return np.asarray(Image.fromarray(pixels).resize(small_size(width, height), Image.Resampling.BOX))


def read_timeline(path: Path, pillow: str, most: int) -> Timeline | None:
    """The timeline of an animated GIF, WebP, PNG or AVIF; None for a still. Stops after ``most`` + 1."""
    reader = {"GIF": _gif, "WEBP": _webp, "PNG": _png, "AVIF": _avif}.get(pillow)
    if reader is None:
        return None
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        timeline = reader(data, most)
    return timeline if timeline is not None and len(timeline.durations_ms) > 1 else None


def _shown_ms(duration: Fraction | int) -> int:
    return int(duration) if duration >= _SHORTEST_MS else _INSTEAD_MS


def _gif(data: mmap.mmap, most: int) -> Timeline | None:
    """Graphic control extensions give each picture's delay in hundredths of a second (GIF89a, 23)."""
    durations: list[int] = []
    delay = 0
    at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0) if len(data) > 13 else len(data)
    try:
        while len(durations) <= most:
            kind = data[at]
            if kind == 0x3B:
                break
            if kind == 0x21:
                if data[at + 1] == 0xF9 and data[at + 2] >= 4:
                    delay = 10 * struct.unpack_from("<H", data, at + 4)[0]
                at = _skip_blocks(data, at + 2)
            elif kind == 0x2C:
                flags = data[at + 9]
                durations.append(_shown_ms(delay))
                delay = 0
                at = _skip_blocks(data, at + 11 + (3 << (flags & 7) + 1 if flags & 0x80 else 0))
            else:
                at += 1  # padding, which decoders pass over
    except (IndexError, struct.error):
        # The end is missing: only a cut inside a picture loses something.
        return Timeline(tuple(durations), whole=at >= len(data))
    return Timeline(tuple(durations))


def _skip_blocks(data: mmap.mmap, at: int) -> int:
    """The place after a chain of sub-blocks. Raises ``IndexError`` where the file ends before."""
    while length := data[at]:
        at += length + 1
    return at + 1


def _webp(data: mmap.mmap, most: int) -> Timeline | None:
    """``ANMF`` chunks give each picture's duration in milliseconds (RFC 9649, 2.7.1.1).

    A picture that is cut is left out: the decoder takes whole ones only.
    """
    durations: list[int] = []
    at, whole = 12, True
    while at + 8 <= len(data) and len(durations) <= most:
        end = at + 8 + struct.unpack_from("<I", data, at + 4)[0]
        whole = end <= len(data)
        if whole and data[at : at + 4] == b"ANMF" and end >= at + 24:
            durations.append(_shown_ms(int.from_bytes(data[at + 20 : at + 23], "little")))
        at = end + (end - at & 1)
    return Timeline(tuple(durations), whole and at <= len(data) + 1) if durations else None


def _png(data: mmap.mmap, most: int) -> Timeline | None:
    """``fcTL`` chunks give each picture's delay as a fraction of a second (PNG, third edition, 11.3.4)."""
    durations: list[int] = []
    count, first, at = 0, 0, 8
    seen_data = False
    while at + 12 <= len(data) and len(durations) <= most:
        length = struct.unpack_from(">I", data, at)[0]
        kind = data[at + 4 : at + 8]
        if kind == b"IEND":
            break
        if kind == b"acTL" and length >= 8:
            count = struct.unpack_from(">I", data, at + 8)[0]
        elif kind == b"IDAT":
            if not count:
                return None
            seen_data = True
        elif kind == b"fcTL" and length >= 26 and at + 34 <= len(data):
            if not durations and seen_data:
                first = 1  # the picture before is for viewers without animation
            over, under = struct.unpack_from(">HH", data, at + 28)
            durations.append(_shown_ms(Fraction(1000 * over, under or 100)))
        at += 12 + length
    return Timeline(tuple(durations[:count]), len(durations) >= count, first) if count else None


def _avif(data: mmap.mmap, most: int) -> Timeline | None:
    """The sample table of the picture track gives durations (ISO/IEC 14496-12, 8.6.1.2)."""
    moov = next(_boxes(data, b"moov", 0, len(data)), None)
    for trak in _boxes(data, b"trak", *moov) if moov else ():
        for mdia in _boxes(data, b"mdia", *trak):
            handler = next(_boxes(data, b"hdlr", *mdia), None)
            header = next(_boxes(data, b"mdhd", *mdia), None)
            if handler is None or header is None or data[handler[0] + 8 : handler[0] + 12] != b"pict":
                continue
            wide = data[header[0]] == 1
            scale = struct.unpack_from(">I", data, header[0] + (20 if wide else 12))[0]
            for minf in _boxes(data, b"minf", *mdia):
                for stbl in _boxes(data, b"stbl", *minf):
                    for times in _boxes(data, b"stts", *stbl):
                        return Timeline(tuple(_time_to_sample(data, times, scale, most)))
    return None


def _time_to_sample(data: mmap.mmap, box: tuple[int, int], scale: int, most: int) -> Iterator[int]:
    left = most + 1
    for at in range(box[0] + 8, box[1] - 7, 8):
        count, duration = struct.unpack_from(">II", data, at)
        shown = _shown_ms(Fraction(1000 * duration, scale or 1))
        for _ in range(min(count, left)):
            yield shown
        left -= min(count, left)
        if not left:
            return


def _boxes(data: mmap.mmap, kind: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Where the contents of the boxes of one kind begin and end, between ``start`` and ``end``."""
    at = start
    while at + 8 <= end:
        size, name = struct.unpack_from(">I4s", data, at)
        header = 8
        if size == 1 and at + 16 <= end:
            size, header = struct.unpack_from(">Q", data, at + 8)[0], 16
        elif size == 0:
            size = end - at
        if size < header:
            return
        if name == kind:
            yield at + header, min(at + size, end)
        at += size
