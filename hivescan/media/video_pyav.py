"""Videos through PyAV (ffmpeg's libraries): open, measure, and walk to the frames that are wanted.

The walk reads packets ahead of the decoder in file order and never seeks. Packets say when each frame is
shown and where keyframes are, and they cost little: groups of pictures that hold no sample are dropped
before they reach the decoder. So it is exact in every container, also where seeking is not.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any

from hivescan.errors import DecodeError, LimitError, MediaError, UnreadableError, UnsupportedError
from hivescan.media.video_pixels import master
from hivescan.types import Frame, Limits, MediaInfo, Pixels, Sampling

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,live_flv,mpegts,mpeg,asf,ogg,rm,nut,mxf,ivf,dv,gxf,wtv,"
    "nsv,h264,hevc,m4v,mpegvideo,mjpeg,obu,av1,vc1,yuv4mpegpipe,swf,dhav,ty,3dostr,"
    "wav,w64,aiff,au,caf,mp3,flac,aac,ac3,eac3,ac4,dts,dtshd,amr,amrnb,amrwb,ape,wv,tta,mpc,mpc8,tak,"
    "shorten,truehd,mlp,voc,oma,qcp,gsm,sbc,aptx,loas,rso,sox,avr,ircam,pvf,sds,smjpeg,iff"
)
"""Containers that are opened. Playlists (HLS, DASH, concat) name other files and are never followed;
pictures belong to Pillow; subtitles and text have no place here."""

JUMP_FORMATS = frozenset({"mov", "matroska", "flv", "mpegts", "avi", "asf"})
"""Containers whose packets carry keyframe flags and both times, so that groups may be skipped."""

SHORTCUT_FORMATS = frozenset({"mov", "matroska"})
"""Containers where a packet is a whole frame, so that the decoder can be asked for one frame at once."""

SHORTCUT_CODECS = frozenset({"h264", "hevc"})
NONREF_CODECS = frozenset({"h264"})
"""Codecs in which a packet marked as not referenced is referenced by nothing (in HEVC it may be, by a
higher sub-layer)."""

JUMP_CODECS = frozenset(
    {
        "h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mpeg2video", "mpeg1video", "h263", "mjpeg", "prores",
        "dnxhd", "vvc", "theora", "wmv1", "wmv2", "wmv3", "vc1", "msmpeg4v2", "msmpeg4v3", "flv1",
    }
)  # fmt: skip

_RESTAMPED_FORMATS = frozenset({"mpegts", "mpeg", "flv"})
"""Formats made for splicing: their clock may start anew in the middle."""

_CLOCK_FORWARD_S = Fraction(10)
_CLOCK_BACK_S = Fraction(1, 10)
"""Steps of a spliced stream's clock that are taken for a new clock and not for a pause, as in ffmpeg."""

_LOOKAHEAD_BYTES = 64 * 1024**2
_MAX_READ_ERRORS = 16
_FALLBACK_RATE = Fraction(25)
_FIRST_FRAME_PACKETS = 400
"""How many packets a probe decodes in search of the first picture, for its true size and rotation."""


def open_container(path: Path, limits: Limits) -> Any:
    """Opens the file for reading, following no reference to another file. Raises ``MediaError`` leaves."""
    import av

    av.logging.set_level(None)
    try:
        container = av.open(
            f"file:{path}",
            metadata_errors="ignore",
            options={
                "protocol_whitelist": "file",
                "format_whitelist": FORMATS,
                "max_pixels": str(limits.max_pixels),
                "threads": "1",
            },
        )
    except av.error.FFmpegError as error:
        raise open_error(error) from error
    except UnicodeDecodeError as error:  # PyAV reads tags and codec marks as text.
        raise DecodeError("its header holds marks that are not text: the file is damaged") from error
    return container


def open_error(error: Exception) -> MediaError:
    """What to say of a file that libavformat refuses."""
    import av

    if isinstance(error, av.error.PermissionError):
        return UnreadableError("permission denied")
    if isinstance(error, av.error.FileNotFoundError):
        return UnreadableError("the file is gone", retryable=True)
    if isinstance(error, av.error.IsADirectoryError):
        return UnreadableError("is a folder")
    if isinstance(error, av.error.EOFError):
        return DecodeError("the file ends before its header is complete")
    if isinstance(error, av.error.MemoryError):
        return DecodeError("its header asks for more memory than there is: damaged or hostile")
    if isinstance(error, av.error.ArgumentError):
        return UnsupportedError("the container is not one that is opened")
    if isinstance(error, av.error.PatchWelcomeError | av.error.DemuxerNotFoundError):
        return UnsupportedError("the container uses a feature that ffmpeg cannot read")
    return DecodeError(f"no video or sound can be read: its header is damaged or missing ({brief(error)})")


