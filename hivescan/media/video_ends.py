"""Whether a media file is shorter than its own container says: the sign of a broken-off transfer.

Only the outermost lengths are read, no more than a few bytes per box. Containers without such lengths
(transport and program streams, bare streams) end anywhere, and are never called short.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

_HEAD_BYTES = 4096
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_FLV_FILE_SIZE = b"filesize\x00"
_MAX_BOXES = 100_000
_MAX_SIZE = 2.0**53
_EBML_HEADER = b"\x1a\x45\xdf\xa3"
_SEGMENT = b"\x18\x53\x80\x67"
_FIRST_BOXES = frozenset({b"ftyp", b"styp", b"moov", b"mdat", b"wide", b"free", b"skip", b"moof", b"pnot"})
_WRITTEN_LIVE = frozenset({0, 0xFFFFFFFF})


def ends_early(path: Path, container: str) -> bool:
    """Whether the file ends before its container does. ``container`` is libavformat's name."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if container == "mov":
            if file.read(12)[4:8] not in _FIRST_BOXES:
                return False
            return _boxes_end(file, size) > size
        if container == "matroska":
            return _segment_end(file) > size
        if container == "avi":
            return _riff_end(file) > size
        if container == "asf":
            return _asf_end(file) > size
        if container == "flv":
            return _flv_end(file) > size
    return False


def _boxes_end(file: BinaryIO, size: int) -> int:
    """Where the last top-level box of an MP4 or QuickTime file ends, by its own length."""
    position = 0
    for _ in range(_MAX_BOXES):
        file.seek(position)
        head = file.read(16)
        if len(head) < 8:
            return position
        length = int.from_bytes(head[:4], "big")
        if length == 1 and len(head) == 16:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:  # 0: to the end of the file. Less: not a box.
            return position
        position += length
        if position >= size:
            return position
    return position


def _segment_end(file: BinaryIO) -> int:
    """Where the segment of a Matroska file ends, by its own length; 0 where it does not say."""
    head = file.read(_HEAD_BYTES)
    if not head.startswith(_EBML_HEADER):
        return 0
    length, width = _ebml_length(head[4:12])
    start = 4 + width + length
    file.seek(start)
    segment = file.read(12)
    if not segment.startswith(_SEGMENT):
        return 0
    length, width = _ebml_length(segment[4:])
    unknown = (1 << (7 * width)) - 1
    return 0 if length == unknown else start + 4 + width + length


def _ebml_length(data: bytes) -> tuple[int, int]:
    """A variable-length integer and how many bytes it takes; (0, 0) where there is none."""
    if not data or data[0] == 0:
        return 0, 0
    width = 9 - data[0].bit_length()
    if len(data) < width:
        return 0, 0
    value = int.from_bytes(data[:width], "big") & ((1 << (7 * width)) - 1)
    return value, width


def _riff_end(file: BinaryIO) -> int:
    head = file.read(12)
    length = int.from_bytes(head[4:8], "little")
    if head[:4] != b"RIFF" or length in _WRITTEN_LIVE:
        return 0
    return 8 + length


def _asf_end(file: BinaryIO) -> int:
    """The size that a Windows Media file gives for itself in its file properties; 0 if none."""
    head = file.read(_HEAD_BYTES)
    at = head.find(_ASF_FILE_PROPERTIES)
    return 0 if at < 0 else int.from_bytes(head[at + 40 : at + 48], "little")


def _flv_end(file: BinaryIO) -> int:
    """The size that a Flash video gives for itself in its metadata; 0 if it says nothing."""
    head = file.read(_HEAD_BYTES)
    at = head.find(_FLV_FILE_SIZE)
    number = head[at + len(_FLV_FILE_SIZE) : at + len(_FLV_FILE_SIZE) + 8]
    if at < 0 or len(number) < 8:
        return 0
    size = struct.unpack(">d", number)[0]
    return int(size) if 0 < size < _MAX_SIZE else 0
