"""What a file is by its first bytes, whatever its name says.

Only fixed signatures and a few bounded searches: no input makes this slow, and nothing is decoded. Signatures
are from the formats' specifications and the shared MIME database of freedesktop.org.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from typing import Final

from hivescan.types import MediaType

HEAD: Final = 1 << 16
"""Bytes of a file's start that :func:`sniff` wants to see."""
TAIL: Final = 1 << 12
"""Bytes of its end."""


PILLOW_FORMATS: Final = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/apng": "PNG",
    "image/gif": "GIF",
    "image/webp": "WEBP",
    "image/tiff": "TIFF",
    "image/bmp": "BMP",
    "image/avif": "AVIF",
    "image/heic": "HEIF",
    "image/heif": "HEIF",
    "image/jxl": "JXL",
    "image/jp2": "JPEG2000",
    "image/x-jp2-codestream": "JPEG2000",
    "image/vnd.microsoft.icon": "ICO",
    "image/x-win-cursor": "CUR",
    "image/icns": "ICNS",
    "image/vnd.adobe.photoshop": "PSD",
    "image/x-portable-anymap": "PPM",
    "image/qoi": "QOI",
    "image/vnd-ms.dds": "DDS",
    "image/x-sun-raster": "SUN",
    "image/x-sgi": "SGI",
    "image/x-pcx": "PCX",
    "image/x-dcx": "DCX",
    "image/x-tga": "TGA",
    "image/x-xpixmap": "XPM",
    "image/x-xbitmap": "XBM",
}
"""The pictures that are decoded, and the one Pillow format that each is opened as.

None of these runs another program, as Pillow does for EPS.
"""


@dataclass(frozen=True)
class Sniffed:
    """A type as told by signatures."""

    media_type: MediaType
    mime: str


def _image(mime: str) -> Sniffed:
    return Sniffed(MediaType.IMAGE, mime)


def _video(mime: str) -> Sniffed:
    return Sniffed(MediaType.VIDEO, mime)


def _audio(mime: str) -> Sniffed:
    return Sniffed(MediaType.AUDIO, mime)


def _archive(mime: str) -> Sniffed:
    return Sniffed(MediaType.ARCHIVE, mime)


def _document(mime: str) -> Sniffed:
    return Sniffed(MediaType.DOCUMENT, mime)


def _unknown(mime: str) -> Sniffed:
    return Sniffed(MediaType.UNKNOWN, mime)


