"""Videos: what they are, and the frames that stand for their seconds.

At a fixed rate sample k stands for time t = k / fps; its picture is the last frame whose presentation time
is ≤ t, and time 0 is the first frame shown. Key frames and scenes: see ``video_picks``. ``choose_decoder``
says who decodes; both decoders return the same frames, see docs/video.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hivescan.errors import DecodeError, LimitError, UnsupportedError
from hivescan.media import video_container, video_decord, video_packets, video_pyav
from hivescan.media.video_pixels import display_matrix, quarter_turns
from hivescan.types import Alive, Frame, Limits, MediaInfo, MediaType, Sampling

_VIDEO_MIME = {
    "mov": "video/mp4", "matroska": "video/x-matroska", "avi": "video/x-msvideo", "flv": "video/x-flv",
    "mpegts": "video/mp2t", "mpeg": "video/mpeg", "mpegvideo": "video/mpeg", "asf": "video/x-ms-asf",
    "ogg": "video/ogg", "rm": "application/vnd.rn-realmedia", "mxf": "application/mxf", "nut": "video/x-nut",
    "ivf": "video/x-ivf", "h264": "video/h264", "hevc": "video/h265", "mjpeg": "video/x-motion-jpeg",
}  # fmt: skip
_AUDIO_MIME = {
    "mov": "audio/mp4", "matroska": "audio/x-matroska", "mp3": "audio/mpeg", "flac": "audio/flac",
    "wav": "audio/wav", "w64": "audio/x-w64", "aiff": "audio/aiff", "ogg": "audio/ogg", "aac": "audio/aac",
    "ac3": "audio/ac3", "eac3": "audio/eac3", "amr": "audio/amr", "amrnb": "audio/amr",
    "amrwb": "audio/amr-wb", "asf": "audio/x-ms-wma", "ape": "audio/x-ape", "au": "audio/basic",
    "caf": "audio/x-caf", "mpegts": "video/mp2t", "mpeg": "video/mpeg",
}  # fmt: skip
_HEAD_BYTES = 4096


def probe_video(path: Path, limits: Limits) -> MediaInfo:
    """What a file with moving pictures or sound is.

    ``VIDEO`` where a stream of moving pictures is there (a cover picture is none), else ``AUDIO``. A
    video's ``duration_ms`` is that of its pictures, from the first frame shown to the end of the last;
    ``codec`` is that of the pictures. Raises ``DecodeError`` for damaged headers, ``UnsupportedError``
    for encrypted files and unknown codecs, ``LimitError``, ``UnreadableError``.
    """
    with video_container.open_container(path, limits) as container:
        stream = video_container.choose_video_stream(container)
        mime = _mime(
            path, video_container.format_name(container), MediaType.VIDEO if stream else MediaType.AUDIO
        )
        info = _sound(container, mime) if stream is None else _pictures(container, stream, mime, limits)
    if info.duration_ms is not None and info.duration_ms > limits.max_duration_s * 1000:
        raise LimitError(
            f"{info.duration_ms / 1000:.0f} seconds long, over the limit of {limits.max_duration_s:.0f}"
        )
    return info


def _sound(container: Any, mime: str) -> MediaInfo:
    stream = next((s for s in container.streams if s.type == "audio"), None)
    if stream is None:
        kinds = {s.type for s in container.streams}
        if "subtitle" in kinds:
            raise UnsupportedError("only subtitles are in it, neither video nor sound")
        if kinds:
            raise UnsupportedError("what is in it is neither video nor sound that can be decoded")
        raise DecodeError("neither video nor sound is in it: an empty or cut-off media file")
    duration_ms = None
    if stream.duration is not None and stream.time_base is not None:
        duration_ms = int(stream.duration * stream.time_base * 1000)
    elif container.duration is not None:
        duration_ms = int(container.duration) // 1000
    return MediaInfo(MediaType.AUDIO, mime, duration_ms=duration_ms, codec=video_container.codec_name(stream))


def _pictures(container: Any, stream: Any, mime: str, limits: Limits) -> MediaInfo:
    context = stream.codec_context
    if context is None:
        raise UnsupportedError("the video codec is not one that can be decoded")
    _check_pixels(context.width, context.height, limits)
    measured = video_packets.timeline(container, stream, limits)
    if measured.encrypted:
        raise UnsupportedError("the video is encrypted")
    if measured.packets == 0:
        raise DecodeError("the header is there, but no picture follows it: cut off, or one part of a stream")
    width, height, turns = context.width, context.height, 0
    if measured.first_frame is not None:
        width, height = measured.first_frame.width, measured.first_frame.height
        turns = quarter_turns(display_matrix(measured.first_frame))
    _check_pixels(width, height, limits)
    if turns % 2:
        width, height = height, width
    return MediaInfo(
        media_type=MediaType.VIDEO,
        mime=mime,
        width=width or None,
        height=height or None,
        duration_ms=measured.duration_ms,
        frame_count=measured.packets,
        codec=video_container.codec_name(stream),
        rotation=turns * 90,
    )


def _check_pixels(width: int, height: int, limits: Limits) -> None:
    if width * height > limits.max_pixels:
        raise LimitError(f"{width}x{height} pixels, over the limit of {limits.max_pixels}")


def _mime(path: Path, container: str, media_type: MediaType) -> str:
    """The MIME type, with the flavours of two families told apart by their first bytes."""
    if media_type is MediaType.AUDIO:
        return _AUDIO_MIME.get(container, "audio/x-" + container)
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if container == "mov" and head[4:8] == b"ftyp":
        if head[8:12] == b"qt  ":
            return "video/quicktime"
        if head[8:10] == b"3g":
            return "video/3gpp"
    if container == "mov" and head[4:8] in (b"moov", b"mdat", b"wide", b"free", b"skip"):
        return "video/quicktime"
    if container == "matroska" and b"webm" in head[:64]:
        return "video/webm"
    return _VIDEO_MIME.get(container, "video/x-" + container)


class VideoFrames(Iterator[Frame]):
    """The frames of one video, in order. ``decoder`` names who decodes, from the first ``next`` on."""

    def __init__(
        self, path: Path, info: MediaInfo, sampling: Sampling, limits: Limits, alive: Alive = lambda: None
    ) -> None:
        self.decoder: str | None = None
        self._frames = self._run(path, info, sampling, limits, alive)

    def __next__(self) -> Frame:
        return next(self._frames)

    def _run(
        self, path: Path, info: MediaInfo, sampling: Sampling, limits: Limits, alive: Alive
    ) -> Iterator[Frame]:
        check_sample_count(info, sampling, limits)
        self.decoder = choose_decoder(sampling)
        if self.decoder == "decord":
            if sampling.mode != "rate":
                raise UnsupportedError("decord serves a fixed rate only; use --decoder auto")
            reader = video_decord.open_reader(path, info, limits)
            yield from video_decord.sampled_frames(reader, sampling)
        else:
            yield from video_pyav.sampled_frames(path, sampling, limits, alive=alive)


def choose_decoder(sampling: Sampling) -> str:
    """Who decodes a video: ``pyav`` unless ``decord`` is asked for by name.

    PyAV returned the right frame of every kind of file that was tried, and was the faster of the two on
    every kind that decord gets right (docs/video.md has both tables), so there is no file whose best
    choice is decord. Asked for by name, decord serves what it serves rightly and refuses the rest.
    """
    return "decord" if sampling.decoder == "decord" else "pyav"


def video_frames(
    path: Path, info: MediaInfo, sampling: Sampling, limits: Limits, alive: Alive = lambda: None
) -> VideoFrames:
    """The sampled frames of a video, one at a time, upright, ``uint8 [H, W, 3]`` RGB, C-contiguous.

    What comes before a cut or damage is yielded; ``DecodeError`` at the end says what is lost. ``alive`` is
    called while frames are decoded that are not wanted.
    """
    return VideoFrames(path, info, sampling, limits, alive)


def check_sample_count(info: MediaInfo, sampling: Sampling, limits: Limits) -> None:
    """Raises ``LimitError`` for a video that would give more samples than ``limits.max_frames``."""
    if info.duration_ms is None or sampling.mode != "rate":
        return
    count = info.duration_ms * sampling.fps / 1000
    if count > limits.max_frames:
        raise LimitError(
            f"{count:.0f} frames at {sampling.fps:g} a second, over the limit of {limits.max_frames}"
        )
