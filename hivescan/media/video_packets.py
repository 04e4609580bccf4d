"""The packets of a video, read ahead of the decoder: when each frame is shown, and where keyframes are."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import deque
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from math import floor
from typing import Any

from hivescan.errors import LimitError, UnsupportedError
from hivescan.media.video_container import (
    Clock,
    format_name,
    frame_ticks,
    is_spliced_format,
    keep_only,
    packets,
)
from hivescan.types import Limits

_LOOKAHEAD_BYTES = 64 * 1024**2
_FIRST_FRAME_PACKETS = 400
"""How many packets a probe decodes in search of the first picture, for its true size and rotation."""


class Pace(IntEnum):
    """How much of a video a walk leaves out. The fallback goes to the right."""

    FAST = 0
    """Whole groups of pictures without a wanted frame, and frames that nothing refers to."""
    JUMPING = 1
    """Whole groups of pictures without a wanted frame."""
    SEQUENCE = 2
    """Nothing: every frame is decoded."""


class Irregular(Exception):  # noqa: N818  an internal turn in the road, not an error
    """The stream breaks a rule on which a pace rests: begin again at ``fallback``."""

    def __init__(self, why: str, fallback: Pace = Pace.SEQUENCE) -> None:
        super().__init__(why)
        self.fallback = fallback


class Lookahead:
    """Packets of one video stream in decoding order, read ahead of the decoder.

    ``times`` are the presentation times, sorted, of all frames that were read and not yet shown.
    """

    def __init__(self, container: Any, stream: Any) -> None:
        self.queue: deque[Any] = deque()
        self.times: list[int] = []
        self.at_end = False
        self.corrupt = 0
        self.count = 0
        self.untimed = 0
        self.end: int | None = None
        self.first_dts: int | None = None
        self.end_dts: int | None = None
        self.errors: list[str] = []
        self._bytes = 0
        self._last_dts: int | None = None
        self._cuts = Cuts()
        self._packets = packets(container, stream, self.errors)
        self.ticks = frame_ticks(stream)
        self._clock = Clock(stream.time_base) if is_spliced_format(container) else None

    def read(self) -> Any | None:
        """One more packet into the queue, or None at the end of the file."""
        packet = next(self._packets, None)
        if packet is None:
            self.at_end = True
            return None
        if self._clock is not None:
            self._clock.set_right(packet)
        self.count += 1
        self.corrupt += packet.is_corrupt and self._clock is None
        self.queue.append(packet)
        self._bytes += packet.size
        ticks = packet.duration or self.ticks
        if packet.dts is not None:
            self.first_dts = packet.dts if self.first_dts is None else self.first_dts
            self.end_dts = packet.dts + ticks
        elif self.end_dts is not None:
            self.end_dts += ticks
        if packet.pts is None:
            self.untimed += 1
        elif not packet.is_discard:
            insort(self.times, packet.pts)
            self.end = max(self.end or packet.pts, packet.pts + ticks)
        return packet

    def _times_twice(self, pts: int) -> bool:
        position = bisect_left(self.times, pts)
        return self.times[position + 1 : position + 2] == [pts]

    def pop(self) -> Any:
        """The next packet in decoding order."""
        packet = self.queue.popleft()
        self._bytes -= packet.size
        return packet

    def read_until(self, target: int) -> bool:
        """Reads until all frames shown at or before ``target`` are known; False if it gave up on size.

        Raises ``Irregular`` where a packet lacks a time, or times contradict each other.
        """
        while not self.at_end and (
            self._last_dts is None or self._last_dts <= target or not self._reaches(target)
        ):
            if self._bytes > _LOOKAHEAD_BYTES:
                return False
            packet = self.read()
            if packet is None:
                break
            if packet.pts is None or packet.dts is None or packet.pts < packet.dts:
                raise Irregular("a packet without times, or shown before it is decoded")
            if not packet.is_discard and self._times_twice(packet.pts):
                raise Irregular("two frames are shown at one time")
            if self._last_dts is not None and packet.dts < self._last_dts:
                raise Irregular("decoding times go back")
            if self._cuts.inside(packet):
                raise Irregular("an edit list leaves out a part in the middle")
            self._last_dts = packet.dts
        return True

    def _reaches(self, target: int) -> bool:
        """Whether a frame is known that is still shown at ``target``: behind it may be none but cut ones."""
        return self.end is not None and self.end > target

    def shown_at(self, target: int) -> int | None:
        """The presentation time of the last frame shown at or before ``target``, among those to come."""
        position = bisect_right(self.times, target)
        return self.times[position - 1] if position else None

    def forget_until(self, shown: int) -> None:
        """Frames up to this presentation time have been shown."""
        del self.times[: bisect_right(self.times, shown)]

    def keyframe_at(self, target: int) -> int | None:
        """Position in the queue of the last keyframe shown at or before ``target``; None if there is none.

        Packets that carry new codec parameters are never jumped over.
        """
        found = None
        for position, packet in enumerate(self.queue):
            if packet.has_sidedata("new_extradata") and position:
                return found
            if packet.is_keyframe and packet.pts <= target and not packet.is_discard:
                found = position
        return found


class Cuts:
    """Where an edit list cuts. Packets before the beginning and behind the end are decoded and not shown."""

    def __init__(self) -> None:
        self._first: int | None = None
        self._last: int | None = None
        self._cut: list[int] = []

    def inside(self, packet: Any) -> bool:
        """Whether, with this packet, one that is not shown lies between two that are."""
        if packet.is_discard:
            insort(self._cut, packet.pts)
        else:
            self._first = packet.pts if self._first is None else min(self._first, packet.pts)
            self._last = packet.pts if self._last is None else max(self._last, packet.pts)
        if not self._cut or self._first is None or self._last is None:
            return False
        return bisect_right(self._cut, self._first) < bisect_left(self._cut, self._last)


class Decoder:
    """The codec of one stream: packets in, frames out in order of presentation; counts what fails."""

    def __init__(self, stream: Any, limits: Limits) -> None:
        context = stream.codec_context
        if context is None:
            raise UnsupportedError("the video codec is not one that can be decoded")
        self._context = context
        self._max_pixels = limits.max_pixels
        context.thread_count = 1
        context.options = {"max_pixels": str(limits.max_pixels)}
        self.errors = 0
        self.seen_frame = False

    def decode(self, packet: Any | None) -> list[Any]:
        """The frames that come out for this packet; None asks for all that are still inside.

        Damage before the first frame is not counted: a recording that starts in the middle of a group
        of pictures is whole, and shows from its first complete frame.
        """
        import av

        try:
            frames: list[Any] = self._context.decode(packet)
        except av.error.EOFError:
            return []
        except av.error.PatchWelcomeError as error:
            raise UnsupportedError("the video uses a feature of its codec that cannot be decoded") from error
        except (av.error.FFmpegError, ValueError) as error:
            if self._context.width * self._context.height > self._max_pixels:
                raise LimitError(
                    f"a frame of {self._context.width}x{self._context.height} pixels is over the limit of "
                    f"{self._max_pixels} (--max-pixels)"
                ) from error
            self.errors += self.seen_frame
            return []
        self.seen_frame = self.seen_frame or bool(frames)
        return frames

    def restart(self) -> None:
        """Forgets everything inside; the next packet must be a keyframe."""
        self._context.flush_buffers()

    def skip(self, what: str) -> None:
        """Which frames the codec may leave out: ``DEFAULT`` or ``NONREF``."""
        self._context.skip_frame = what


@dataclass(frozen=True)
class Timeline:
    """What the packets of a video say, and its first picture.

    ``times`` are the presentation times of the frames that are shown, sorted, in ticks; empty where the
    container does not give all of them. ``end`` is where the last frame ends.
    """

    packets: int
    times: list[int]
    start: int
    end: int
    time_base: Fraction
    encrypted: bool
    damaged: bool
    first_frame: Any | None

    @property
    def duration_ms(self) -> int:
        return max(1, floor((self.end - self.start) * self.time_base * 1000))


def timeline(container: Any, stream: Any, limits: Limits) -> Timeline:
    """Reads all packets of the video, decoding only until the first picture."""
    keep_only(container, stream)
    declared = declared_packets(container, stream)
    look = Lookahead(container, stream)
    decoder = Decoder(stream, limits)
    first: list[Any] = []
    encrypted, tries = False, 0
    while (packet := look.read()) is not None:
        look.pop()
        encrypted = encrypted or packet.has_sidedata("encryption_info")
        if not first and not encrypted and tries < _FIRST_FRAME_PACKETS:
            tries += 1
            first = decoder.decode(packet)
    if not first and not encrypted:
        first = decoder.decode(None)
    first_frame = first[0] if first else None
    times: list[int] = []
    if look.untimed == 0 and look.end is not None:
        times, start, end = look.times, look.times[0], look.end
        if first_frame is not None and first_frame.pts is not None:
            start = max(start, first_frame.pts)
    elif look.first_dts is not None and look.end_dts is not None:
        start, end = look.first_dts, look.end_dts
        if first_frame is not None and first_frame.dts is not None:
            # It left the decoder with the packet of that time, behind which some frames were held back.
            start, end = first_frame.dts, end + (len(first) - 1 + len(decoder.decode(None))) * look.ticks
        shown_from = first_frame.pts if first_frame is not None else None
        if look.end is not None and shown_from is not None and look.end - shown_from > end - start:
            start, end = shown_from, look.end
    else:
        start, end = 0, look.count * look.ticks
    damaged = bool(look.errors or look.corrupt or decoder.errors or look.count < declared)
    return Timeline(
        look.count, times, start, end, Fraction(stream.time_base), encrypted, damaged, first_frame
    )


def declared_packets(container: Any, stream: Any) -> int:
    """How many packets the container's index promises; 0 where it promises nothing."""
    return len(stream.index_entries) if format_name(container) == "mov" else 0