_SIGNATURES: Final[tuple[tuple[int, bytes, Sniffed], ...]] = (
    # Pictures that are decoded.
    (0, b"\xff\xd8\xff", _image("image/jpeg")),
    (0, b"\x89PNG\r\n\x1a\n", _image("image/png")),
    (0, b"GIF87a", _image("image/gif")),
    (0, b"GIF89a", _image("image/gif")),
    (0, b"II*\0", _image("image/tiff")),
    (0, b"MM\0*", _image("image/tiff")),
    (0, b"II+\0", _image("image/tiff")),
    (0, b"MM\0+", _image("image/tiff")),
    (0, b"\xff\x0a", _image("image/jxl")),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", _image("image/jxl")),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", _image("image/jp2")),
    (0, b"\xff\x4f\xff\x51", _image("image/x-jp2-codestream")),
    (0, b"8BPS\0\x01", _image("image/vnd.adobe.photoshop")),
    (0, b"icns", _image("image/icns")),
    (0, b"qoif", _image("image/qoi")),
    (0, b"DDS \x7c\0\0\0", _image("image/vnd-ms.dds")),
    (0, b"\x59\xa6\x6a\x95", _image("image/x-sun-raster")),
    (0, b"\xb1\x68\xde\x3a", _image("image/x-dcx")),
    (0, b"/* XPM */", _image("image/x-xpixmap")),
    # Pictures that are not.
    (0, b"8BPS\0\x02", _image("image/x-psb")),
    (0, b"\x8aMNG\r\n\x1a\n", _image("video/x-mng")),
    (0, b"\x8bJNG\r\n\x1a\n", _image("image/x-jng")),
    (0, b"\x76\x2f\x31\x01", _image("image/x-exr")),
    (0, b"#?RADIANCE", _image("image/vnd.radiance")),
    (0, b"#?RGBE", _image("image/vnd.radiance")),
    (0, b"gimp xcf", _image("image/x-xcf")),
    (0, b"FLIF", _image("image/flif")),
    (0, b"BPG\xfb", _image("image/bpg")),
    (0, b"II\xbc", _image("image/jxr")),
    (0, b"FUJIFILMCCD-RAW", _image("image/x-fuji-raf")),
    (0, b"FOVb", _image("image/x-sigma-x3f")),
    (0, b"IIRO", _image("image/x-olympus-orf")),
    (0, b"IIU\0", _image("image/x-panasonic-rw2")),
    (128, b"DICM", _image("application/dicom")),
    (0, b"SIMPLE  =", _image("image/fits")),
    # Sound and moving pictures: probed by the video decoder, which may tell otherwise.
    (0, b"\x1a\x45\xdf\xa3", _video("video/x-matroska")),
    (0, b"FLV\x01", _video("video/x-flv")),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", _video("video/x-ms-asf")),
    (0, b"\0\0\x01\xba", _video("video/mpeg")),
    (0, b"\0\0\x01\xb3", _video("video/mpeg")),
    (0, b"\0\0\x01\xb0", _video("video/mpeg")),
    (0, b"\0\0\0\x01\x67", _video("video/h264")),
    (0, b"\0\0\x01\x67", _video("video/h264")),
    (0, b"\0\0\0\x01\x09", _video("video/h264")),
    (0, b"\0\0\0\x01\x40\x01", _video("video/h265")),
    (0, b"\0\0\x01\x40\x01", _video("video/h265")),
    (0, b"\x06\x0e\x2b\x34\x02\x05\x01\x01", _video("application/mxf")),
    (0, b"DKIF\0\0", _video("video/x-ivf")),
    (0, b"YUV4MPEG2 ", _video("video/x-yuv4mpeg")),
    (0, b"nut/multimedia container\0", _video("video/x-nut")),
    (0, b".RMF\0\0", _video("application/vnd.rn-realmedia")),
    (0, b"\0\0\0\0\x01\xbc", _video("application/gxf")),
    (0, b"\xb7\xd8\0\x20\x37\x49\xda\x11", _video("video/x-ms-wtv")),
    (0, b"BIK", _video("video/vnd.radgamettools.bink")),
    (0, b"SMK2", _video("video/vnd.radgamettools.smacker")),
    (0, b"SMK4", _video("video/vnd.radgamettools.smacker")),
    (0, b"ID3", _audio("audio/mpeg")),
    (0, b"fLaC", _audio("audio/flac")),
    (0, b"OggS", _audio("application/ogg")),
    (0, b"#!AMR", _audio("audio/amr")),
    (0, b".snd", _audio("audio/basic")),
    (0, b"caff\0\x01", _audio("audio/x-caf")),
    (0, b"wvpk", _audio("audio/x-wavpack")),
    (0, b"MAC ", _audio("audio/x-ape")),
    (0, b"TTA1", _audio("audio/x-tta")),
    (0, b"MPCK", _audio("audio/x-musepack")),
    (0, b"MP+", _audio("audio/x-musepack")),
    (0, b"DSD ", _audio("audio/x-dsf")),
    (0, b"FRM8", _audio("audio/x-dff")),
    (0, b"\x0b\x77", _audio("audio/ac3")),
    (0, b"\x7f\xfe\x80\x01", _audio("audio/vnd.dts")),
    (0, b"MThd\0\0\0\x06", _audio("audio/midi")),
    # Documents and archives: counted, not opened.
    (0, b"%PDF-", _document("application/pdf")),
    (0, b"%!PS", _document("application/postscript")),
    (0, b"\xc5\xd0\xd3\xc6", _document("application/postscript")),
    (0, b"{\\rtf", _document("application/rtf")),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _document("application/x-ole-storage")),
    (0, b"AT&TFORM", _document("image/vnd.djvu")),
    (0, b"ITSF\x03\0\0\0", _document("application/vnd.ms-htmlhelp")),
    (60, b"BOOKMOBI", _document("application/x-mobipocket-ebook")),
    (0, b"\xd7\xcd\xc6\x9a", _document("image/wmf")),
    (40, b" EMF", _document("image/emf")),
    (0, b"FWS", _document("application/x-shockwave-flash")),
    (0, b"CWS", _document("application/x-shockwave-flash")),
    (0, b"ZWS", _document("application/x-shockwave-flash")),
    (0, b"7z\xbc\xaf\x27\x1c", _archive("application/x-7z-compressed")),
    (0, b"Rar!\x1a\x07", _archive("application/vnd.rar")),
    (0, b"\xfd7zXZ\0", _archive("application/x-xz")),
    (0, b"BZh", _archive("application/x-bzip2")),
    (0, b"\x28\xb5\x2f\xfd", _archive("application/zstd")),
    (0, b"\x04\x22\x4d\x18", _archive("application/x-lz4")),
    (0, b"LZIP\x01", _archive("application/x-lzip")),
    (0, b"\x1f\x9d", _archive("application/x-compress")),
    (0, b"!<arch>\n", _archive("application/x-archive")),
    (0, b"MSCF\0\0\0\0", _archive("application/vnd.ms-cab-compressed")),
    (0, b"\xed\xab\xee\xdb", _archive("application/x-rpm")),
    (0, b"\x60\xea", _archive("application/x-arj")),
    (2, b"-lh", _archive("application/x-lha")),
    (0, b"070707", _archive("application/x-cpio")),
    (0, b"070701", _archive("application/x-cpio")),
    (257, b"ustar", _archive("application/x-tar")),
    (0x8001, b"CD001", _archive("application/x-iso9660-image")),
    (0, b"hsqs", _archive("application/vnd.squashfs")),
    # Known, and nothing to look at.
    (0, b"SQLite format 3\0", _unknown("application/vnd.sqlite3")),
    (0, b"PAR1", _unknown("application/vnd.apache.parquet")),
    (0, b"\x7fELF", _unknown("application/x-executable")),
    (0, b"MZ", _unknown("application/vnd.microsoft.portable-executable")),
    (0, b"\xfe\xed\xfa", _unknown("application/x-mach-binary")),
    (0, b"\xcf\xfa\xed\xfe", _unknown("application/x-mach-binary")),
    (0, b"\xca\xfe\xba\xbe", _unknown("application/java-vm")),
    (0, b"\0asm", _unknown("application/wasm")),
    (0, b"\x93NUMPY", _unknown("application/x-npy")),
    (0, b"\x89HDF\r\n\x1a\n", _unknown("application/x-hdf5")),
    (0, b"GRIB", _unknown("application/x-grib")),
    (0, b"BUFR", _unknown("application/x-bufr")),
    (0, b"wOFF", _unknown("font/woff")),
    (0, b"wOF2", _unknown("font/woff2")),
    (0, b"OTTO", _unknown("font/otf")),
    (0, b"\0\x01\0\0\0", _unknown("font/ttf")),
)

