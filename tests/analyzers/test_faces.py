"""Faces in real pictures: small, many, turned, half hidden; and what is said of them."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

import hivescan
from hivescan.analyzers import face_crops, registry
from hivescan.analyzers.base import SIZES, HostAnalyzer
from hivescan.analyzers.face_crops import CROPS
from hivescan.analyzers.face_readings import unsure
from hivescan.media.views import make_views
from hivescan.types import Findings, HeadScores, Level, Region


@pytest.fixture(scope="module")
def faces() -> HostAnalyzer:
    return registry.load("faces")


@pytest.fixture(scope="module")
def people(data: Path) -> list[Image.Image]:
    """Portraits with one face each, in the middle."""
    folder = data / "ai_images" / "portraits_sd3"
    names = ("female/0.jpg", "male/0.jpg", "female/5.jpg", "male/7.jpg")
    return [Image.open(folder / name).convert("RGB") for name in names]


def looked(faces: HostAnalyzer, *pictures: Image.Image) -> Findings:
    views = [make_views(np.asarray(picture), faces.spec.views or {}) for picture in pictures]
    stacks = {name: np.stack([v[name] for v in views]) for name in faces.spec.views or {}}
    return faces.infer(stacks | {SIZES: np.array([picture.size for picture in pictures], np.int32)})


def box(region: Region) -> tuple[float, float, float, float]:
    return (*region.polygon[:2], *region.polygon[4:6])


def centre(region: Region) -> tuple[float, float]:
    x0, y0, x1, y1 = box(region)
    return (x0 + x1) / 2, (y0 + y1) / 2


def collage(size: tuple[int, int], pasted: list[tuple[Image.Image, tuple[int, int]]]) -> Image.Image:
    canvas = Image.new("RGB", size, (90, 110, 100))
    for picture, place in pasted:
        canvas.paste(picture, place)
    return canvas


def test_a_portrait_has_one_face_with_its_landmarks_within(faces: HostAnalyzer, people) -> None:
    found = looked(faces, *people)
    for regions in found.regions:
        (region,) = regions
        assert region.kind == "face"
        assert region.confidence > 0.8
        x0, y0, x1, y1 = box(region)
        xs, ys = region.landmarks[0::2], region.landmarks[1::2]
        assert len(xs) == len(ys) == 5
        assert x0 < min(xs) < max(xs) < x1
        assert y0 < min(ys) < max(ys) < y1
        assert xs[0] < xs[1]  # the eye on the left of the picture first
        assert max(ys[:2]) < ys[2] < min(ys[3:])  # eyes above the nose above the mouth


def test_crops_are_cut_for_those_who_ask(
    faces: HostAnalyzer, people, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def crop(picture: np.ndarray, lies: np.ndarray, size: int, padding: float) -> np.ndarray:
        asked.append(size)
        return np.zeros((size, size, 3), np.uint8)

    monkeypatch.setattr(face_crops, "crop", crop)
    found = looked(faces, *people[:2])
    assert found.derived is not None and set(found.derived.views) == {*CROPS, "quality"}
    assert len(found.derived.views["quality"]) == 2
    assert asked == [], "nobody stands behind"
    assert found.derived.views["face_64"].shape == (2, 64, 64, 3)
    assert asked == [64, 64]


def test_crops_are_upright_and_of_all_sizes_in_the_order_of_the_regions(faces: HostAnalyzer, people) -> None:
    pair = collage(
        (1200, 600), [(people[0].resize((500, 500)), (0, 50)), (people[1].resize((500, 500)), (650, 50))]
    )
    found = looked(faces, pair, Image.new("RGB", (64, 64)), people[2])
    derived = found.derived
    assert derived.level is Level.FACE
    assert derived.parents.tolist() == [0, 0, 2]
    for name, (size, _) in CROPS.items():
        assert derived.views[name].shape == (3, size, size, 3)
        assert derived.views[name].dtype == np.uint8
    assert derived.views["quality"].tolist() == [1, 1, 1]
    for row, crop in enumerate(derived.views["face"]):
        (again,) = looked(faces, Image.fromarray(crop)).regions[0]
        assert np.hypot(*(np.array(centre(again)) - [0.5, 0.52])) < 0.08, row


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_turned_pictures_have_their_faces_where_they_are(faces: HostAnalyzer, people, turn: int) -> None:
    portrait = collage((600, 400), [(people[0].resize((360, 360)), (220, 20))])
    upright = looked(faces, portrait)
    turned = looked(faces, portrait.rotate(turn, expand=True))
    (before,), (after,) = upright.regions[0], turned.regions[0]
    x, y = centre(before)
    expected = {90: (y, 1 - x), 180: (1 - x, 1 - y), 270: (1 - y, x)}[turn]
    assert centre(after) == pytest.approx(expected, abs=0.05)
    crops = [found.derived.views["face"][0].astype(float) for found in (upright, turned)]
    assert np.abs(crops[0] - crops[1]).mean() < 25


def test_many_small_faces_are_found_each_once(faces: HostAnalyzer, people) -> None:
    heads = [person.resize((120, 120)) for person in people]
    grid = [(heads[(r + c) % 4], (20 + c * 130, 20 + r * 130)) for r in range(4) for c in range(7)]
    found = looked(faces, collage((960, 560), grid)).regions[0]
    assert len(found) == 28
    places = {(round((x * 960 - 80) / 130), round((y * 560 - 80) / 130)) for x, y in map(centre, found)}
    assert len(places) == 28


def test_a_half_hidden_face_is_found(faces: HostAnalyzer, people) -> None:
    masked = people[1].copy()
    ((region,),) = looked(faces, masked).regions
    x0, y0, x1, y1 = (v * masked.width for v in box(region))
    masked.paste((120, 120, 120), (round(x0), round(y0 + 0.6 * (y1 - y0)), round(x1), round(y1)))
    ((again,),) = looked(faces, masked).regions
    assert np.hypot(*(np.array(centre(again)) - centre(region))) < 0.08


def test_things_have_no_faces(faces: HostAnalyzer, photos: Path) -> None:
    names = ("coffee.png", "rocket.jpg", "coins.png")
    found = looked(faces, *(Image.open(photos / name).convert("RGB") for name in names))
    assert found.regions == ((), (), ())
    assert len(found.derived.parents) == 0
    assert found.derived.views["face"].shape == (0, 256, 256, 3)


def test_a_row_does_not_depend_on_its_neighbours(faces: HostAnalyzer, people) -> None:
    pictures = [people[0], Image.new("RGB", (640, 200)), people[1].rotate(90), people[2].resize((90, 90))]
    together = looked(faces, *pictures)
    at = 0
    for row, picture in enumerate(pictures):
        alone = looked(faces, picture)
        assert alone.regions[0] == together.regions[row]
        count = len(alone.derived.parents)
        for name, stack in alone.derived.views.items():
            assert np.array_equal(stack, together.derived.views[name][at : at + count])
        at += count


def test_faces_say_ages_genders_and_children_in_rows_that_sum_to_one(faces: HostAnalyzer, people) -> None:
    derived = looked(faces, *people).derived
    for name, heads in (("ages", {"age", "perceived_gender"}), ("child_present", {"child_present"})):
        reader = registry.load(name)
        assert reader.spec.chain == f"faces>{name}"
        found = reader.infer({view: derived.views[view] for view in reader.spec.views})
        assert {scores.head for scores in found.scores} == heads
        assert not found.vectors
        for scores in found.scores:
            assert scores.scores.shape == (4, len(scores.labels))
            assert scores.scores.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_grown_up_portraits_are_no_children_and_of_their_gender(faces: HostAnalyzer, people) -> None:
    derived = looked(faces, *people).derived
    said = {}
    for name in ("ages", "child_present"):
        reader = registry.load(name)
        views = {view: derived.views[view] for view in reader.spec.views}
        said |= {scores.head: scores for scores in reader.infer(views).scores}
    child = said["child_present"]
    assert child.scores[:, child.labels.index("yes_child_present")].max() < 0.5
    gender = said["perceived_gender"]
    best = [gender.labels[i] for i in gender.scores.argmax(axis=1)]
    assert best == ["perceived_female", "perceived_male"] * 2


def test_little_to_see_and_two_minds_are_said_to_be_uncertain() -> None:
    table = np.array([[0.9, 0.1, 0], [0.5, 0.5, 0], [0.9, 0.1, 0], [0.9, 0.1, 0]], np.float32)
    scores = HeadScores("m", "perceived_gender", ("a", "b", "uncertain"), table)
    said = unsure(scores, np.array([1, 1, 0.5, 0], np.float32)).scores
    assert said == pytest.approx(np.array([[0.8, 0, 0.2], [0, 0, 1], [0.4, 0, 0.6], [0, 0, 1]]))
    buckets = HeadScores(
        "m", "age", ("0-2", "3-9", "10-19", "uncertain"), np.array([[0.2, 0.3, 0.5, 0]], np.float32)
    )
    halved = unsure(buckets, np.array([0.5], np.float32)).scores
    assert halved == pytest.approx(np.array([[0.1, 0.15, 0.25, 0.5]]))
    plain = HeadScores("m", "child_present", ("yes", "no"), np.array([[0.7, 0.3]], np.float32))
    assert unsure(plain, np.array([0.0], np.float32)) is plain


def test_a_track_ends_at_a_cut_though_the_next_face_stands_in_its_place(people, tmp_path: Path) -> None:
    """Three seconds of one person, then another one elsewhere, who is as large and in the same place."""
    clip = tmp_path / "clip.mp4"
    walls = [(200, 205, 210), (30, 60, 30)]
    shots = [Image.new("RGB", (320, 240), wall) for wall in walls]
    for shot, person in zip(shots, people[:2], strict=True):
        shot.paste(person.resize((144, 144)), (88, 40))
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("mpeg4", rate=2)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for second in range(6):
            for _ in range(2):
                for packet in stream.encode(av.VideoFrame.from_image(shots[second >= 3])):
                    container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    hivescan.classify([str(clip)], store=tmp_path / "store", analyzers=("faces",))
    store = hivescan.open(tmp_path / "store")
    rows = store.sql("SELECT start_ms, track FROM regions ORDER BY start_ms").to_pylist()
    assert [(row["start_ms"], row["track"]) for row in rows] == [
        (second * 1000, int(second >= 3)) for second in range(6)
    ]
    assert store.table("embeddings").num_rows == 0