def brief(error: Exception) -> str:
    """ffmpeg's words for an error, without errno and path."""
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(words).rstrip(".")


def format_name(container: Any) -> str:
    """The first of libavformat's names for the container: ``mov``, ``matroska``, ``mpegts`` …"""
    return str(container.format.name).split(",")[0]


def is_moving_video(stream: Any) -> bool:
    """Whether a stream is a video and not a cover picture or thumbnail track."""
    from av.stream import Disposition

    still = Disposition.attached_pic | Disposition.timed_thumbnails
    return bool(stream.type == "video") and not (stream.disposition & still)


def choose_video_stream(container: Any) -> Any | None:
    """The stream that a player shows: libavformat's best, cover pictures aside; None if there is none."""
    candidates = [s for s in container.streams if is_moving_video(s)]
    if not candidates:
        return None
    decodable = [s for s in candidates if s.codec_context is not None]
    best = container.streams.best("video")
    if best is not None and any(s.index == best.index for s in decodable):
        return best
    return decodable[0] if decodable else candidates[0]


def codec_name(stream: Any) -> str | None:
    """ffmpeg's name of the codec (``av1``, not that of a decoder for it); None where none is known."""
    if stream.codec_context is None:
        return None
    return str(stream.codec_context.codec.canonical_name)


def keep_only(container: Any, stream: Any) -> None:
    """Tells the demuxer to skip the data of all other streams."""
    from av.stream import Discard

    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all


@dataclass(frozen=True)
class Damage:
    """What went wrong on the way, for the reason of a ``partial`` row."""

    read_errors: int = 0
    corrupt_packets: int = 0
    decode_errors: int = 0

    def __bool__(self) -> bool:
        return bool(self.read_errors or self.corrupt_packets or self.decode_errors)


class Irregular(Exception):  # noqa: N818  an internal turn in the road, not an error
    """The stream breaks a rule on which skipping rests: it must be decoded in sequence."""


def packets(container: Any, stream: Any, on_error: list[str]) -> Iterator[Any]:
    """The packets of a stream, in file order, through damage where the demuxer finds its way again."""
    import av

    while True:
        try:
            for packet in container.demux(stream):
                if packet.size:  # The last one is empty: PyAV's sign to flush.
                    yield packet
            return
        except av.error.FFmpegError as error:
            on_error.append(brief(error))
            if len(on_error) >= _MAX_READ_ERRORS:
                return


class Clock:
    """Joins the times of a spliced stream into one line that only goes forward.

    A transport stream may start its clock anew where two recordings meet. Where decoding times jump
    back, or forward by more than ten seconds, what follows is moved to follow on.
    """

    def __init__(self, time_base: Fraction) -> None:
        self._forward = int(_CLOCK_FORWARD_S / time_base)
        self._back = int(_CLOCK_BACK_S / time_base)
        self._offset = 0
        self._next: int | None = None

    def set_right(self, packet: Any) -> None:
        """Moves the packet's times, in place."""
        if packet.dts is None:
            if packet.pts is not None:
                packet.pts += self._offset
            return
        moved = packet.dts + self._offset
        step = 0 if self._next is None else moved - self._next
        if self._next is not None and (step > self._forward or -step > self._back):
            self._offset += self._next - moved
            moved = self._next
        if packet.pts is not None:
            packet.pts += self._offset
        packet.dts = moved
        self._next = moved + (packet.duration or 0)


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
        self.end: int | None = None
        self.errors: list[str] = []
        self._bytes = 0
        self._last_dts: int | None = None
        self._packets = packets(container, stream, self.errors)
        self._frame_ticks = frame_ticks(stream)
        self._clock = Clock(stream.time_base) if format_name(container) in _RESTAMPED_FORMATS else None

    def read(self) -> Any | None:
        """One more packet into the queue, or None at the end of the file."""
        packet = next(self._packets, None)
        if packet is None:
            self.at_end = True
            return None
        if self._clock is not None:
            self._clock.set_right(packet)
        self.count += 1
        self.corrupt += packet.is_corrupt
        self.queue.append(packet)
        self._bytes += packet.size
        if packet.pts is not None and not packet.is_discard:
            insort(self.times, packet.pts)
            self.end = max(self.end or packet.pts, packet.pts + (packet.duration or self._frame_ticks))
        return packet

    def pop(self) -> Any:
        packet = self.queue.popleft()
        self._bytes -= packet.size
        return packet

    def read_until(self, target: int) -> bool:
        """Reads until all frames shown at or before ``target`` are known; False if it gave up on size.

        Raises ``Irregular`` where a packet lacks a time, or times contradict each other.
        """
        while not self.at_end and (self._last_dts is None or self._last_dts <= target):
            if self._bytes > _LOOKAHEAD_BYTES:
                return False
            packet = self.read()
            if packet is None:
                break
            if packet.pts is None or packet.dts is None or packet.pts < packet.dts:
                raise Irregular("a packet without times, or shown before it is decoded")
            if self._last_dts is not None and packet.dts < self._last_dts:
                raise Irregular("decoding times go back")
            self._last_dts = packet.dts
        return True

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


