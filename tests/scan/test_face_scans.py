"""Faces in a scan: one person is one track, rows about a face name it, ages and children stand behind it."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.scan.scenes import rows, scan

SIZE = (640, 360)


def walk(path: Path, people: list[Image.Image], seconds: int) -> None:
    """The first person walks to the right; the second comes after two seconds and walks to the left."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=2)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for i in range(2 * seconds):
            frame = Image.new("RGB", SIZE, (80, 100, 90))
            frame.paste(people[0], (10 + 14 * i, 10))
            if i >= 4:
                frame.paste(people[1], (480 - 14 * i, 190))
            for packet in stream.encode(av.VideoFrame.from_ndarray(np.asarray(frame))):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, data: Path, photos: Path) -> Path:
    folder = tmp_path_factory.mktemp("faces") / "media"
    folder.mkdir()
    portraits = data / "ai_images" / "portraits_sd3"
    people = [Image.open(portraits / name).convert("RGB") for name in ("female/0.jpg", "male/7.jpg")]
    people[0].save(folder / "portrait.png")
    walk(folder / "two.mp4", [person.resize((160, 160)) for person in people], seconds=6)
    Image.open(photos / "coffee.png").convert("RGB").save(folder / "coffee.png")
    store = folder.parent / "store"
    scan(store, folder, analyzers=("faces", "child_present", "ages"), workers=1)
    return store


def test_one_person_is_one_track_and_stills_have_none(store: Path) -> None:
    found = rows(
        store,
        """SELECT uri, track, count(*) AS faces, min(index) AS first, max(index) AS last
        FROM regions JOIN files USING (content_id) GROUP BY uri, track ORDER BY uri, track""",
    )
    told = [(Path(r["uri"]).name, r["track"], r["faces"], r["first"], r["last"]) for r in found]
    assert told == [("portrait.png", None, 1, 0, 0), ("two.mp4", 0, 6, 0, 5), ("two.mp4", 1, 4, 2, 5)]


def test_landmarks_are_stored_as_fractions_beside_the_polygon(store: Path) -> None:
    for row in rows(store, "SELECT polygon, landmarks FROM regions WHERE kind = 'face'"):
        assert len(row["landmarks"]) == 10
        assert 0 <= min(row["polygon"]) <= min(row["landmarks"])
        assert max(row["landmarks"]) <= max(row["polygon"]) <= 1


def test_every_face_has_its_rows_behind_it_and_no_face_has_none(store: Path) -> None:
    query = """
        SELECT head, count(*) AS faces FROM (
            SELECT DISTINCT content_id, index, region, head FROM scores
            SEMI JOIN (SELECT content_id, index, region FROM regions) r USING (content_id, index, region))
        GROUP BY head ORDER BY head"""
    faces = [(row["head"], row["faces"]) for row in rows(store, query)]
    assert faces == [("age", 11), ("child_present", 11), ("perceived_gender", 11)]
    assert {row["level"] for row in rows(store, "SELECT level FROM scores")} == {"face"}
    ended = rows(
        store,
        """SELECT a.chain, a.status FROM analyses a JOIN files USING (content_id)
        WHERE uri LIKE '%coffee.png' ORDER BY a.chain""",
    )
    chains = ["faces", "faces>ages", "faces>child_present", "probe"]
    assert [(row["chain"], row["status"]) for row in ended] == [(chain, "done") for chain in chains]
    assert not rows(store, "SELECT 1 FROM embeddings")
