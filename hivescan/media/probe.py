"""What a file is, told from its bytes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from hivescan.errors import DecodeError, UnreadableError, UnsupportedError
from hivescan.media.sniff import HEAD, PILLOW_FORMATS, TAIL, Sniffed, find_mpeg_audio, sniff
from hivescan.media.text import probe_text
from hivescan.types import UNOPENED_TYPES, Limits, MediaInfo, MediaType

_PDF: Final = "application/pdf"
_GARBAGE: Final = 1 << 18
"""How far into a file that nothing else explains the start of MPEG audio is looked for."""


def identify(path: Path) -> MediaInfo:
    """Type alone, from signatures: of a file whose headers are damaged, too. Raises ``UnreadableError``."""
    try:
        with path.open("rb") as stream:
            head = stream.read(HEAD)
            size = os.fstat(stream.fileno()).st_size
            stream.seek(max(0, size - TAIL))
            tail = stream.read(TAIL)
            found = sniff(head, tail)
            text = probe_text(head, tail) if found is None and head else None
            if found is None and text is None:
                stream.seek(0)
                found = _last_look(stream.read(_GARBAGE))
    except OSError as error:
        raise UnreadableError(f"cannot be read: {error.strerror or error}", retryable=True) from error
    if found is not None:
        return MediaInfo(found.media_type, found.mime)
    return text or MediaInfo(MediaType.UNKNOWN, "application/octet-stream" if head else "inode/x-empty")


def probe(path: Path, limits: Limits) -> MediaInfo:
    """Type, size and duration of the file, whatever its name says; pictures are not decoded for it.

    PDF files count as text. Archives, other documents and what nothing is known of are types too: they are
    reported as not opened. Raises ``DecodeError`` for empty files and damaged headers, ``UnsupportedError``
    for pictures and codecs that cannot be decoded, ``LimitError`` for what is larger than a limit,
    ``UnreadableError``.
    """
    found = identify(path)
    if found.mime == "inode/x-empty":
        raise DecodeError("the file is empty (0 bytes)")
    if found.mime == _PDF:
        from hivescan.media.pdf_text import probe_pdf

        return probe_pdf(path)
    if found.media_type is MediaType.TEXT or found.media_type in UNOPENED_TYPES:
        return found
    if found.media_type is MediaType.IMAGE:
        return _probe_image(path, found.mime, limits)
    from hivescan.media.video import probe_video

    return probe_video(path, limits)


def _last_look(start: bytes) -> Sniffed | None:
    return Sniffed(MediaType.AUDIO, "audio/mpeg") if find_mpeg_audio(start) else None


def _probe_image(path: Path, mime: str, limits: Limits) -> MediaInfo:
    if mime not in PILLOW_FORMATS:
        raise UnsupportedError(f"pictures of type {mime} are not decoded")
    from hivescan.media.image import probe_image

    return probe_image(path, mime, limits)