def frame_ticks(stream: Any) -> int:
    """The usual duration of a frame in ticks of the stream, at least 1."""
    rate: Fraction = stream.average_rate or stream.guessed_rate or _FALLBACK_RATE
    ticks = 1 / (rate * Fraction(stream.time_base))
    return max(1, round(ticks))


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
        self.last_error = ""
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
            raise UnsupportedError(
                f"the video uses a feature that cannot be decoded ({brief(error)})"
            ) from error
        except (av.error.FFmpegError, ValueError) as error:
            self.last_error = brief(error)
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


class Walk:
    """One pass through a video, from wanted time to wanted time, always forward.

    With ``jumping`` it drops groups of pictures that hold no wanted frame, and raises ``Irregular``
    where the file does not keep the rules on which that rests; without, it decodes every frame.
    """

    def __init__(self, path: Path, limits: Limits, *, jumping: bool) -> None:
        self.container = open_container(path, limits)
        stream = choose_video_stream(self.container)
        if stream is None:
            self.container.close()
            raise UnsupportedError("the file has no video")
        keep_only(self.container, stream)
        self.stream = stream
        self.time_base: Fraction = stream.time_base
        self._declared = len(stream.index_entries) if format_name(self.container) == "mov" else 0
        codec, container = codec_name(stream), format_name(self.container)
        self._jumping = jumping and container in JUMP_FORMATS and codec in JUMP_CODECS
        self._shortcut = self._jumping and container in SHORTCUT_FORMATS and codec in SHORTCUT_CODECS
        self._nonref = self._shortcut and codec in NONREF_CODECS
        self._look = Lookahead(self.container, stream)
        self._decoder = Decoder(stream, limits)
        self._ready: deque[Any] = deque()
        self._held: Any | None = None
        self._drained = False
        self._expected: int | None = None
        self._guess = TimeGuess(frame_ticks(stream))
        self.origin = self._first_shown()

    def close(self) -> None:
        self.container.close()

    @property
    def end(self) -> int:
        """Where the last frame ends, in ticks; final once the walk has come to the end of the file."""
        end = self._look.end if self._jumping else self._guess.end
        return self.origin + 1 if end is None else max(end, self.origin + 1)

    @property
    def damage(self) -> Damage:
        return Damage(len(self._look.errors), self._look.corrupt, self._decoder.errors)

    @property
    def missing_packets(self) -> int:
        """Frames that the container's index promises and its data does not hold."""
        return max(0, self._declared - self._look.count) if self._look.at_end else 0

    def _first_shown(self) -> int:
        while not self._ready:
            if not self._feed():
                why = self._decoder.last_error
                raise DecodeError("no frame can be decoded" + (f" ({why})" if why else ""))
        self._held = self._ready.popleft()
        self._look.forget_until(self._held.pts)
        return int(self._held.pts)

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
            return True
        packet = self._look.pop()
        shortcut = wanted is not None and self._shortcut and not self._decoder.errors
        if self._nonref:
            self._decoder.skip("NONREF" if shortcut and packet.pts < wanted else "DEFAULT")
        self._collect(self._decoder.decode(packet))
        out = bool(self._ready) and self._ready[-1].pts >= wanted if shortcut else False
        if shortcut and packet.pts == wanted and not out and self._leaves_by(following):
            self._drained = True
            self._collect(self._decoder.decode(None))
        return True

    def _leaves_by(self, following: int | None) -> bool:
        """Whether the next frame wanted will be reached by a jump to another keyframe."""
        if following is None or not self._look.read_until(following):
            return False
        return self._look.keyframe_at(following) is not None

    def _collect(self, frames: list[Any]) -> None:
        for frame in frames:
            frame.pts = self._guess(frame)
            if self._shortcut and frame.interlaced_frame:
                self._shortcut = self._nonref = False
            if self._expected is not None:
                if frame.pts < self._expected:
                    continue  # Leading pictures of an open group: shown before the keyframe.
                if frame.pts != self._expected or not frame.key_frame:
                    raise Irregular("decoding did not start at the keyframe")
                self._expected = None
            self._ready.append(frame)


