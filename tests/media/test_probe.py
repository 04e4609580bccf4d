"""Types by content: what each file is called, and what is wrong with those that have no type."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hivescan.errors import DecodeError, MediaError, UnreadableError, UnsupportedError
from hivescan.media.probe import probe
from hivescan.media.sniff import sniff
from hivescan.media.text import probe_text
from hivescan.types import Limits, MediaInfo, MediaType


def probed(folder: Path, content: bytes, name: str = "misleading.jpg") -> MediaInfo:
    path = folder / name
    path.write_bytes(content)
    return probe(path, Limits())


@pytest.mark.parametrize(
    ("name", "media_type", "mime"),
    [
        ("jpeg.jpg", "image", "image/jpeg"),
        ("png-transparent.png", "image", "image/png"),
        ("gif-transparent.gif", "image", "image/gif"),
        ("webp.webp", "image", "image/webp"),
        ("bmp.bmp", "image", "image/bmp"),
        ("ico.ico", "image", "image/vnd.microsoft.icon"),
        ("tiff.tif", "image", "image/tiff"),
        ("jpeg2.jp2", "image", "image/jp2"),
        ("heif.heif", "image", "image/heic"),
        ("pdf.pdf", "text", "application/pdf"),
        ("svg.svg", "document", "image/svg+xml"),
        ("zip.zip", "archive", "application/zip"),
        ("wav.wav", "audio", "audio/wav"),
        ("webm.webm", "video", "video/webm"),
    ],
)
def test_the_smallest_file_of_each_type_is_known_whatever_its_name(
    data: Path, tmp_path: Path, name: str, media_type: str, mime: str
) -> None:
    content = (data / "hostile" / "smallest" / name).read_bytes()
    info = probed(tmp_path, content, "no extension")
    assert (info.media_type, info.mime) == (media_type, mime)


def _zip(*names: str, first: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, first)
    return buffer.getvalue()


def _tar(kind: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind) as archive:
        archive.addfile(tarfile.TarInfo("a"), io.BytesIO())
    return buffer.getvalue()


V7_HEADER = bytearray(_tar(tarfile.USTAR_FORMAT)[:512])
V7_HEADER[257:265] = bytes(8)
V7_HEADER[148:156] = b"%06o\0 " % (sum(V7_HEADER[:148]) + sum(V7_HEADER[156:]) + 8 * 32)


@pytest.mark.parametrize(
    ("content", "media_type", "mime"),
    [
        (_zip("a.txt"), "archive", "application/zip"),
        (_zip(), "archive", "application/zip"),
        (
            _zip("[Content_Types].xml", "_rels/.rels", "word/document.xml"),
            "document",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
        (_zip("mimetype", "a", first=b"application/epub+zip"), "document", "application/epub+zip"),
        (
            _zip("mimetype", first=b"application/vnd.oasis.opendocument.text"),
            "document",
            "application/vnd.oasis.opendocument.text",
        ),
        (_tar(tarfile.PAX_FORMAT), "archive", "application/x-tar"),
        (_tar(tarfile.USTAR_FORMAT), "archive", "application/x-tar"),
        (bytes(V7_HEADER) + bytes(1024), "archive", "application/x-tar"),
        (gzip.compress(b"anything", mtime=0), "archive", "application/gzip"),
        (
            gzip.compress(b'<?xml version="1.0"?><!-- a --><svg xmlns="x"/>', mtime=0),
            "document",
            "image/svg+xml-compressed",
        ),
        (b"7z\xbc\xaf\x27\x1c\0\4", "archive", "application/x-7z-compressed"),
        (b"Rar!\x1a\x07\x01\0", "archive", "application/vnd.rar"),
        (b"\x28\xb5\x2f\xfd\0\0", "archive", "application/zstd"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0", "document", "application/x-ole-storage"),
        (
            b'<!DOCTYPE svg PUBLIC "a" "b" [<!ENTITY x "y">]>\n<svg:svg>',
            "document",
            "image/svg+xml",
        ),
        (b"\x7fELF\2\1\1\0", "unknown", "application/x-executable"),
        (bytes(range(256)) * 4, "unknown", "application/octet-stream"),
        (b"plain words\n", "text", "text/plain"),
        (b"a\n", "text", "text/plain"),
        ("Grüße, 世界\n".encode(), "text", "text/plain"),
        ("Grüße an alle\n".encode("latin-1"), "text", "text/plain"),
        ("Добрый день".encode("koi8-r"), "text", "text/plain"),
        ("Grüße, 世界\n".encode("utf-16"), "text", "text/plain"),
        ("plain words\n".encode("utf-16-le"), "text", "text/plain"),
        (b"From: a@b.example\r\nSubject: x\r\n\r\nwords\r\n", "text", "message/rfc822"),
        (b"From a@b.example Mon Jan  1 10:00:00 2024\nFrom: a@b\nTo: b@c\n\nx\n", "text", "application/mbox"),
        (b"From: a@b.example\nSubject: x\n\n\0\1\2 anything\n", "text", "message/rfc822"),
        (b"<!doctype html><p>", "text", "text/html"),
        (b"<?xml version='1.0'?><a/>", "text", "text/xml"),
        (b'{"a": [1, 2]}', "text", "application/json"),
        (b'[{"a": 1}]', "text", "application/json"),
        (b"id,path\n1,a.jpg\n2,b.jpg\n", "text", "text/csv"),
        (b"id\tpath\n1\ta.jpg\n2\tb.jpg\n", "text", "text/tab-separated-values"),
        (b"WEBVTT\n\n00:00.000 --> 00:01.000\nHi\n", "text", "text/vtt"),
        (b"def f(x):\n    return x\n", "text", "text/plain"),
    ],
)
def test_types_are_told_from_content_alone(
    tmp_path: Path, content: bytes, media_type: str, mime: str
) -> None:
    info = probed(tmp_path, content)
    assert (info.media_type, info.mime) == (media_type, mime)


def test_text_tells_its_encoding(tmp_path: Path) -> None:
    assert probed(tmp_path, "é".encode()).codec == "utf-8"
    assert probed(tmp_path, "é".encode("latin-1")).codec == "8-bit"
    assert probed(tmp_path, "é é".encode("utf-16")).codec == "utf-16"
    assert probed(tmp_path, ("é" * 100_001).encode()).codec == "utf-8"  # cut in a character
    assert probed(tmp_path, ("a" + "é" * 100_001).encode()).codec == "utf-8"


def test_text_with_a_binary_end_is_not_text(tmp_path: Path) -> None:
    info = probed(tmp_path, b"#!/bin/sh\nexit\n" + b"x" * 100_000 + bytes(range(256)))
    assert info.media_type is MediaType.UNKNOWN


def test_an_empty_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DecodeError, match="empty"):
        probed(tmp_path, b"")


def test_a_missing_file_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError):
        probe(tmp_path / "none", Limits())


@pytest.mark.parametrize(
    "content",
    [b"\x76\x2f\x31\x01" + bytes(20), b"gimp xcf v011\0", bytes(128) + b"DICM", b"8BPS\0\2" + bytes(50)],
)
def test_pictures_that_cannot_be_decoded_say_so(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UnsupportedError, match="are not decoded"):
        probed(tmp_path, content)


def test_sound_and_video_are_told_apart_by_their_streams(data: Path) -> None:
    variety = data / "video" / "variety"
    for name, media_type in (
        ("mp4__sample_audio_only.mp4", MediaType.AUDIO),
        ("mp4__sample.mp4", MediaType.VIDEO),
        ("mp3__100kB-garbage-prefix.mp3", MediaType.AUDIO),
        ("flac__bear_with_picture.flac", MediaType.AUDIO),
        ("ts__sample_h264_iframes_only.ts", MediaType.VIDEO),
    ):
        assert probe(variety / name, Limits()).media_type is media_type, name


def test_every_hostile_file_has_a_type_or_one_line(data: Path) -> None:
    for path in sorted((data / "hostile").rglob("*")):
        if path.is_file():
            try:
                probe(path, Limits())
            except MediaError as error:
                assert "\n" not in error.reason
                assert str(path) not in error.reason


@pytest.mark.slow
def test_every_shared_file_has_a_type(data: Path) -> None:
    expected = {
        ".jpg": "image", ".png": "image", ".tif": "image", ".heif": "image", ".txt": "text",
        ".json": "text", ".md": "text", ".csv": "text", ".zip": "archive", ".wav": "audio", ".flac": "audio",
    }  # fmt: skip
    seen: Counter[str] = Counter()
    for path in sorted(data.rglob("*")):
        if not path.is_file() or "hostile" in path.parts or "video" in path.parts:
            continue
        info = probe(path, Limits())
        seen[info.media_type] += 1
        assert info.media_type == expected.get(path.suffix, info.media_type), path
        assert info.media_type is not MediaType.UNKNOWN, path
    assert seen["image"] > 4000


MAGIC = [b"RIFF\0\0\0\0WEBP", b"\0\0\0\x18ftypheic", b"P6 ", b"BM", b"\0\0\1\0\1\0", b"\xff\xfb\x90", b"<svg"]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([*MAGIC, b"\x1f\x8b\x08", b"PK\3\4", b"<!--", b"G", b""]), st.binary(max_size=400))
def test_no_bytes_break_the_sniffer(start: bytes, rest: bytes) -> None:
    content = start + rest
    sniff(content, content[-100:])
    probe_text(content, content[-100:])


@pytest.mark.parametrize(
    "filler", [b" ", b"<!--", b"#\n", b"<?", b"<!", b"\xff", b"\xff\xfb", b"[", b'{"', b"%PDF"]
)
def test_long_repetitions_take_no_time(filler: bytes) -> None:
    for start in (b"", b"P6 ", b"#define x_width 1 ", b'{ "a', b"<svg"):
        content = (start + filler * 65536)[:65536]
        sniff(content, content[-4096:])
        probe_text(content, content[-4096:])
