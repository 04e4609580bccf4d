"""Text drawn into photographs: laid over them, or printed on what they show. For training and benchmarks.

All randomness comes from the generator that is handed in, so that a seed gives the same picture again as long
as Pillow and the fonts are the same.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

_WORDS = """
    harbour morning coffee Winter sale garden river market Sunday open window music summer green yellow house
    fresh bread bicycle mountain holiday village concert ticket number street library autumn forest island
    letter orange silver travel weekend breakfast castle bridge kitchen lemon picture festival museum
    café naïve über Größe señal niño forêt été ação coração fenêtre français jalapeño smörgås déjà
    NEW FREE LIVE STOP EXIT CITY NEWS 2024 1987 50% 12:45 #travel @anna www.example.org No. 7 $19.99 €5 24h
"""
WORDS = tuple(_WORDS.split())

FONTS = Path("/usr/share/fonts")
TRAINING = (
    "DejaVuSans",
    "DejaVuSerif",
    "LiberationSans",
    "LiberationSerif",
    "LiberationMono",
    "Roboto",
    "FreeSans",
)
HELD_OUT = ("Lato", "OpenSans", "LinLibertine", "ComicNeue", "FreeSerif", "DejaVuSansMono")
"""Beginnings of the names of font files: those that heads are trained on, those that they are tested on."""


def fonts(beginnings: tuple[str, ...]) -> list[Path]:
    """Font files of Debian's packages fonts-dejavu-core, -liberation2, -roboto-unhinted and -freefont-ttf
    (training); fonts-lato, -open-sans, -linuxlibertine and -comic-neue (held out)."""
    found = sorted(p for p in FONTS.rglob("*") if p.suffix in {".ttf", ".otf"})
    return [p for p in found if p.stem.replace("_", "-").partition("-")[0] in beginnings]


@dataclass(frozen=True)
class Style:
    """How a piece of text looks. Sizes are shares of the picture's shorter side."""

    size: float
    colour: tuple[int, int, int]
    outline: tuple[int, int, int] | None = None
    box: tuple[int, int, int, int] | None = None
    alpha: float = 1.0


def phrase(rng: np.random.Generator, least: int, most: int) -> str:
    words = [str(rng.choice(WORDS)) for _ in range(int(rng.integers(least, most + 1)))]
    text = " ".join(words)
    return text.upper() if rng.random() < 0.25 else text


def layer(text: str, font: ImageFont.FreeTypeFont, style: Style) -> Image.Image:
    """The text alone, ``RGBA``, with its outline or box."""
    stroke = max(1, round(font.size / 14)) if style.outline is not None else 0
    probe = ImageDraw.Draw(Image.new("RGBA", (1, 1)))
    left, top, right, bottom = probe.multiline_textbbox(
        (0, 0), text, font=font, stroke_width=stroke, align="center"
    )
    pad = round(font.size * 0.4) if style.box is not None else 2
    image = Image.new(
        "RGBA", (round(right - left) + 2 * pad, round(bottom - top) + 2 * pad), style.box or (0, 0, 0, 0)
    )
    ImageDraw.Draw(image).multiline_text(
        (pad - left, pad - top), text, font=font, fill=(*style.colour, 255), stroke_width=stroke,
        stroke_fill=None if style.outline is None else (*style.outline, 255), align="center",
    )  # fmt: skip
    if style.alpha < 1:
        image.putalpha(image.getchannel("A").point(lambda a: round(a * style.alpha)))
    return image


def _any_colour(rng: np.random.Generator) -> tuple[int, int, int]:
    plain = ((255, 255, 255), (0, 0, 0), (255, 230, 0), (230, 30, 30), (255, 255, 255), (20, 60, 200))
    if rng.random() < 0.7:
        return plain[int(rng.integers(len(plain)))]
    r, g, b = (int(v) for v in rng.integers(0, 256, 3))
    return r, g, b