class TimeGuess:
    """The presentation time of decoded frames that may lack one, as ffmpeg guesses it.

    Presentation times are trusted until they have gone back more often than decoding times have.
    """

    def __init__(self, ticks: int) -> None:
        self._ticks = ticks
        self._bad_pts = self._bad_dts = 0
        self._last_pts: int | None = None
        self._last_dts: int | None = None
        self.end: int | None = None
        self._last: int | None = None

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
        gap = time - self._last if self._last is not None and time > self._last else self._ticks
        self._last = time
        self.end = max(self.end or time + 1, time + (frame.duration or gap))
        return time


@dataclass(frozen=True)
class Measured:
    """What the packets of a video say, and its first picture. ``duration_ms`` None: no times in the file."""

    packets: int
    duration_ms: int | None
    encrypted: bool
    first_frame: Any | None


def measure(container: Any, stream: Any, limits: Limits) -> Measured:
    """Reads all packets of the video, decoding only until the first picture."""
    keep_only(container, stream)
    look = Lookahead(container, stream)
    decoder = Decoder(stream, limits)
    first_frame, encrypted, tries = None, False, 0
    while (packet := look.read()) is not None:
        look.pop()
        encrypted = encrypted or packet.has_sidedata("encryption_info")
        if first_frame is None and not encrypted and tries < _FIRST_FRAME_PACKETS:
            tries += 1
            first_frame = next(iter(decoder.decode(packet)), None)
    if first_frame is None and not encrypted:
        first_frame = next(iter(decoder.decode(None)), None)
    return Measured(look.count, _duration_ms(look, stream, first_frame), encrypted, first_frame)


def _duration_ms(look: Lookahead, stream: Any, first_frame: Any | None) -> int | None:
    if look.end is None:
        rate = stream.average_rate
        return int(look.count * 1000 / rate) if look.count and rate else None
    start = look.times[0]
    if first_frame is not None and first_frame.pts is not None:
        start = max(start, first_frame.pts)
    return max(1, int((look.end - start) * stream.time_base * 1000))


def sampled_frames(path: Path, info: MediaInfo, sampling: Sampling, limits: Limits) -> Iterator[Frame]:
    """Frames at the sampling's times: yields what can be decoded, then raises ``DecodeError`` for losses."""
    step = 1 / Fraction(str(sampling.fps))
    walk = Walk(path, limits, jumping=True)
    held: Any | None = None
    pixels: Pixels | None = None
    waiting: Frame | None = None
    index = 0
    try:
        while True:
            try:
                shown = walk.frame_at(_ticks(walk, index * step), _ticks(walk, (index + 1) * step))
            except Irregular:
                walk.close()
                walk = Walk(path, limits, jumping=False)
                continue
            if shown is None:
                break
            if waiting is not None:
                yield waiting
            if pixels is None or shown is not held:
                held, pixels = shown, master(shown)
            waiting = Frame(index, floor(index * step * 1000), floor((index + 1) * step * 1000), pixels)
            index += 1
            if index > limits.max_frames:
                raise LimitError(f"more than {limits.max_frames} frames, the limit")
        if waiting is not None:
            duration_ms = floor((walk.end - walk.origin) * walk.time_base * 1000)
            end_ms = min(floor(index * step * 1000), duration_ms)
            yield replace(waiting, end_ms=max(end_ms, floor((index - 1) * step * 1000) + 1))
        _raise_for_damage(walk)
    finally:
        walk.close()


def _ticks(walk: Walk, seconds: Fraction) -> int:
    return walk.origin + floor(seconds / walk.time_base)


def _raise_for_damage(walk: Walk) -> None:
    reached = float((walk.end - walk.origin) * walk.time_base)
    if walk.missing_packets:
        raise DecodeError(
            f"cut off: {walk.missing_packets} frames that its index lists are missing, "
            f"{reached:.1f} seconds are there"
        )
    damage = walk.damage
    if damage.corrupt_packets or damage.read_errors:
        raise DecodeError(
            f"damaged: {damage.corrupt_packets + damage.read_errors} places could not be read; "
            f"{reached:.1f} seconds were scanned around them"
        )
    if damage.decode_errors:
        raise DecodeError(
            f"damaged: {damage.decode_errors} frames could not be decoded; the rest of the "
            f"{reached:.1f} seconds was scanned"
        )
