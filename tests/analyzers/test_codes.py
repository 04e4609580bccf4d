"""QR codes and barcodes in photographs: made by one library, read by another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import segno
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hivescan.analyzers import registry
from hivescan.analyzers.base import SIZES, HostAnalyzer
from hivescan.analyzers.codes.analyzer import numbers_of
from hivescan.analyzers.codes.reading import Code, codes_in, read_codes
from hivescan.media.views import make_views
from hivescan.models.backends.base import Placement
from hivescan.types import Findings, Level, Pixels

LINK = "https://www.example.org/a?b=ç&c=1"


@pytest.fixture(scope="module")
def analyzer() -> HostAnalyzer:
    return registry.load("codes", Placement(threads=2))


def qr(text: str) -> Image.Image:
    made = segno.make(text, micro=False, error="m", encoding="utf-8")
    modules = np.pad(np.array([list(row) for row in made.matrix], bool), 4)
    light = np.where(modules, 0, 255).astype(np.uint8).repeat(5, axis=0).repeat(5, axis=1)
    return Image.fromarray(light).convert("RGB")


def views(analyzer: HostAnalyzer, *pictures: Pixels) -> dict[str, np.ndarray]:
    made = [make_views(picture, analyzer.spec.views or {}) for picture in pictures]
    stacks = {name: np.stack([m[name] for m in made]) for name in analyzer.spec.views or {}}
    return stacks | {SIZES: np.array([p.shape[1::-1] for p in pictures], np.int32)}


@pytest.fixture(scope="module")
def photo(photos: Path) -> Image.Image:
    return Image.open(photos / "coffee.png").convert("RGB")


@pytest.fixture(scope="module")
def found(photo: Image.Image, analyzer: HostAnalyzer) -> Findings:
    """Of a photo with two codes, and of the photo without."""
    both = photo.copy()
    both.paste(qr(LINK), (40, 60))
    both.paste(qr("second").rotate(180), (400, 200))
    return analyzer.infer(views(analyzer, np.asarray(both), np.asarray(photo)))


def test_two_codes_in_a_photo_are_read_where_they_stand(found: Findings) -> None:
    assert found.texts is not None and found.regions is not None and found.derived is not None
    texts = {t.text: t for t in found.texts[0] if t is not None}
    assert set(texts) == {LINK, "second"}
    for text, region in zip(found.texts[0], found.regions[0], strict=True):
        assert text is not None
        assert (text.origin, region.kind, region.confidence) == ("code", "qr_code", 1.0)
        assert text.polygon == region.polygon
    x, y = texts[LINK].polygon[:2]  # type: ignore[index]
    assert x == pytest.approx(60 / 600, abs=0.02) and y == pytest.approx(80 / 400, abs=0.02)
    upside_down = texts["second"].polygon
    assert upside_down is not None and upside_down[0] > upside_down[4], (
        "from the code's own upper left corner"
    )
    assert found.derived.level is Level.PASSAGE
    assert found.derived.parents.tolist() == [0, 0]
    assert found.derived.views["text"].tolist() == [t.text for t in found.texts[0] if t is not None]


def test_a_photo_without_a_code_has_none(found: Findings) -> None:
    assert found.texts is not None and found.regions is not None
    assert found.texts[1] == () and found.regions[1] == ()
    (head,) = found.scores
    assert head.labels == ("yes_qr_code", "no_qr_code")
    assert head.scores[0, 0] > 0.9 > 0.2 > head.scores[1, 0]
    assert np.allclose(head.scores.sum(axis=1), 1)


@given(st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=60))
@settings(max_examples=25)
def test_what_was_written_is_read(text: str) -> None:
    (code,) = read_codes(np.asarray(qr(text)))
    assert code.text == text and code.is_qr


@pytest.mark.parametrize("degrees", [30, 90, 200])
def test_a_turned_or_inverted_code_is_read(degrees: int) -> None:
    turned = qr(LINK).rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor="white")
    assert [c.text for c in read_codes(np.asarray(turned))] == [LINK]
    inverted = 255 - np.asarray(turned)
    assert [c.text for c in read_codes(inverted)] == [LINK]


def test_signs_that_command_terminals_become_spaces() -> None:
    (code,) = read_codes(np.asarray(qr("a\x1b[31mb\x00c")))
    assert code.text is not None and code.text.isprintable()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10)
def test_noise_says_nothing(seed: int) -> None:
    light = np.random.default_rng(seed).integers(0, 256, (120, 160), np.uint8)
    assert [code for code in codes_in(light) if code.text] == []
    assert codes_in(np.zeros((1, 1), np.uint8)) == []


def test_the_head_sees_counts_and_the_largest_share() -> None:
    square = (0.0, 0.0, 50.0, 0.0, 50.0, 50.0, 0.0, 50.0)
    read, unread = Code("QRCode", square, "a"), Code("QRCode", square, None)
    stripes = Code("EAN13", square, "4006381333931")
    assert numbers_of([], 100, 100) == (0.0, 0.0, 0.0, 0.0)
    assert numbers_of([read, unread, stripes], 100, 100) == (1.0, 1.0, 0.5, 1.0)
    assert numbers_of([read] * 5, 100, 100)[0] == 2.0
    assert numbers_of([unread] * 5, 100, 100) == (0.0, 1.0, 0.0, 0.0)
