"""Text in real scans and photographs, through the analyzer as the engine calls it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from hivescan.analyzers import registry
from hivescan.analyzers.base import SIZES, HostAnalyzer
from hivescan.errors import CatalogueError
from hivescan.media.views import make_views
from hivescan.models.backends.base import Placement
from hivescan.models.cards import find_card
from hivescan.models.fetch import obstacle
from hivescan.models.network import Networks
from hivescan.types import Findings, Level, Pixels


@pytest.fixture(scope="module")
def analyzer() -> HostAnalyzer:
    reason = obstacle(find_card("ppocr_v6_small"))
    if reason is not None:
        pytest.skip(f"ppocr_v6_small: {reason}")
    return registry.load("ocr", Placement(threads=2))


def views(analyzer: HostAnalyzer, *pictures: Pixels) -> dict[str, np.ndarray]:
    made = [make_views(picture, analyzer.spec.views or {}) for picture in pictures]
    stacks = {name: np.stack([m[name] for m in made]) for name in analyzer.spec.views or {}}
    return stacks | {SIZES: np.array([p.shape[1::-1] for p in pictures], np.int32)}


def rgb(path: Path) -> Pixels:
    return np.asarray(Image.open(path).convert("RGB"))


def words(findings: Findings, row: int = 0) -> Counter[str]:
    assert findings.texts is not None
    return Counter(w for t in findings.texts[row] if t is not None for w in t.text.split())


def score(findings: Findings, head: str) -> list[float]:
    (found,) = [s for s in findings.scores if s.head == head]
    return [float(v) for v in found.scores[:, 0]]


@pytest.fixture(scope="module")
def page(data: Path) -> Pixels:
    return rgb(data / "ocr" / "pages" / "phototest.tif")


@pytest.fixture(scope="module")
def caption(photos: Path) -> Pixels:
    """A real photo with two lines laid over it."""
    picture = Image.open(photos / "chelsea.png").convert("RGB").resize((640, 426))
    font = ImageFont.load_default(size=34)
    draw = ImageDraw.Draw(picture)
    for y, text in ((20, "EL GATO NEGRO"), (370, "Open every morning")):
        draw.text((60, y), text, "white", font, stroke_width=3, stroke_fill="black")
    return np.asarray(picture)


def test_a_scanned_page_is_read_in_order(data: Path, page: Pixels, analyzer: HostAnalyzer) -> None:
    found = analyzer.infer(views(analyzer, page))
    gold = (data / "ocr" / "pages" / "phototest.gold.txt").read_text()
    assert sum((words(found) & Counter(gold.split())).values()) >= 0.95 * len(gold.split())
    assert found.texts is not None and found.texts[0][0] is not None
    read = " ".join(t.text for t in found.texts[0] if t is not None).split()
    expected = gold.split()
    at = [read.index(w) for w in dict.fromkeys(expected) if expected.count(w) == 1 and w in read]
    assert at == sorted(at)
    assert score(found, "text")[0] > 0.9


def test_texts_regions_and_passages_have_the_same_ordinals(caption: Pixels, analyzer: HostAnalyzer) -> None:
    found = analyzer.infer(views(analyzer, caption, np.full((300, 400, 3), 90, np.uint8), caption))
    assert found.texts is not None and found.regions is not None and found.derived is not None
    texts = found.texts[0]
    assert [t.text for t in texts if t is not None] == ["EL GATO NEGRO", "Open every morning"]
    for text, region in zip(texts, found.regions[0], strict=False):
        assert text is not None and text.origin == "ocr" and region.kind == "text"
        assert text.polygon == region.polygon and len(region.polygon) == 8
        assert all(0 <= v <= 1 for v in region.polygon)
        assert text.confidence is not None and text.confidence > 0.8
        assert [w.text for w in text.words or ()] == text.text.split()
    y = [region.polygon[1] for region in found.regions[0]]
    assert y[0] < 0.1 and y[1] > 0.8
    assert found.texts[1] == () and found.regions[1] == ()
    assert found.derived.level is Level.PASSAGE
    assert found.derived.parents.tolist() == [0, 0, 2, 2]
    assert found.derived.views["text"].tolist() == [t.text for t in texts if t is not None] * 2


def test_a_row_says_the_same_whatever_stands_beside_it(
    data: Path, caption: Pixels, analyzer: HostAnalyzer
) -> None:
    receipt = rgb(data / "ocr" / "receipts" / "038.jpg")
    pictures = [caption, receipt, caption[::2, ::2]]
    together = analyzer.infer(views(analyzer, *pictures))
    alone = registry.load("ocr", Placement(threads=1))
    for i, picture in enumerate(pictures[::-1]):
        one = alone.infer(views(alone, picture))
        assert one.texts is not None and together.texts is not None
        assert one.regions is not None and together.regions is not None
        assert one.texts[0] == together.texts[2 - i]
        assert one.regions[0] == together.regions[2 - i]
        for head in ("text", "overlay_text"):
            assert score(one, head)[0] == score(together, head)[2 - i]


def test_a_page_on_its_side_or_on_its_head_is_read(page: Pixels, analyzer: HostAnalyzer) -> None:
    upright = words(analyzer.infer(views(analyzer, page)))
    for turns in (1, 2, 3):
        turned = analyzer.infer(views(analyzer, np.rot90(page, turns)))
        assert sum((words(turned) & upright).values()) >= 0.9 * upright.total(), turns
        assert turned.regions is not None
        x, y = turned.regions[0][0].polygon[:2]
        assert (x < 0.5, y < 0.5) == ((True, False), (False, False), (False, True))[turns - 1]


def test_heads_tell_laid_over_text_from_none(caption: Pixels, photos: Path, analyzer: HostAnalyzer) -> None:
    bare = rgb(photos / "chelsea.png")
    found = analyzer.infer(views(analyzer, caption, bare))
    for head in ("text", "overlay_text"):
        with_text, without = score(found, head)
        assert with_text > 0.8 > without, head


def test_pictures_of_any_shape_are_looked_at(analyzer: HostAnalyzer) -> None:
    odd = [np.full(shape, 200, np.uint8) for shape in ((1, 1, 3), (1, 4000, 3), (3000, 2, 3), (17, 1281, 3))]
    noise = np.random.default_rng(0).integers(0, 256, (400, 300, 3), np.uint8)
    found = analyzer.infer(views(analyzer, *odd, noise))
    assert found.texts is not None and len(found.texts) == 5
    assert all(np.isfinite(s.scores).all() for s in found.scores)


def test_a_model_that_does_not_read_is_refused() -> None:
    from hivescan.analyzers.ocr.analyzer import Ocr

    card = find_card("opennsfw")
    if obstacle(card) is not None:
        pytest.skip("opennsfw cannot be had")
    with pytest.raises(CatalogueError, match="opennsfw does not read"):
        Ocr(registry.spec_of("ocr"), [card], Placement(), Networks())