def _fitting(path: Path, text: str, pixels: int, widest: float) -> ImageFont.FreeTypeFont:
    font = ImageFont.truetype(str(path), max(8, pixels))
    width = max(font.getlength(line) for line in text.split("\n"))
    return font if width <= widest else ImageFont.truetype(str(path), max(8, int(pixels * widest / width)))


def overlay(photo: Image.Image, paths: list[Path], rng: np.random.Generator) -> Image.Image:
    """The photo with one to three captions, subtitles, watermarks, stamps or the like laid over it."""
    picture = photo.convert("RGBA")
    for kind in rng.choice(
        ("subtitle", "caption", "meme", "mark", "stamp", "poster", "handle"), int(rng.integers(1, 4))
    ):
        _lay(picture, str(kind), paths[int(rng.integers(len(paths)))], rng)
    return picture.convert("RGB")


def _lay(picture: Image.Image, kind: str, path: Path, rng: np.random.Generator) -> None:
    width, height = picture.size
    short = min(width, height)
    dark, light = (0, 0, 0), (255, 255, 255)
    text, style, place = phrase(rng, 2, 6), Style(0.06, light, outline=dark), (0.5, 0.9)
    if kind == "subtitle":
        colour = light if rng.random() < 0.7 else (255, 235, 60)
        box = (0, 0, 0, 140) if rng.random() < 0.4 else None
        style, place = (
            Style(rng.uniform(0.045, 0.09), colour, None if box else dark, box),
            (0.5, rng.uniform(0.84, 0.93)),
        )
    elif kind == "caption":
        box = (*_any_colour(rng), int(rng.integers(150, 256)))
        colour = light if sum(box[:3]) < 380 else dark
        style, place = (
            Style(rng.uniform(0.045, 0.1), colour, box=box),
            (rng.uniform(0.3, 0.7), rng.uniform(0.1, 0.9)),
        )
    elif kind == "meme":
        text, style = text.upper(), Style(rng.uniform(0.08, 0.15), light, outline=dark)
        place = (0.5, 0.1 if rng.random() < 0.5 else 0.9)
    elif kind == "mark":
        text, style = phrase(rng, 1, 2), Style(rng.uniform(0.06, 0.2), light, alpha=rng.uniform(0.3, 0.7))
        place = (rng.uniform(0.3, 0.7), rng.uniform(0.3, 0.7))
    elif kind == "stamp":
        day = [int(rng.integers(low, high)) for low, high in ((10, 27), (1, 13), (1, 29), (0, 24), (0, 60))]
        text = "20{}-{:02}-{:02} {:02}:{:02}".format(*day)
        style = Style(rng.uniform(0.04, 0.07), (255, 150, 0) if rng.random() < 0.5 else light)
        place = (rng.choice((0.2, 0.8)), rng.choice((0.06, 0.94)))
    elif kind == "poster":
        text = "\n".join(phrase(rng, 1, 3) for _ in range(int(rng.integers(1, 4))))
        style, place = (
            Style(rng.uniform(0.08, 0.16), _any_colour(rng)),
            (rng.uniform(0.4, 0.6), rng.uniform(0.25, 0.75)),
        )
    elif kind == "handle":
        text, style = (
            "@" + phrase(rng, 1, 1),
            Style(rng.uniform(0.04, 0.07), light, alpha=rng.uniform(0.6, 1.0)),
        )
        place = (rng.choice((0.15, 0.85)), rng.choice((0.05, 0.95)))
    font = _fitting(path, text, round(style.size * short), 0.94 * width)
    drawn = layer(text, font, style)
    if kind == "mark" and rng.random() < 0.5:
        drawn = drawn.rotate(float(rng.uniform(-40, 40)), Image.Resampling.BICUBIC, expand=True)
    x = min(max(0, round(place[0] * width - drawn.width / 2)), max(0, width - drawn.width))
    y = min(max(0, round(place[1] * height - drawn.height / 2)), max(0, height - drawn.height))
    picture.alpha_composite(
        drawn.crop((0, 0, min(drawn.width, width - x), min(drawn.height, height - y))), (x, y)
    )


