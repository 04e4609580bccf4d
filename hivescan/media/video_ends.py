"""Whether a media file is shorter than its own container says: the sign of a broken-off transfer.

Only the outermost lengths are read, no more than a few bytes per box. Transport and program streams have
none, but end with a whole packet, and Ogg ends with a page that says so. Bare streams end anywhere, and are
never called short.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
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
_TS_PACKETS = (188, 192, 204)
_TS_SYNC = 0x47
_TS_IN_A_ROW = 5
_TAIL_BYTES = 1 << 18
_PACK = b"\x00\x00\x01\xba"
_OGG_PAGE = b"OggS\x00"
_OGG_LAST = 4


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
        if container == "mpegts":
            return _ends_in_ts_packet(file, size)
        if container == "mpeg":
            return _ends_in_pes_packet(file, size)
        if container == "ogg":
            return not _ends_with_last_page(file, size)
    return False


def is_part_of_stream(path: Path) -> bool:
    """Whether an MP4 file is a segment of a stream: fragments, and no index to read them by."""
    size, names = path.stat().st_size, set()
    with path.open("rb") as file:
        for name, _, _ in _boxes(file, size):
            names.add(name)
    return b"moof" in names and b"moov" not in names


def _boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, beginning and end of the top-level boxes of an MP4 or QuickTime file, by their own lengths."""
    position = 0
    for _ in range(_MAX_BOXES):
        if position >= size:
            return
        file.seek(position)
        head = file.read(16)
        if len(head) < 8:
            return
        length = int.from_bytes(head[:4], "big")
        if length == 1 and len(head) == 16:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:  # 0: to the end of the file. Less: not a box.
            return
        yield head[4:8], position, position + length
        position += length


def _boxes_end(file: BinaryIO, size: int) -> int:
    return max((end for _, _, end in _boxes(file, size)), default=0)


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


def _ends_in_ts_packet(file: BinaryIO, size: int) -> bool:
    """Whether the last packet of a transport stream has begun and is not complete."""
    head = file.read(_HEAD_BYTES)
    for length in _TS_PACKETS:
        for start in range(length):
            if len(head) < start + _TS_IN_A_ROW * length:
                continue
            if all(head[start + n * length] == _TS_SYNC for n in range(_TS_IN_A_ROW)):
                rest = (size - start) % length
                file.seek(size - rest)
                return file.read(1) == bytes([_TS_SYNC])
    return False


def _ends_in_pes_packet(file: BinaryIO, size: int) -> bool:
    """Whether the file ends inside a packet of a program stream, by that packet's own length."""
    file.seek(max(0, size - _TAIL_BYTES))
    tail = file.read()
    at = tail.rfind(_PACK)
    if at < 0 or at + 14 > len(tail):
        return at >= 0 and at + 12 > len(tail)
    at += 14 + (tail[at + 13] & 7) if tail[at + 4] >> 6 == 1 else 12
    while at + 6 <= len(tail) and tail[at : at + 3] == _PACK[:3]:
        if tail[at + 3] == 0xB9:  # The end of the program.
            return False
        at += 6 + int.from_bytes(tail[at + 4 : at + 6], "big")
    return at > len(tail)


def _ends_with_last_page(file: BinaryIO, size: int) -> bool:
    """Whether the last page of an Ogg file is complete and marked as the last of its stream."""
    file.seek(max(0, size - _TAIL_BYTES))
    tail = file.read()
    at = tail.rfind(_OGG_PAGE)
    if at < 0 or at + 27 > len(tail):
        return False
    segments = tail[at + 26]
    whole = at + 27 + segments + sum(tail[at + 27 : at + 27 + segments]) <= len(tail)
    return whole and bool(tail[at + 5] & _OGG_LAST)
