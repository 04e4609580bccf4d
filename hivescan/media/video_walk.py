"""A walk through a video with PyAV (ffmpeg's libraries), from wanted frame to wanted frame.

The walk reads packets ahead of the decoder in file order and never seeks. Packets say when each frame is
shown and where keyframes are, and they cost little: groups of pictures that hold no sample are dropped
before they reach the decoder. So it is exact in every container, also where seeking is not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from hivescan.errors import DecodeError, UnsupportedError
from hivescan.media.hevc import Unreferenced
from hivescan.media.video_container import (
    choose_video_stream,
    codec_name,
    format_name,
    frame_ticks,
    keep_only,
    open_container,
)
from hivescan.media.video_packets import Decoder, Irregular, Lookahead, Pace, declared_packets
from hivescan.types import Alive, Limits

JUMP_FORMATS = frozenset({"mov", "matroska", "flv", "mpegts", "avi", "asf"})
"""Containers whose packets carry keyframe flags and both times, so that groups may be skipped."""

SHORTCUT_FORMATS = frozenset({"mov", "matroska"})
"""Containers where a packet is a whole frame, so that the decoder can be asked for one frame at once."""

SHORTCUT_CODECS = frozenset({"h264", "hevc"})
JUMP_CODECS = frozenset(
    {
        "h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mpeg2video", "mpeg1video", "h263", "mjpeg", "prores",
        "dnxhd", "vvc", "theora", "wmv1", "wmv2", "wmv3", "vc1", "msmpeg4v2", "msmpeg4v3", "flv1",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Damage:
    """What went wrong on the way, for the reason of a ``partial`` row."""

    broken_places: int
    decode_errors: int


class Walk:
    """One pass through a video, from wanted time to wanted time, always forward.

    Raises ``Irregular`` where the file does not keep the rules on which its pace rests.
    """

    def __init__(self, path: Path, limits: Limits, pace: Pace) -> None:
        self.container = open_container(path, limits)
        stream = choose_video_stream(self.container)
        if stream is None:
            self.container.close()
            raise UnsupportedError("the file has no video")
        keep_only(self.container, stream)
        self.stream = stream
        self.time_base: Fraction = stream.time_base
        self._declared = declared_packets(self.container, stream)
        codec, container = codec_name(stream), format_name(self.container)
        self._jumping = pace < Pace.SEQUENCE and container in JUMP_FORMATS and codec in JUMP_CODECS
        self._shortcut = (
            pace is Pace.FAST and self._jumping and container in SHORTCUT_FORMATS and codec in SHORTCUT_CODECS
        )
        self._nonref = self._shortcut and codec == "h264"
        self._unreferenced = (
            Unreferenced(stream.codec_context.extradata) if self._shortcut and codec == "hevc" else None
        )
        self._look = Lookahead(self.container, stream)
        self._decoder = Decoder(stream, limits)
        self._ready: deque[Any] = deque()
        self._held: Any | None = None
        self._drained = False
        self._expected: int | None = None
        self._guess = TimeGuess(frame_ticks(stream))
        self.origin = 0

    def close(self) -> None:
        self.container.close()

    @property
    def end(self) -> int:
        """Where the last frame ends, in ticks; final once the walk has come to the end of the file."""
        end = self._look.end if self._jumping else self._guess.end
        return self.origin + 1 if end is None else max(end, self.origin + 1)

    @property
    def damage(self) -> Damage:
        return Damage(len(self._look.errors) + self._look.corrupt, self._decoder.errors)

    @property
    def missing_packets(self) -> int:
        """Frames that the container's index promises and its data does not hold."""
        return max(0, self._declared - self._look.count) if self._look.at_end else 0

    def find_origin(self) -> None:
        """Decodes to the first frame shown, whose time is ``origin``."""
        while not self._ready:
            if not self._feed():
                raise DecodeError("no frame can be decoded: the pictures are damaged or encrypted")
        self._held = self._ready.popleft()
        self._look.forget_until(self._held.pts)
        self.origin = int(self._held.pts)

    @property
    def held(self) -> Any:
        """The frame that is shown now; the first one after ``find_origin``."""
        return self._held

    @property
    def pace(self) -> Pace:
        """How much this walk leaves out: no more than was asked for, and than its kind of file allows."""
        if not self._jumping:
            return Pace.SEQUENCE
        return Pace.FAST if self._shortcut else Pace.JUMPING

    def frames(self) -> Iterator[Any]:
        """Every frame shown, in order of time, from the one that is held on. Not for a jumping walk."""
        assert not self._jumping
        yield self._held
        while True:
            while self._ready:
                self._show(self._ready.popleft())
                yield self._held
            if not self._feed():
                return

    def key_frames(self, alive: Alive) -> Iterator[Any]:
        """The key frames behind ``origin``, each decoded alone. For a fresh, jumping walk.

        A damaged one is left out and counted. ``alive`` is called for every packet.
        """
        self._decoder.seen_frame = True
        while (packet := self._look.read()) is not None:
            alive()
            self._look.pop()
            if packet.pts is None:
                raise Irregular("a packet without a time")
            if not packet.is_keyframe and packet.has_sidedata("new_extradata"):
                raise Irregular("new codec parameters between key frames")
            if packet.is_keyframe and not packet.is_discard and packet.pts > self.origin:
                self._look.forget_until(packet.pts)
                yield from self._key_frame(packet)

    def _key_frame(self, packet: Any) -> list[Any]:
        errors = self._decoder.errors
        frames = self._decoder.decode(packet) + self._decoder.decode(None)
        self._decoder.restart()
        alone = [frame for frame in frames if frame.pts == packet.pts and frame.key_frame]
        if not alone and self._decoder.errors == errors:
            raise Irregular("decoding did not start at the keyframe")
        if alone and alone[0].interlaced_frame and format_name(self.container) not in SHORTCUT_FORMATS:
            raise Irregular("the fields of a picture may come in packets of their own")
        return alone[:1]

    def frame_at(self, target: int, following: int) -> Any | None:
        """The last frame shown at or before ``target`` ticks, or None if the video is over by then.

        ``following`` is the time that will be asked for next. Targets never go back.
        """
        known = self._jumping and self._look.read_until(target)
        if known and self._look.at_end and target >= self.end:
            return None
        if known and not (self._ready and self._ready[0].pts > target):
            self._jump(target)
        while True:
            if self._ready and self._ready[0].pts <= target:
                self._show(self._ready.popleft())
                continue
            if self._ready:
                break
            wanted = self._look.shown_at(target) if known else None
            if known and wanted is None:
                break
            if not self._feed(wanted, following):
                break
        if self._drained and not self._ready and target >= self.end:
            return None
        return self._held

    def _show(self, frame: Any) -> None:
        if self._held is None or frame.pts >= self._held.pts:
            self._held = frame
            self._look.forget_until(frame.pts)

    def _jump(self, target: int) -> None:
        """Drops what lies before the last keyframe at or before ``target``, if one is ahead."""
        position = self._look.keyframe_at(target)
        if position is None:
            if self._drained and self._look.queue:
                raise Irregular("a keyframe that was seen is gone")
            return
        for _ in range(position):
            self._look.pop()
        keyframe = self._look.queue[0]
        self._ready.clear()
        self._decoder.restart()
        self._drained = False
        self._expected = keyframe.pts
        self._look.forget_until(keyframe.pts - 1)

    def _feed(self, wanted: int | None = None, following: int | None = None) -> bool:
        """One packet into the decoder; False when nothing more will come out.

        ``wanted`` is the time of the one frame that is wanted now, where it is known: frames before it
        that nothing refers to are left out, and if the next frame wanted lies behind another
        keyframe, the decoder is emptied as soon as this one is inside.
        """
        if not self._look.queue and not self._look.at_end:
            packet = self._look.read()
            if packet is not None and self._jumping and packet.pts is None:
                raise Irregular("a packet without a time")
        if not self._look.queue:
            if self._drained:
                return False
            self._drained = True
            self._collect(self._decoder.decode(None))
            if self._expected is not None:
                raise Irregular("nothing can be decoded from the keyframe on")
            return True
        packet = self._look.pop()
        shortcut = wanted is not None and self._shortcut
        before = shortcut and packet.pts < wanted
        if self._nonref:
            self._decoder.skip("NONREF" if before else "DEFAULT")
        if self._unreferenced is not None and self._unreferenced(packet) and before:
            return True
        self._collect(self._decoder.decode(packet))
        if self._decoder.errors and self._shortcut:
            raise Irregular("damage hides differently where frames are left out", Pace.JUMPING)
        out = bool(self._ready) and self._ready[-1].pts >= wanted if shortcut else False
        if shortcut and packet.pts == wanted and not out and self._leaves_by(following):
            self._drained = True
            self._collect(self._decoder.decode(None))
            if not self._ready or self._ready[-1].pts < packet.pts:
                raise Irregular("the frame did not come out of the decoder", Pace.JUMPING)
        return True

    def _leaves_by(self, following: int | None) -> bool:
        """Whether the next frame wanted will be reached by a jump to another keyframe."""
        if following is None or not self._look.read_until(following):
            return False
        return self._look.keyframe_at(following) is not None

    def _collect(self, frames: list[Any]) -> None:
        for frame in frames:
            frame.pts = self._guess(frame)
            if self._guess.backward and self._jumping:
                raise Irregular("the times of its frames go back")
            if self._shortcut and frame.interlaced_frame:
                self._shortcut = self._nonref = False
            if self._expected is not None:
                if frame.pts < self._expected:
                    continue  # Leading pictures of an open group: shown before the keyframe.
                if frame.pts != self._expected or not frame.key_frame:
                    raise Irregular("decoding did not start at the keyframe")
                self._expected = None
            self._ready.append(frame)