def printed(photo: Image.Image, paths: list[Path], rng: np.random.Generator) -> Image.Image:
    """The photo with text on what it shows: a plate in perspective or ink on a surface, lit and blurred."""
    width, height = photo.size
    short = min(width, height)
    text = "\n".join(phrase(rng, 1, 2) for _ in range(int(rng.integers(1, 4))))
    path = paths[int(rng.integers(len(paths)))]
    plate = rng.random() < 0.5
    tone = _any_colour(rng)
    box = (*tone, 255) if plate else None
    ink = ((20, 20, 20) if sum(tone) > 380 else (240, 240, 240)) if plate else tone
    drawn = layer(
        text,
        _fitting(path, text, round(short * rng.uniform(0.07, 0.16)), 0.7 * width),
        Style(0.1, ink, box=box),
    )
    drawn = _bent(drawn, rng)
    drawn = _in_perspective(drawn, rng)
    x = round(rng.uniform(0, max(1, width - drawn.width)))
    y = round(rng.uniform(0, max(1, height - drawn.height)))
    whole = Image.new("RGBA", photo.size, (0, 0, 0, 0))
    whole.paste(drawn, (x, y))
    whole = whole.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.4, 1.4) * short / 400)))
    base = np.asarray(photo.convert("RGB"), np.float64)
    over = np.asarray(whole, np.float64)
    alpha = over[..., 3:] / 255 * rng.uniform(0.75, 0.95)
    light = (
        np.asarray(photo.convert("L").filter(ImageFilter.GaussianBlur(short / 60)), np.float64)[
            ..., np.newaxis
        ]
        / 255
    )
    lit = over[..., :3] * np.clip(0.35 + 0.9 * light, 0, 1.1)
    grain = rng.normal(0, rng.uniform(2, 8), base.shape)
    mixed = base * (1 - alpha) + (lit + grain) * alpha
    return Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8))


def _bent(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Rows of pixels along a wave, as on cloth or a can."""
    if rng.random() < 0.4:
        return image
    swing = image.height * rng.uniform(0.03, 0.15)
    pixels = np.asarray(image)
    room = int(np.ceil(swing)) + 1
    bent = np.zeros((image.height + 2 * room, image.width, 4), np.uint8)
    phase, waves = rng.uniform(0, 6.28), rng.uniform(0.3, 1.2)
    for column in range(image.width):
        shift = room + round(swing * np.sin(phase + waves * 6.28 * column / image.width))
        bent[shift : shift + image.height, column] = pixels[:, column]
    return Image.fromarray(bent)


def _in_perspective(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    turned = image.rotate(float(rng.normal(0, 15)), Image.Resampling.BICUBIC, expand=True)
    width, height = turned.size
    corners = [(0, 0), (width, 0), (width, height), (0, height)]
    moved = [(x + width * rng.uniform(-0.12, 0.12), y + height * rng.uniform(-0.2, 0.2)) for x, y in corners]
    return turned.transform(
        turned.size, Image.Transform.PERSPECTIVE, perspective(moved, corners), Image.Resampling.BICUBIC
    )


def perspective(to: list[tuple[float, float]], source: list[tuple[float, float]]) -> tuple[float, ...]:
    """Pillow's eight numbers that bring the four corners ``source`` to the places ``to``."""
    rows, values = [], []
    for (x, y), (u, v) in zip(to, source, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return tuple(float(v) for v in np.linalg.solve(np.array(rows), np.array(values)))


def through_jpeg(
    picture: Image.Image, rng: np.random.Generator, low: int = 45, high: int = 96
) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=int(rng.integers(low, high)))
    with Image.open(buffer) as again:
        return again.convert("RGB")
