"""One door to the pictures of any file.

:func:`frames` decodes them in full. :func:`pictures` decodes what is wanted of them and no more.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hivescan.errors import UnsupportedError
from hivescan.media.picture import Picture, Wanted
from hivescan.types import Alive, Frame, Limits, MediaInfo, MediaType, Sampling


class FrameStream:
    """An iterator of frames that knows who decodes them."""

    def __init__(self, frames: Iterator[Frame], decoder: str | None) -> None:
        self._frames = frames
        self._decoder = decoder

    @property
    def decoder(self) -> str | None:
        """``pillow``, ``pyav`` or ``decord``; valid once the first frame has come or an error was raised."""
        named: str | None = getattr(self._frames, "decoder", self._decoder)
        return named

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        return next(self._frames)


def frames(
    path: Path, info: MediaInfo, sampling: Sampling, limits: Limits, alive: Alive = lambda: None
) -> FrameStream:
    """The pictures of a still, an animation or a video, one at a time, in order.

    Frames before a cut or damage are yielded first; then ``DecodeError`` is raised. Nothing is opened
    before the first ``next``, so that errors of the file come from there. Sound and text have no
    pictures: ``UnsupportedError``. ``alive`` is called while frames of a video are decoded on the way to one
    that is wanted.
    """
    if info.media_type is MediaType.VIDEO:
        from hivescan.media.video import video_frames

        return FrameStream(video_frames(path, info, sampling, limits, alive), None)
    if info.media_type is MediaType.IMAGE:
        from hivescan.media.image import image_frames

        return FrameStream(image_frames(path, info, sampling, limits), "pillow")
    raise UnsupportedError(f"a file of type {info.media_type.value} has no pictures to decode")


class PictureStream:
    """An iterator of pictures that knows who decodes them."""

    def __init__(self, pictures: Iterator[Picture], source: FrameStream) -> None:
        self._pictures = pictures
        self._source = source

    @property
    def decoder(self) -> str | None:
        """As :attr:`FrameStream.decoder`."""
        return self._source.decoder

    def __iter__(self) -> Iterator[Picture]:
        return self

    def __next__(self) -> Picture:
        return next(self._pictures)


def pictures(
    path: Path,
    info: MediaInfo,
    sampling: Sampling,
    limits: Limits,
    wanted: Wanted,
    *,
    alive: Alive = lambda: None,
) -> PictureStream:
    """As :func:`frames`, with no more decoded than ``wanted`` needs.

    What is decoded for a view or for hashing depends on the file and on that view alone, not on what else
    is wanted.
    """
    source = frames(path, info, sampling, limits, alive)
    return PictureStream(_pictures(path, info, limits, wanted, source), source)


def _pictures(
    path: Path, info: MediaInfo, limits: Limits, wanted: Wanted, source: FrameStream
) -> Iterator[Picture]:
    if info.media_type is MediaType.IMAGE:
        from hivescan.media.jpeg import read_parts

        parts = read_parts(path, info, wanted, limits)
        if parts is not None:
            yield parts
            return
    yield from map(Picture.of, source)
