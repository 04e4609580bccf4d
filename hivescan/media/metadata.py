"""What stands in a file beside its pictures and sound: EXIF, XMP, text, quantisation tables.

Read without decoding, in bounded time and memory: a block is read up to :data:`MOST_BLOCK` bytes, a
compressed one is unpacked up to that, all together are :data:`MOST_TOTAL` at most, and a walk over a
container's parts ends after so many. What is damaged is left out; nothing here raises for what a file says.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from hivescan.errors import MediaError
from hivescan.media.exif import IMAGE, Value, read_exif
from hivescan.types import Limits, MediaInfo, MediaType

MOST_BLOCK: Final = 1 << 20
MOST_TOTAL: Final = 8 << 20
_MOST_PARTS: Final = 100_000

_XMP_HEADER: Final = b"http://ns.adobe.com/xap/1.0/\0"
_MORE_XMP_HEADER: Final = b"http://ns.adobe.com/xmp/extension/\0"
_MORE_XMP_PREFIX: Final = len(_MORE_XMP_HEADER) + 40  # a digest, the whole length, an offset
_XMP_UUID: Final = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_XMP_TAG: Final = 700

_SOS, _EOI, _DQT, _COM, _APP1, _APP11 = 0xDA, 0xD9, 0xDB, 0xFE, 0xE1, 0xEB
_WITHOUT_LENGTH: Final = frozenset({0x01, *range(0xD0, 0xD9)})


@dataclass
class Metadata:
    """``texts`` are named text fields in their order: PNG text, comments, a container's tags.

    ``quantisation`` are a JPEG's tables by number, 64 values each in zigzag order. ``manifest`` says
    whether the container holds a C2PA manifest, None where that was not looked for.
    """

    texts: list[tuple[str, str]] = field(default_factory=list)
    exif: Mapping[tuple[str, int], Value] = field(default_factory=dict)
    xmp: str = ""
    quantisation: dict[int, tuple[int, ...]] = field(default_factory=dict)
    manifest: bool | None = None
    _room: int = MOST_TOTAL

    def take(self, block: bytes) -> bytes:
        """As much of a block as there is room for."""
        kept = block[: min(MOST_BLOCK, self._room)]
        self._room -= len(kept)
        return kept

    def add_text(self, key: str, value: bytes | str) -> None:
        raw = self.take(value.encode("utf-8", "replace") if isinstance(value, str) else value)
        text = _decoded(raw).replace("\0", "").strip()
        if text:
            self.texts.append((key[:80], text))

    def add_exif(self, raw: bytes) -> None:
        raw = self.take(raw).removeprefix(b"Exif\0\0")
        if not self.exif:
            self.exif = read_exif(raw)

    def add_xmp(self, raw: bytes) -> None:
        self.xmp += _decoded(self.take(raw)).replace("\0", "")


def read_metadata(path: Path, info: MediaInfo, limits: Limits) -> Metadata:
    """Everything of a picture, video or sound file. Raises ``OSError`` where the file cannot be read."""
    found = Metadata()
    if info.media_type is not MediaType.IMAGE:
        _of_container(path, limits, found)
        return found
    with path.open("rb") as stream:
        if info.mime == "image/jpeg":
            found.manifest = False
            _jpeg(stream, found)
        elif info.mime in {"image/png", "image/apng"}:
            found.manifest = False
            _png(stream, found)
        elif info.mime == "image/webp":
            found.manifest = False
            _webp(stream, found)
        elif info.mime == "image/tiff":
            _tiff(stream, found)
        elif info.mime == "image/jxl":
            _boxes(stream, found)
        elif info.mime in {"image/heic", "image/heif", "image/avif", "image/gif"}:
            _with_pillow(stream, info.mime, limits, found)
    return found


def _decoded(raw: bytes) -> str:
    """Text in whichever encoding it is: XMP and comments come in all of them."""
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig")):
        if raw.startswith(mark):
            return raw.decode(encoding, "replace")
    if len(raw) >= 8 and raw[:64:2].count(0) + raw[1:64:2].count(0) > len(raw[:64]) // 3:
        return raw.decode("utf-16-be" if raw[:64:2].count(0) else "utf-16-le", "replace")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.end == len(raw) and error.start > len(raw) - 4:  # cut within a character
            return raw[: error.start].decode("utf-8", "replace")
        return raw.decode("latin-1")


# --- JPEG ---------------------------------------------------------------------------------------


def _jpeg(stream: IO[bytes], found: Metadata) -> None:
    for marker, size in _segments(stream):
        if marker == _DQT:
            _tables(stream.read(size), found)
        elif marker == _COM:
            found.add_text("Comment", stream.read(size))
        elif marker == _APP1:
            block = stream.read(size)
            if block.startswith(b"Exif\0\0"):
                found.add_exif(block)
            elif block.startswith(_XMP_HEADER):
                found.add_xmp(block[len(_XMP_HEADER) :])
            elif block.startswith(_MORE_XMP_HEADER):
                found.add_xmp(block[_MORE_XMP_PREFIX:])
        elif marker == _APP11:
            found.manifest = True


def _segments(stream: IO[bytes]) -> Iterator[tuple[int, int]]:
    """Marker and size of each segment up to the first scan; the stream then stands at its first byte."""
    at = 2
    for _ in range(_MOST_PARTS):
        stream.seek(at)
        head = stream.read(4)
        if len(head) < 4 or head[0] != 0xFF:
            return
        if head[1] == 0xFF:
            at += 1
            continue
        if head[1] in {_SOS, _EOI}:
            return
        if head[1] in _WITHOUT_LENGTH:
            at += 2
            continue
        size = int.from_bytes(head[2:], "big")
        if size < 2:
            return
        yield head[1], size - 2
        at += 2 + size


def _tables(raw: bytes, found: Metadata) -> None:
    at = 0
    while at < len(raw):
        wide, number = raw[at] >> 4, raw[at] & 15
        layout = ">64H" if wide else ">64B"
        if wide > 1 or number > 3 or at + 1 + struct.calcsize(layout) > len(raw):
            return
        found.quantisation[number] = struct.unpack_from(layout, raw, at + 1)
        at += 1 + struct.calcsize(layout)


# --- PNG ----------------------------------------------------------------------------------------


def _png(stream: IO[bytes], found: Metadata) -> None:
    at = 8
    for _ in range(_MOST_PARTS):
        stream.seek(at)
        head = stream.read(8)
        if len(head) < 8 or head[4:] == b"IEND":
            return
        size = int.from_bytes(head[:4], "big")
        if head[4:] in {b"tEXt", b"zTXt", b"iTXt", b"eXIf"}:
            _png_block(head[4:], stream.read(min(size, MOST_BLOCK)), found)
        elif head[4:] == b"caBX":
            found.manifest = True
        at += 12 + size


def _png_block(kind: bytes, block: bytes, found: Metadata) -> None:
    if kind == b"eXIf":
        found.add_exif(block)
        return
    name, _, rest = block.partition(b"\0")
    key = name[:80].decode("latin-1")
    if kind == b"tEXt":
        value = rest
    elif kind == b"zTXt":
        value = _unpacked(rest[1:])
    else:
        compressed, rest = rest[:1], rest[2:]
        value = rest.split(b"\0", 2)[-1] if rest.count(b"\0") >= 2 else b""
        if compressed == b"\1":
            value = _unpacked(value)
    if key == "XML:com.adobe.xmp":
        found.add_xmp(value)
    elif key.lower() in {"raw profile type exif", "raw profile type app1"}:
        found.add_exif(_profile(value))
    elif key.lower() == "raw profile type xmp":
        found.add_xmp(_profile(value))
    else:
        found.add_text(key, value)


def _unpacked(data: bytes) -> bytes:
    """Never more than a block: 1 MB of zeros is a kilobyte when packed."""
    with contextlib.suppress(zlib.error):
        return zlib.decompressobj().decompress(data, MOST_BLOCK)
    return b""


def _profile(text: bytes) -> bytes:
    """The bytes of a profile that ImageMagick wrote as hex digits, after its name and length."""
    fields = text.split(None, 2)
    if len(fields) < 3:
        return b""
    digits = re.sub(rb"\s+", b"", fields[2])
    with contextlib.suppress(ValueError):
        return bytes.fromhex(digits[: len(digits) // 2 * 2].decode("ascii", "replace"))
    return b""


# --- other pictures -----------------------------------------------------------------------------


def _webp(stream: IO[bytes], found: Metadata) -> None:
    at = 12
    for _ in range(_MOST_PARTS):
        stream.seek(at)
        head = stream.read(8)
        if len(head) < 8:
            return
        size = int.from_bytes(head[4:], "little")
        if head[:4] == b"EXIF":
            found.add_exif(stream.read(min(size, MOST_BLOCK)))
        elif head[:4] == b"XMP ":
            found.add_xmp(stream.read(min(size, MOST_BLOCK)))
        elif head[:4] == b"C2PA":
            found.manifest = True
        at += 8 + size + size % 2


def _tiff(stream: IO[bytes], found: Metadata) -> None:
    with contextlib.suppress(ValueError), mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        with memoryview(data) as view:
            found.exif = read_exif(view)
        xmp = found.exif.get((IMAGE, _XMP_TAG))
        if isinstance(xmp, bytes | str):
            found.add_xmp(xmp if isinstance(xmp, bytes) else xmp.encode())


def _boxes(stream: IO[bytes], found: Metadata) -> None:
    """EXIF and XMP in boxes at the top of a file of the ISO family (JPEG XL, MP4, QuickTime)."""
    at, whole = 0, stream.seek(0, os.SEEK_END)
    for _ in range(_MOST_PARTS):
        if at >= whole:  # sizes of 64 bits lead further than any file may be read
            return
        stream.seek(at)
        head = stream.read(16)
        if len(head) < 8:
            return
        size, kind, start = int.from_bytes(head[:4], "big"), head[4:8], 8
        if size == 1:
            size, start = int.from_bytes(head[8:16], "big"), 16
        length = size - start if size else MOST_BLOCK
        if length < 0:
            return
        stream.seek(at + start)
        if kind == b"Exif":
            found.add_exif(stream.read(min(length, MOST_BLOCK))[4:])
        elif kind == b"xml ":
            found.add_xmp(stream.read(min(length, MOST_BLOCK)))
        elif kind == b"uuid" and stream.read(16) == _XMP_UUID:
            found.add_xmp(stream.read(max(0, min(length - 16, MOST_BLOCK))))
        if not size:
            return
        at += size


def _with_pillow(stream: IO[bytes], mime: str, limits: Limits, found: Metadata) -> None:
    from hivescan.media.pillow import leash, open_picture
    from hivescan.media.sniff import PILLOW_FORMATS

    with contextlib.suppress(MediaError), leash(limits):
        info = open_picture(stream, PILLOW_FORMATS[mime], limits)[0].info
        for name, add in (("exif", found.add_exif), ("xmp", found.add_xmp)):
            value = info.get(name)
            if isinstance(value, bytes):
                add(value)
        if isinstance(comment := info.get("comment"), bytes | str):
            found.add_text("Comment", comment)


# --- video and sound ----------------------------------------------------------------------------


def _of_container(path: Path, limits: Limits, found: Metadata) -> None:
    """Tags of the container and of its streams: read whole by the library, kept as far as allowed."""
    from hivescan.media.video_container import open_container

    with path.open("rb") as stream:
        head = stream.read(12)
        if head[4:8] in {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"}:
            _boxes(stream, found)
    with contextlib.suppress(MediaError), open_container(path, limits) as container:
        for tags in (container.metadata, *(stream.metadata for stream in container.streams)):
            for key, value in tags.items():
                found.add_text(key, value)
