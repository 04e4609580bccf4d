"""The option Tesseract: its table, and one clear line where it is not installed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hivescan.analyzers import registry, tesseract
from hivescan.analyzers.base import SIZES
from hivescan.errors import UsageError
from hivescan.media.views import make_views
from hivescan.models.backends.base import Placement

HEAD = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n"


def word(block: int, line: int, left: int, text: str, conf: float = 90.0) -> str:
    return f"5\t1\t{block}\t1\t{line}\t1\t{left}\t{10 * line}\t40\t10\t{conf}\t{text}\n"


def test_words_become_blocks_with_their_places() -> None:
    table = HEAD + "4\t1\t1\t1\t1\t0\t0\t0\t100\t10\t-1\t\n"
    table += word(1, 1, 10, "one") + word(1, 1, 60, "two") + word(1, 2, 10, 'a"b', 70.0)
    table += word(2, 4, 50, "noise", 12.0) + word(3, 5, 50, " ")
    (block,) = tesseract.blocks_of(table, 200, 100)
    assert block.text == 'one two\na"b' and block.origin == "ocr"
    assert block.polygon == (0.05, 0.1, 0.5, 0.1, 0.5, 0.3, 0.05, 0.3)
    assert block.confidence == pytest.approx((0.9 + 0.9 + 0.7) / 3)
    assert [w.text for w in block.words or ()] == ["one", "two", 'a"b']
    assert tesseract.blocks_of(HEAD, 10, 10) == []


def test_without_the_program_one_line_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    reason = registry.missing("tesseract")
    assert reason == "the program tesseract is not installed (Debian: tesseract-ocr)"
    assert "tesseract" in registry.available()
    with pytest.raises(UsageError, match="is not installed"):
        registry.load("tesseract")


def test_names_of_packs_are_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIVESCAN_TESSERACT_LANGUAGES", "heb+script/Arabic")
    assert tesseract.languages() == "heb+script/Arabic"
    monkeypatch.setenv("HIVESCAN_TESSERACT_LANGUAGES", "eng; rm")
    with pytest.raises(UsageError, match="not a list of packs"):
        tesseract.languages()
    assert "tesseract" in registry.available()  # scans that do not ask for it go on
    assert registry.missing("tesseract") is not None


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")
def test_a_scanned_page_is_read(data: Path) -> None:
    analyzer = registry.load("tesseract", Placement(threads=1))
    page = np.asarray(Image.open(data / "ocr" / "pages" / "phototest.tif").convert("RGB"))
    stacks = {n: v[np.newaxis] for n, v in make_views(page, analyzer.spec.views or {}).items()}
    found = analyzer.infer({**stacks, SIZES: np.array([page.shape[1::-1]], np.int32)})
    assert found.texts is not None and found.derived is not None
    assert "quick brown dog" in " ".join(t.text for t in found.texts[0] if t is not None)
    assert len(found.derived.parents) == len(found.texts[0])
