"""Media containers through libavformat: open safely, choose the video, read its packets in file order."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from hivescan.errors import DecodeError, MediaError, UnreadableError, UnsupportedError
from hivescan.media.video_ends import ends_early, is_part_of_stream
from hivescan.types import Limits

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,live_flv,mpegts,mpeg,asf,ogg,rm,nut,mxf,ivf,dv,gxf,wtv,"
    "nsv,h264,hevc,m4v,mpegvideo,mjpeg,obu,av1,vc1,yuv4mpegpipe,swf,dhav,ty,3dostr,"
    "wav,w64,aiff,au,caf,mp3,flac,aac,ac3,eac3,ac4,dts,dtshd,amr,amrnb,amrwb,ape,wv,tta,mpc,mpc8,tak,"
    "shorten,truehd,mlp,voc,oma,qcp,gsm,sbc,aptx,loas,rso,sox,avr,ircam,pvf,sds,smjpeg,iff"
)
"""Containers that are opened. Playlists (HLS, DASH, concat) name other files and are never followed;
pictures belong to Pillow; subtitles and text have no place here."""

_RESTAMPED_FORMATS = frozenset({"mpegts", "mpeg", "flv"})
"""Formats made for splicing: their clock may start anew in the middle."""

_BARE_FORMATS = frozenset({"h264", "hevc", "m4v", "mpegvideo", "vc1", "obu"})
"""Streams without a container."""

_CLOCK_FORWARD_S = Fraction(10)
_CLOCK_BACK_S = Fraction(1, 10)
"""Steps of a spliced stream's clock that are taken for a new clock and not for a pause, as in ffmpeg."""

_MAX_TROUBLES = 1000
_GENERATE_PTS = 1  # AVFMT_FLAG_GENPTS, which PyAV sets.
_FALLBACK_RATE = Fraction(25)


def open_container(path: Path, limits: Limits) -> Any:
    """Opens the file for reading, following no reference to another file. Raises ``MediaError`` leaves."""
    import av

    av.logging.set_level(None)
    av.logging.set_skip_repeated(False)
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
    except av.error.InvalidDataError as error:
        if ends_early(path, "mov"):
            raise DecodeError("cut off before its index, which is at the end: nothing can be read") from error
        if is_part_of_stream(path):
            raise DecodeError(
                "one part of a stream: the index that it is read by is in another file"
            ) from error
        raise open_error(error) from error
    except av.error.FFmpegError as error:
        raise open_error(error) from error
    except UnicodeDecodeError as error:  # PyAV reads tags and codec marks as text.
        raise DecodeError("its header holds marks that are not text: the file is damaged") from error
    # Generated times are a guess that goes wrong with B-frames in AVI; TimeGuess does as ffmpeg does.
    container.flags &= ~_GENERATE_PTS
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
        return UnsupportedError("the container uses a feature that cannot be read")
    return DecodeError("no video or sound can be read: its header is damaged or missing")


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


def packets(container: Any, stream: Any, troubles: list[str]) -> Iterator[Any]:
    """The packets of a stream, in file order, through damage where the demuxer finds its way again.

    What the demuxer complains of goes to ``troubles``. Some demuxers only mutter while they leave out
    what they cannot read, so ffmpeg's log is listened to while a packet is read, and at no other time.
    """
    import av

    muxed = container.demux(stream)
    while len(troubles) < _MAX_TROUBLES:
        av.logging.set_level(av.logging.ERROR)
        try:
            with av.logging.Capture() as log:
                packet = next(muxed, None)
        except av.error.FFmpegError as error:
            troubles.append(brief(error))
            muxed = container.demux(stream)
            continue
        finally:
            av.logging.set_level(None)
        muttered = [message for _, name, message in log if name == container.format.name]
        troubles.extend(muttered[:1])
        if packet is None:
            return
        if packet.size:  # The last one is empty: PyAV's sign to flush.
            yield packet


def is_spliced_format(container: Any) -> bool:
    """Whether the format is made for splicing: its clock may start anew in the middle."""
    return format_name(container) in _RESTAMPED_FORMATS


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


def frame_ticks(stream: Any) -> int:
    """The usual duration of a frame in ticks of the stream, at least 1.

    Bare streams carry no times; the rate in the codec's own header is better than the demuxer's guess.
    """
    coded = stream.codec_context.framerate if stream.codec_context is not None else None
    bare = format_name(stream.container) in _BARE_FORMATS
    rates = (coded if bare else None, stream.average_rate, stream.guessed_rate, _FALLBACK_RATE)
    rate = next(Fraction(rate) for rate in rates if rate)
    ticks = 1 / (rate * Fraction(stream.time_base))
    return max(1, round(ticks))