def begin(path: Path, limits: Limits, pace: Pace) -> Walk:
    """A walk that has found the first frame shown, at this pace or at the one to fall back on."""
    while True:
        walk = Walk(path, limits, pace)
        try:
            walk.find_origin()
        except Irregular as turn:
            walk.close()
            pace = turn.fallback
        except BaseException:
            walk.close()
            raise
        else:
            return walk


class TimeGuess:
    """The presentation time of decoded frames that may lack one, as ffmpeg guesses it.

    Presentation times are trusted until they have gone back more often than decoding times have. Frames
    leave a decoder in the order in which they are shown, so a time never goes back: ``backward`` says that
    the last one would have.
    """

    def __init__(self, ticks: int) -> None:
        self._ticks = ticks
        self._bad_pts = self._bad_dts = 0
        self._last_pts: int | None = None
        self._last_dts: int | None = None
        self.end: int | None = None
        self._last: int | None = None
        self.backward = False

    def __call__(self, frame: Any) -> int:
        pts, dts = frame.pts, frame.dts
        if dts is not None:
            self._bad_dts += self._last_dts is not None and dts <= self._last_dts
            self._last_dts = dts
        if pts is not None:
            self._bad_pts += self._last_pts is not None and pts <= self._last_pts
            self._last_pts = pts
        if pts is not None and (self._bad_pts <= self._bad_dts or dts is None):
            time = int(pts)
        elif dts is not None:
            time = int(dts)
        else:
            time = 0 if self._last is None else self._last + self._ticks
        self.backward = self._last is not None and time < self._last
        if self._last is not None and self.backward:
            time = self._last
        self._last = time
        self.end = max(self.end or time + 1, time + (frame.duration or self._ticks))
        return time
