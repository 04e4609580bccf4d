"""Small whole files of every type that hivescan meets, made on the spot: pictures, clips, sound, text.

Each is a few kilobytes at most, so that thousands of mutated copies can be decoded in a test.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import wave
import zipfile
from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from types import MappingProxyType
from typing import Any

import av
import numpy as np
from PIL import Image

WIDTH, HEIGHT = 64, 48
_SENTENCE = "It was a quiet evening; nothing of note happened and everybody went home early. Grüße!\n"


def picture(width: int = WIDTH, height: int = HEIGHT, turn: int = 0) -> Image.Image:
    """A colourful picture; another one for every ``turn``."""
    y, x = np.mgrid[0:height, 0:width]
    red = 128 + 100 * np.sin(x / 7 + turn)
    green = (y * 5 + 40 * turn) % 256
    blue = ((x + 2 * y + 30 * turn) // 9 % 2) * 200 + 20
    return Image.fromarray(np.stack([red, green, blue], axis=-1).astype(np.uint8))


def _saved(image: Image.Image, pillow: str, **options: Any) -> bytes:
    target = io.BytesIO()
    image.save(target, pillow, **options)
    return target.getvalue()


def _pictures() -> dict[str, bytes]:
    rgb = picture()
    rgba = rgb.copy()
    rgba.putalpha(Image.linear_gradient("L").resize(rgb.size))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "A maker"
    made = {
        "plain.jpg": _saved(rgb, "JPEG", quality=80),
        "progressive.jpg": _saved(rgb, "JPEG", progressive=True, exif=exif, comment=b"a comment"),
        "cmyk.jpg": _saved(rgb.convert("CMYK"), "JPEG"),
        "grey.jpg": _saved(rgb.convert("L"), "JPEG", restart_marker_blocks=2),
        "plain.png": _saved(rgb, "PNG", exif=exif, dpi=(72, 72)),
        "alpha.png": _saved(rgba, "PNG"),
        "palette.png": _saved(rgb.quantize(16), "PNG", transparency=3),
        "bits.png": _saved(rgb.convert("1"), "PNG"),
        "deep.png": _saved(rgb.convert("I;16"), "PNG"),
        "plain.gif": _saved(rgb, "GIF"),
        "lossy.webp": _saved(rgb, "WEBP", quality=70, exif=exif),
        "alpha.webp": _saved(rgba, "WEBP", lossless=True),
        "raw.tif": _saved(rgb, "TIFF"),
        "lzw.tif": _saved(rgb, "TIFF", compression="tiff_lzw"),
        "deflate.tif": _saved(rgba, "TIFF", compression="tiff_adobe_deflate"),
        "jpeg.tif": _saved(rgb, "TIFF", compression="jpeg"),
        "fax.tif": _saved(rgb.convert("1"), "TIFF", compression="group4"),
        "plain.bmp": _saved(rgb, "BMP"),
        "palette.bmp": _saved(rgb.quantize(16), "BMP"),
        "plain.avif": _saved(rgb, "AVIF", quality=60, speed=10),
        "plain.jp2": _saved(rgb, "JPEG2000", quality_mode="rates", quality_layers=[20]),
        "plain.j2k": _saved(rgb, "JPEG2000", no_jp2=True),
        "plain.ico": _saved(rgb, "ICO", sizes=[(16, 16), (32, 32)]),
        "bitmap.ico": _saved(rgb, "ICO", sizes=[(16, 16)], bitmap_format="bmp"),
        "plain.icns": _icns(rgb),
        "plain.ppm": _saved(rgb, "PPM"),
        "grey.pgm": _saved(rgb.convert("L"), "PPM"),
        "text.ppm": b"P3\n# made by hand\n8 8\n255\n" + b" ".join(b"%d" % (i % 256) for i in range(192)),
        "plain.qoi": _saved(rgb, "QOI"),
        "plain.dds": _saved(rgba, "DDS"),
        "plain.sgi": _saved(rgb, "SGI"),
        "plain.pcx": _saved(rgb, "PCX"),
        "plain.tga": _saved(rgb, "TGA", compression="tga_rle"),
        "plain.xbm": _saved(rgb.convert("1").resize((32, 32)), "XBM"),
        "plain.xpm": _xpm(),
        "plain.psd": _psd(rgb),
        "plain.ras": struct.pack(">8I", 0x59A66A95, WIDTH, HEIGHT, 24, WIDTH * HEIGHT * 3, 1, 0, 0)
        + rgb.tobytes(),
        "plain.dcx": _dcx(rgb),
    }
    made["plain.cur"] = b"\0\0\2\0" + made["bitmap.ico"][4:]
    return made | _optional_pictures(rgb) | _series()


def _optional_pictures(rgb: Image.Image) -> dict[str, bytes]:
    import pillow_heif

    heif = pillow_heif.from_pillow(rgb)
    heif.add_from_pillow(picture(turn=1))
    target = io.BytesIO()
    heif.save(target, quality=50)
    made = {"two.heic": target.getvalue()}
    try:
        import pillow_jxl  # noqa: F401
    except ImportError:
        return made
    return made | {"plain.jxl": _saved(rgb, "JXL")}


def _series() -> dict[str, bytes]:
    turns = [picture(turn=t) for t in range(4)]
    more: dict[str, Any] = {"save_all": True, "append_images": turns[1:]}
    return {
        "moving.gif": _saved(turns[0], "GIF", duration=400, loop=0, **more),
        "moving.png": _saved(turns[0], "PNG", duration=400, **more),
        "moving.webp": _saved(turns[0], "WEBP", duration=400, **more),
        "moving.avif": _saved(turns[0], "AVIF", duration=400, speed=10, quality=50, **more),
        "pages.tif": _saved(turns[0], "TIFF", compression="tiff_lzw", **more),
    }


def _xpm() -> bytes:
    rows = ",\n".join('"' + "".join(".#o "[(x + y) % 4] for x in range(16)) + '"' for y in range(16))
    colours = '". c #ff0000",\n"# c #00ff00",\n"o c #0000ff",\n"  c None",\n'
    return f'/* XPM */\nstatic char *a[] = {{\n"16 16 4 1",\n{colours}{rows}\n}};\n'.encode()


def _icns(rgb: Image.Image) -> bytes:
    entry = _saved(rgb.resize((32, 32)), "PNG")
    block = b"icp5" + struct.pack(">I", len(entry) + 8) + entry
    return b"icns" + struct.pack(">I", len(block) + 8) + block


def _psd(rgb: Image.Image) -> bytes:
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, HEIGHT, WIDTH, 8, 3)
    planes = b"".join(channel.tobytes() for channel in rgb.split())
    return head + struct.pack(">III", 0, 0, 0) + struct.pack(">H", 0) + planes


def _dcx(rgb: Image.Image) -> bytes:
    pages = [_saved(rgb, "PCX"), _saved(picture(turn=2), "PCX")]
    starts = [16, 16 + len(pages[0])]
    return struct.pack("<4I", 0x3ADE68B1, *starts, 0) + b"".join(pages)


_CLIPS: dict[str, tuple[str, str, dict[str, str], bool]] = {
    # name: format, codec, options, with sound
    "h264.mp4": ("mp4", "libx264", {"g": "4", "bf": "2"}, True),
    "fragmented.mp4": ("mp4", "libx264", {"g": "4", "movflags": "frag_keyframe+empty_moov"}, False),
    "hevc.mp4": ("mp4", "libx265", {"x265-params": "log-level=none", "preset": "ultrafast"}, False),
    "av1.mp4": ("mp4", "libsvtav1", {"preset": "13"}, False),
    "mjpeg.mov": ("mov", "mjpeg", {}, False),
    "prores.mov": ("mov", "prores_ks", {}, False),
    "h264.mkv": ("matroska", "libx264", {"g": "4"}, True),
    "vp9.webm": ("webm", "libvpx-vp9", {"cpu-used": "8"}, False),
    "vp8.webm": ("webm", "libvpx", {}, False),
    "ffv1.mkv": ("matroska", "ffv1", {}, False),
    "mpeg4.avi": ("avi", "mpeg4", {"g": "4"}, True),
    "msmpeg4.avi": ("avi", "msmpeg4", {}, False),
    "flv1.flv": ("flv", "flv", {}, False),
    "h264.flv": ("flv", "libx264", {"g": "4"}, False),
    "mpeg2.ts": ("mpegts", "mpeg2video", {}, True),
    "h264.ts": ("mpegts", "libx264", {"g": "4"}, False),
    "mpeg2.mpg": ("mpeg", "mpeg2video", {}, False),
    "wmv2.wmv": ("asf", "wmv2", {}, False),
    "h263.3gp": ("3gp", "h263", {}, False),
    "vp9.ivf": ("ivf", "libvpx-vp9", {"cpu-used": "8"}, False),
    "mpeg4.nut": ("nut", "mpeg4", {}, False),
    "mpeg2.mxf": ("mxf", "mpeg2video", {}, False),
    "bare.h264": ("h264", "libx264", {"g": "4"}, False),
    "raw.y4m": ("yuv4mpegpipe", "wrapped_avframe", {}, False),
}


def _clip(muxer: str, codec: str, options: Mapping[str, str], sound: bool) -> bytes:
    """Eight frames over 0.8 seconds, with half a second of a tone beside them where ``sound``."""
    target = io.BytesIO()
    width, height = (128, 96) if codec == "h263" else (WIDTH, HEIGHT)
    muxing = {k: v for k, v in options.items() if k == "movflags"}
    coding = {k: v for k, v in options.items() if k != "movflags"}
    rate = 25 if muxer in {"mxf", "mpeg", "mpegts"} else 10
    with av.open(target, "w", muxer, options=muxing) as container:
        stream = container.add_stream(codec, rate=rate, options=coding)
        stream.width, stream.height = width, height
        stream.pix_fmt = {"mjpeg": "yuvj420p", "prores_ks": "yuv422p10le"}.get(codec, "yuv420p")
        tone = _add_sound(container, muxer) if sound else None
        for n in range(8):
            frame = av.VideoFrame.from_image(picture(width, height, turn=n))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if tone is not None:
            _write_tone(container, tone)
    return target.getvalue()


def _add_sound(container: Any, muxer: str) -> Any:
    codec = {"avi": "mp2", "mpegts": "mp2"}.get(muxer, "aac")
    return container.add_stream(codec, rate=44100)


def _write_tone(container: Any, stream: Any, seconds: float = 0.5) -> None:
    rate = stream.rate
    size = stream.codec_context.frame_size or 1024
    total = int(rate * seconds)
    wave_form = (8000 * np.sin(np.arange(total) * 2 * np.pi * 440 / rate)).astype(np.int16)
    for start in range(0, total - size + 1, size):
        frame = av.AudioFrame.from_ndarray(wave_form[None, start : start + size], "s16", "mono")
        frame.rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        container.mux(stream.encode(frame))
    container.mux(stream.encode())


def _sounds() -> dict[str, bytes]:
    made = {}
    for name, muxer, codec, rate in (
        ("tone.mp3", "mp3", "libmp3lame", 44100),
        ("tone.flac", "flac", "flac", 16000),
        ("tone.oga", "ogg", "flac", 44100),
        ("tone.opus", "ogg", "libopus", 48000),
        ("tone.m4a", "ipod", "aac", 44100),
        ("tone.aac", "adts", "aac", 44100),
        ("tone.ac3", "ac3", "ac3", 44100),
        ("tone.wma", "asf", "wmav2", 44100),
        ("tone.aiff", "aiff", "pcm_s16be", 8000),
        ("tone.au", "au", "pcm_s16be", 8000),
        ("tone.mka", "matroska", "aac", 44100),
    ):
        target = io.BytesIO()
        with av.open(target, "w", muxer) as container:
            stream = container.add_stream(codec, rate=rate)
            stream.layout, stream.bit_rate = "mono", 64_000
            _write_tone(container, stream, 0.3)
        made[name] = target.getvalue()
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", "not compressed"))
        file.writeframes((np.arange(2000) % 300 * 50).astype("<i2").tobytes())
    return made | {"tone.wav": target.getvalue()}


def _texts() -> dict[str, bytes]:
    text = _SENTENCE * 12
    return {
        "plain.txt": text.encode(),
        "wide.txt": text.encode("utf-16"),
        "old.txt": text.encode("latin-1"),
        "data.json": b'{"name": "a thing", "numbers": [1, 2, 3.5], "inner": {"empty": null}}\n' * 3,
        "table.csv": b"name,size,when\n" + b"a thing,12,2020-01-01\n" * 20,
        "page.html": b"<!doctype html><html><head><title>t</title></head><body>" + b"<p>words</p>" * 30,
        "words.srt": b"1\n00:00:01,000 --> 00:00:02,000\nwords\n\n" * 5,
        "feed.xml": b'<?xml version="1.0"?><feed>' + b"<entry>words</entry>" * 20 + b"</feed>",
    }


def _containers() -> dict[str, bytes]:
    text = (_SENTENCE * 8).encode()
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        entry = tarfile.TarInfo("inside.txt")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
    return {
        "archive.zip": _zipped({"inside.txt": text, "more/inside.txt": text[:100]}),
        "archive.tar": tar.getvalue(),
        "archive.tar.gz": gzip.compress(tar.getvalue(), mtime=0),
        "archive.bz2": bz2.compress(text),
        "archive.xz": lzma.compress(text),
        "archive.7z": b"7z\xbc\xaf\x27\x1c\0\4" + bytes(range(200)),
        "paper.pdf": b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n" + text + b"\n%%EOF\n",
        "paper.docx": _zipped({"[Content_Types].xml": b"<Types/>", "word/document.xml": text}),
        "paper.odt": _zipped({"mimetype": b"application/vnd.oasis.opendocument.text", "content.xml": text}),
        "paper.rtf": rb"{\rtf1\ansi " + text + b"}",
        "paper.ps": b"%!PS-Adobe-3.0\n" + text,
        "drawing.svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="9"><path d="M0 0"/></svg>'
        + b" " * 200,
        "drawing.svgz": gzip.compress(b'<svg xmlns="http://www.w3.org/2000/svg"/>' * 9, mtime=0),
        "base.sqlite": b"SQLite format 3\0" + bytes(500),
    }


def _zipped(members: Mapping[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            entry = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return target.getvalue()


@cache
def good_files() -> Mapping[str, bytes]:
    """Name → bytes of every file."""
    os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder's own: errors alone
    clips = {name: _clip(*recipe) for name, recipe in _CLIPS.items()}
    return MappingProxyType(_pictures() | clips | _sounds() | _texts() | _containers())