_BMP_HEADERS: Final = frozenset({12, 16, 40, 52, 56, 64, 108, 124})
_HEIF_BRANDS: Final = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1", b"mif2"}
)
_BOXES: Final = frozenset({b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp", b"sidx", b"moof"})
_ZIP_DOCUMENTS: Final = (
    (b"word/", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (b"xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (b"ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
)


def sniff(head: bytes, tail: bytes) -> Sniffed | None:
    """The type by signature; None where none fits, as in plain text. ``head`` has up to ``HEAD`` bytes."""
    for offset, magic, found in _SIGNATURES:
        if head.startswith(magic, offset):
            if found.mime == "image/png" and _is_animated_png(head):
                return _image("image/apng")
            return found
    return (
        _riff(head)
        or _base_media(head)
        or _zip(head)
        or _gzip(head)
        or _old_tar(head)
        or _weak_picture(head, tail)
        or _stream(head)
        or _markup(head)
    )


def _is_animated_png(head: bytes) -> bool:
    control = head.find(b"acTL")
    return control >= 0 and not 0 <= head.find(b"IDAT") < control


def _riff(head: bytes) -> Sniffed | None:
    form = head[8:12]
    if head[:4] in {b"RIFF", b"RF64", b"BW64", b"RIFX"}:
        if form == b"WEBP":
            return _image("image/webp")
        if form.startswith(b"AVI"):
            return _video("video/x-msvideo")
        if form == b"WAVE":
            return _audio("audio/wav")
        if form == b"RMID":
            return _audio("audio/midi")
        if form == b"CDXA":
            return _video("video/mpeg")
        return _unknown("application/x-riff")
    if head[:4] == b"FORM" and form in {b"AIFF", b"AIFC"}:
        return _audio("audio/aiff")
    return None


def _base_media(head: bytes) -> Sniffed | None:
    """ISO base media files, told apart by their brands (ISO/IEC 14496-12, 23008-12)."""
    kind = head[4:8]
    if kind in _BOXES or (kind == b"uuid" and head[:2] == b"\0\0"):
        return _video("video/quicktime")
    if kind != b"ftyp":
        return None
    size = max(16, min(int.from_bytes(head[:4], "big"), 1024))
    major = head[8:12]
    brands = {major, *(head[i : i + 4] for i in range(16, size, 4))}
    if major in {b"avif", b"avis"} or (major in _HEIF_BRANDS and brands & {b"avif", b"avis"}):
        return _image("image/avif")
    if major in _HEIF_BRANDS:
        return _image("image/heic" if brands & {b"heic", b"heix", b"hevc", b"hevx"} else "image/heif")
    if major == b"crx ":
        return _image("image/x-canon-cr3")
    if major in {b"jp2 ", b"jpx ", b"jpm "}:
        return _image("image/jp2")
    if major in {b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B "}:
        return _audio("audio/mp4")
    if major == b"qt  ":
        return _video("video/quicktime")
    return _video("video/mp4")


def _zip(head: bytes) -> Sniffed | None:
    """Zip archives; those that are documents are told by their first members' names (OPC, ODF, EPUB)."""
    if head[:4] not in {b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"}:
        return None
    if len(head) > 30 and head[30:38] == b"mimetype":
        length = struct.unpack_from("<H", head, 28)[0]
        kind = re.match(rb"application/[\w.+-]+", head[38 + length :])
        if kind is not None:
            # The next record's "PK" follows without a gap.
            return _document(kind.group().removesuffix(b"PK").decode("ascii", "replace"))
    if b"[Content_Types].xml" in head or b"_rels/.rels" in head:
        for folder, mime in _ZIP_DOCUMENTS:
            if folder in head:
                return _document(mime)
        return _document("application/vnd.openxmlformats-package")
    return _archive("application/zip")


def _gzip(head: bytes) -> Sniffed | None:
    if head[:3] != b"\x1f\x8b\x08":
        return None
    try:
        start = zlib.decompressobj(wbits=31).decompress(head, 4096)
    except zlib.error:
        start = b""
    return _document("image/svg+xml-compressed") if _is_svg(start) else _archive("application/gzip")


def _old_tar(head: bytes) -> Sniffed | None:
    """Tar archives from before POSIX have no signature, but a checksum of their header."""
    if len(head) < 512 or not re.fullmatch(rb" *[0-7]{1,7}[\0 ]{1,7}", head[148:156]):
        return None
    total = sum(head[:148]) + sum(head[156:512]) + 8 * 0x20
    stated = head[148:156].strip(b"\0 ")
    return _archive("application/x-tar") if stated and int(stated, 8) == total else None


def _weak_picture(head: bytes, tail: bytes) -> Sniffed | None:
    """Pictures whose signature is short: their headers must make sense too."""
    if head[:2] == b"BM" and len(head) >= 18 and struct.unpack_from("<I", head, 14)[0] in _BMP_HEADERS:
        return _image("image/bmp")
    if head[:4] in {b"\0\0\x01\0", b"\0\0\x02\0"} and len(head) >= 22:
        count, reserved = struct.unpack_from("<H", head, 4)[0], head[9]
        size, offset = struct.unpack_from("<II", head, 14)
        if 0 < count <= 256 and reserved in {0, 255} and size > 0 and offset >= 6 + 16:
            return _image("image/vnd.microsoft.icon" if head[2] == 1 else "image/x-win-cursor")
    if head[:1] == b"P" and re.match(rb"P[1-6f]\s(?:\s|#[^\n]*\n)*[\d.]", head):
        return _image("image/x-portable-anymap")
    if head[:1] == b"\x0a" and len(head) >= 128 and head[1] in {0, 2, 3, 4, 5}:
        left, top, right, bottom = struct.unpack_from("<4H", head, 4)
        if head[2] == 1 and head[3] in {1, 2, 4, 8} and left <= right and top <= bottom:
            return _image("image/x-pcx")
    if head[:2] == b"\x01\xda" and head[2:3] in {b"\0", b"\x01"} and head[3:4] in {b"\x01", b"\x02"}:
        return _image("image/x-sgi")
    if re.match(rb"#define[ \t]+\S{0,100}_width[ \t]+\d+\s+#define[ \t]+\S{0,100}_height[ \t]+\d", head):
        return _image("image/x-xbitmap")
    if tail.endswith(b"TRUEVISION-XFILE.\0"):
        return _image("image/x-tga")
    return None


_TS_PACKETS: Final = ((188, 0), (192, 4), (204, 0))


def _stream(head: bytes) -> Sniffed | None:
    """Streams that only a repeated sync word tells."""
    for length, offset in _TS_PACKETS:
        starts = range(offset, min(len(head), offset + 5 * length), length)
        if len(starts) >= 2 and all(head[i] == 0x47 for i in starts):
            return _video("video/mp2t")
    if _adts_frames(head) >= 3:
        return _audio("audio/aac")
    if head[:1] == b"\xff" and (_mpeg_frames(head, 0) >= 2 or _mpeg_frame_length(head, 0) == len(head)):
        return _audio("audio/mpeg")
    if 0 < head.find(b"\x06\x0e\x2b\x34\x02\x05\x01\x01") < HEAD:  # MXF allows a run-in
        return _video("application/mxf")
    return None


def _adts_frames(head: bytes) -> int:
    """How many ADTS frames follow each other from the start."""
    at = count = 0
    while at + 7 <= len(head) and head[at] == 0xFF and head[at + 1] & 0xF6 == 0xF0:
        length = (head[at + 3] & 3) << 11 | head[at + 4] << 3 | head[at + 5] >> 5
        if length < 7:
            break
        at, count = at + length, count + 1
    return count


_MPEG_KBITS: Final = {
    # (version 1?, layer): kilobits a second by index, ISO/IEC 11172-3 and 13818-3
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG_RATES: Final = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def _mpeg_frame_length(data: bytes, at: int) -> int:
    """Bytes of the MPEG audio frame whose header is at ``at``; 0 where none is."""
    if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] & 0xE0 != 0xE0:
        return 0
    version, layer = data[at + 1] >> 3 & 3, 4 - (data[at + 1] >> 1 & 3)
    index, rate = data[at + 2] >> 4, data[at + 2] >> 2 & 3
    if version == 1 or layer == 4 or index in {0, 15} or rate == 3:
        return 0
    kbits = _MPEG_KBITS[(version == 3, layer)][index - 1]
    hertz = _MPEG_RATES[version][rate]
    padding = data[at + 2] >> 1 & 1
    if layer == 1:
        return (12_000 * kbits // hertz + padding) * 4
    return (144_000 if layer == 2 or version == 3 else 72_000) * kbits // hertz + padding


def _mpeg_frames(data: bytes, at: int, enough: int = 8) -> int:
    """How many MPEG audio frames follow each other from ``at``."""
    count = 0
    while count < enough and (length := _mpeg_frame_length(data, at)):
        at, count = at + length, count + 1
    return count


def find_mpeg_audio(data: bytes) -> bool:
    """Whether MPEG audio begins somewhere in ``data``, after what is no part of it."""
    return any(_mpeg_frames(data, sync.start()) >= 8 for sync in re.finditer(rb"\xff[\xe2-\xff]", data))


def _markup(head: bytes) -> Sniffed | None:
    if _is_svg(head):
        return _document("image/svg+xml")
    if head.find(b"%PDF-", 0, 1024) > 0:  # readers accept a PDF that begins late
        return _document("application/pdf")
    return None


def _is_svg(head: bytes) -> bool:
    """Whether the root element is ``svg``, after a declaration, comments and a document type."""
    rest = head[:8192].removeprefix(b"\xef\xbb\xbf").lstrip()
    while rest[:2] in {b"<?", b"<!"}:
        if rest.startswith(b"<!--"):
            end = b"-->"
        elif b"[" in rest[: rest.find(b">") + 1]:
            end = b"]>"
        else:
            end = b">"
        rest = rest.partition(end)[2].lstrip()
    return re.match(rb"<(?:\w{1,20}:)?svg[\s>/]", rest) is not None
