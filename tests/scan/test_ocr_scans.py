"""A picture and a video with text and a QR code, scanned: places, times, and scores as of typed text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import segno
from PIL import Image, ImageDraw, ImageFont

from hivescan.automl.deploy import deploy
from hivescan.automl.trained import Base, save_version
from hivescan.models.cards import find_card
from hivescan.models.fetch import obstacle
from hivescan.models.network import space_of
from hivescan.models.text_tower import open_text_tower
from tests.automl.made_models import made_head, record_of
from tests.scan.scenes import comparable, rows, scan

LINK = "https://www.example.org/menu"
CAPTION = "Fresh bread every morning"
ALL = ("ocr", "codes", "tone")
TEXTS = """SELECT parse_filename(uri) AS name, t.level, t.chain, t.region, t.origin, t.text,
    t.start_ms, t.end_ms, t.polygon
    FROM texts t JOIN items USING (content_id) ORDER BY name, t.start_ms, t.origin, t.region"""


def written(photo: Image.Image, caption: str | None) -> Image.Image:
    """The photo with a code in its upper right corner, and a caption below."""
    modules = np.pad(np.array([list(row) for row in segno.make(LINK, micro=False).matrix], bool), 4)
    code = np.where(modules, 0, 255).astype(np.uint8).repeat(3, axis=0).repeat(3, axis=1)
    picture = photo.copy()
    picture.paste(Image.fromarray(code), (picture.width - code.shape[1], 0))
    if caption is not None:
        draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size=26)
        draw.text((20, picture.height - 50), caption, "white", font, stroke_width=2, stroke_fill="black")
    return picture


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Path:
    """A store of a photo and a video of three seconds; the caption stands in its first two."""
    for name in ("ppocr_v6_small", "minilm_l6"):
        if (reason := obstacle(find_card(name))) is not None:
            pytest.skip(f"{name}: {reason}")
    root = tmp_path_factory.mktemp("ocr")
    media = root / "media"
    media.mkdir()
    photo = Image.open(photos / "coffee.png").convert("RGB").resize((448, 300))
    written(photo, CAPTION).save(media / "photo.png")
    with av.open(str(media / "video.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=2, options={"crf": "12"})
        stream.width, stream.height, stream.pix_fmt = 448, 300, "yuv420p"
        for n in range(6):
            frame = np.asarray(written(photo, CAPTION if n < 4 else None))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIVESCAN_HOME", str(root / "home"))
        patch.delenv("HIVESCAN_MODELS", raising=False)
        card = find_card("minilm_l6")
        assert card.embedding is not None
        head = made_head("tone", dimensions=card.embedding.dimensions)
        save_version("tone", "text", Base(card.name, space_of(card)), {"tone": (head, record_of(head))})
        deploy("tone")
        summary = scan(root / "store", media, analyzers=ALL, workers=1)
        assert (summary.failed, summary.partial) == (0, 0)
        scan(root / "other", media, analyzers=ALL[::-1], workers=2, batch_size=1)
        assert comparable(root / "store") == comparable(root / "other")
        assert scan(root / "store", media, analyzers=ALL).analyzed == 0
        vectors = open_text_tower(card).vectors([CAPTION, LINK]).astype(np.float16)
        np.save(root / "expected.npy", head.probabilities(vectors))
    return root / "store"


def texts(store: Path, name: str, origin: str) -> list[dict[str, Any]]:
    return [row for row in rows(store, TEXTS) if (row["name"], row["origin"]) == (name, origin)]


def test_a_caption_over_frames_is_one_row_with_its_times(store: Path) -> None:
    (caption,) = texts(store, "video.mp4", "ocr")
    assert (caption["text"], caption["start_ms"], caption["end_ms"]) == (CAPTION, 0, 2000)
    assert (caption["level"], caption["chain"], caption["region"]) == ("frame", "ocr", 0)
    assert caption["polygon"][1] > 0.75
    (link,) = texts(store, "video.mp4", "code")
    assert (link["text"], link["start_ms"], link["end_ms"]) == (LINK, 0, 3000)


def test_a_picture_has_its_texts_without_times(store: Path) -> None:
    (caption,), (link,) = texts(store, "photo.png", "ocr"), texts(store, "photo.png", "code")
    assert (caption["text"], caption["start_ms"]) == (CAPTION, None)
    assert (link["text"], link["chain"], link["region"]) == (LINK, "codes", 0)
    kinds = rows(store, "SELECT DISTINCT kind FROM regions ORDER BY kind")
    assert [row["kind"] for row in kinds] == ["qr_code", "text"]


def test_what_was_read_is_scored_as_typed_text_is(store: Path) -> None:
    expected = np.load(store.parent / "expected.npy")
    query = """SELECT s.chain, s.level, s.region, s.score FROM scores s JOIN items i USING (content_id)
        WHERE s.head = 'tone' AND parse_filename(i.uri) = 'photo.png' ORDER BY s.chain, s.label"""
    found = rows(store, query)
    assert {(r["chain"], r["level"], r["region"]) for r in found} == {
        ("codes>tone", "passage", 0),
        ("ocr>tone", "passage", 0),
    }
    for chain, row in (("ocr>tone", expected[0]), ("codes>tone", expected[1])):
        assert sorted(r["score"] for r in found if r["chain"] == chain) == sorted(row.tolist())


def test_heads_say_that_there_is_text_and_a_code(store: Path) -> None:
    query = """SELECT head, min(score) AS least FROM scores JOIN items USING (content_id)
        WHERE label IN ('text', 'yes_overlay_text', 'yes_qr_code') AND parse_filename(uri) = 'photo.png'
        GROUP BY head"""
    found = {row["head"]: row["least"] for row in rows(store, query)}
    assert set(found) == {"text", "overlay_text", "qr_code"}
    assert min(found.values()) > 0.5
