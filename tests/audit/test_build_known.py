"""Lists made from real pictures and videos, and what they recognise."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from hivescan.analyzers.crops import CROPS
from hivescan.audit.build_known import build_known
from hivescan.errors import KnownListError, RunInterruptedError, SourceError, UsageError
from hivescan.matching.known import read_known
from hivescan.matching.labels import ListLabels
from hivescan.matching.lists.lock import list_lock
from hivescan.matching.match import match_store
from hivescan.media.decode import PictureStream, pictures
from hivescan.media.pdq import pdq
from hivescan.scan import pool as pool_module
from hivescan.scan import worker as worker_module
from hivescan.scan.config import Progress
from hivescan.types import Limits, Sampling
from tests.matching.stores import Item, Sample, matchable_rows, store_of


@pytest.fixture
def folder(tmp_path: Path, photos: Path) -> Path:
    """Two photos, one of them twice, a text file and a damaged picture."""
    folder = tmp_path / "media"
    folder.mkdir()
    for name in ("astronaut.png", "coffee.png"):
        shutil.copy(photos / name, folder / name)
    shutil.copy(photos / "coffee.png", folder / "again.png")
    (folder / "notes.txt").write_text("words, and nothing but words, as a text file has them\n")
    (folder / "broken.jpg").write_bytes((photos / "rocket.jpg").read_bytes()[:300])
    return folder


@pytest.fixture(autouse=True)
def scratch(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary folder of the builds of a test, where nothing is to be left behind."""
    folder = tmp_path_factory.mktemp("scratch")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def fragile_worker(*arguments: Any) -> None:
    """A decode worker that some pictures, told by their sizes, kill or hang."""

    def fragile(path: Path, info: Any, *rest: Any, **options: Any) -> PictureStream:
        if info.width == 13:
            os.kill(os.getpid(), signal.SIGSEGV)
        if info.width == 17:
            time.sleep(600)
        return pictures(path, info, *rest, **options)

    worker_module.pictures = fragile  # type: ignore[assignment]
    worker_module.worker_main(*arguments)


def test_every_picture_gives_its_digests_and_a_pdq_hash(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "known.parquet"
    labels = ListLabels("us", "set", "NCII", "A1", max_distance=20)
    summary = build_known([str(folder)], out, labels)
    assert (summary.files, summary.duplicates) == (2, 1)
    assert summary.rows == {"md5": 2, "sha1": 2, "sha256": 2, "pdq": 2}
    assert out.stat().st_mode & 0o777 == 0o600

    by_md5 = {row["hash"]: row["entry_id"] for row in matchable_rows(out, "md5")}
    pixels = np.asarray(Image.open(folder / "astronaut.png").convert("RGB"))
    wanted = by_md5[hashlib.md5((folder / "astronaut.png").read_bytes()).digest()]
    (row,) = (row for row in matchable_rows(out, "pdq") if row["entry_id"] == wanted)
    assert (row["hash"], row["quality"]) == pdq(pixels)
    assert (row["source"], row["hash_set"], row["match_type"]) == ("us", "set", "NCII")
    assert (row["classification"], row["polarity"], row["max_distance"]) == ("A1", "positive", 20)
    assert (row["parent_id"], row["scene_start_ms"], row["deleted"]) == (None, None, False)


def test_crops_and_the_picture_without_its_borders_are_further_hashes_of_its_entry(
    photos: Path, tmp_path: Path
) -> None:
    pixels = np.asarray(Image.open(photos / "coffee.png").convert("RGB"))
    framed = np.zeros((pixels.shape[0] + 100, *pixels.shape[1:]), np.uint8)
    framed[50:-50] = pixels
    Image.fromarray(framed).save(tmp_path / "framed.png")
    out = tmp_path / "known.parquet"
    plain = build_known([str(tmp_path / "framed.png")], out)
    assert (plain.rows["pdq"], plain.transformed) == (2, 1)

    summary = build_known([str(tmp_path / "framed.png")], out, crops=True)
    rows = [row for row in pq.read_table(out).to_pylist() if row["algorithm"] == "pdq"]
    by_name = {row["transformation"]: row for row in rows}
    assert set(by_name) == {None, "unbordered", *CROPS}
    assert (summary.rows["pdq"], summary.transformed) == (len(rows), len(rows) - 1)
    assert len({row["entry_id"] for row in rows}) == 1
    assert by_name["unbordered"]["hash"] == pdq(pixels).hash
    height, width = framed.shape[:2]
    kept = round(height * 0.9), round(width * 0.9)
    assert by_name["crop 10 %, top 0/2, left 0/2"]["hash"] == pdq(framed[: kept[0], : kept[1]]).hash
    assert by_name["crop 10 %, top 2/2, left 2/2"]["hash"] == pdq(framed[-kept[0] :, -kept[1] :]).hash
    assert all(row["parent_id"] is None for row in rows)


def test_what_cannot_be_hashed_is_named_and_skipped(folder: Path, tmp_path: Path) -> None:
    summary = build_known([str(folder)], tmp_path / "known.parquet")
    assert {Path(uri).name for uri, _ in summary.skipped} == {"notes.txt", "broken.jpg"}
    assert all(reason for _, reason in summary.skipped)


def test_ids_stay_when_a_list_is_made_again_and_show_no_hash(folder: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "1.parquet", tmp_path / "2.parquet"
    build_known([str(folder)], first)
    build_known([str(folder / "coffee.png"), str(folder)], second)
    ids = [{row["entry_id"] for row in matchable_rows(path, "sha256")} for path in (first, second)]
    assert ids[0] == ids[1]
    digests = {row["hash"].hex() for name in ("md5", "sha1", "sha256") for row in matchable_rows(first, name)}  # type: ignore[attr-defined]
    assert not any(part in digest for digest in digests for part in (i.removeprefix("hs-") for i in ids[0]))


def test_a_video_gives_a_scene_for_each_sampled_frame(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "known.parquet"
    video = str(data / "hash_reference/videos/chair-19-sd-bar.mp4")
    build_known([video], out, sampling=Sampling(fps=1.0))
    (digest,) = matchable_rows(out, "sha256")
    everything = matchable_rows(out, "pdq")
    scenes = [row for row in everything if row["transformation"] is None]
    # The clip has bars: most of its frames are there without them, too.
    assert {row["transformation"] for row in everything} == {None, "unbordered"}
    assert {row["parent_id"] for row in everything} == {digest["entry_id"]}
    assert 18 <= len(scenes) <= 20
    assert len({scene["entry_id"] for scene in scenes}) == len(scenes)
    times = [(scene["scene_start_ms"], scene["scene_end_ms"]) for scene in scenes]
    assert times[:2] == [(0, 1000), (1000, 2000)]
    assert times[-1][0] < times[-1][1]  # type: ignore[operator]


def test_known_videos_are_sampled_densely_and_still_scenes_are_one_entry(data: Path, tmp_path: Path) -> None:
    moving, still = tmp_path / "moving.parquet", tmp_path / "still.parquet"
    build_known([str(data / "hash_reference/videos/chair-19-sd-bar.mp4")], moving)
    assert len([row for row in matchable_rows(moving, "pdq") if row["transformation"] is None]) > 100
    build_known([str(data / "video/variety/mp4__midroll-5s.mp4")], still)
    (card,) = [row for row in matchable_rows(still, "pdq") if row["transformation"] is None]
    assert (card["scene_start_ms"], card["scene_end_ms"]) == (0, 5000)


def test_the_list_that_is_made_recognises_edited_copies(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "known.parquet"
    build_known([str(folder)], out)
    photo = Image.open(folder / "astronaut.png").convert("RGB")
    edits = {
        "/half": photo.resize((256, 256)),
        "/grey": photo.convert("L").convert("RGB"),
        "/other": Image.open(folder.parent / "media" / "coffee.png").convert("RGB").rotate(90),
    }
    items = [Item(uri, [Sample(*pdq(np.asarray(edit)))]) for uri, edit in edits.items()]
    store = store_of(tmp_path / "store", items)
    match_store(store, [out])
    query = "SELECT uri FROM matches JOIN files USING (content_id) ORDER BY uri"
    assert [row["uri"] for row in store.sql(query).to_pylist()] == ["/grey", "/half"]


def test_a_list_without_entries_is_not_written(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "known.parquet"
    with pytest.raises(KnownListError, match="no picture or video could be hashed; the first: "):
        build_known([str(folder / "notes.txt")], out)
    assert not out.exists()


def test_a_list_that_is_built_again_is_the_next_version_of_itself(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "known.parquet"
    first = build_known([str(folder / "coffee.png")], out)
    with read_known(out) as known:
        lineage, list_id = known.info.lineage, known.list_id
    store = store_of(tmp_path / "store", [Item("/copy", data=(folder / "coffee.png").read_bytes())])
    assert match_store(store, [out]).added > 0

    waited: list[bool] = []
    again = build_known([str(folder / "astronaut.png")], out, on_wait=lambda: waited.append(True))
    with read_known(out) as known:
        assert (known.info.lineage, known.list_id == list_id) == (lineage, False)
    assert (first.unread, again.unread, waited) == (None, None, [])
    assert match_store(store, [out]).retracted > 0
    assert store.sql("SELECT * FROM matches").num_rows == 0


def test_a_damaged_list_is_replaced_by_another_and_that_is_said(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "known.parquet"
    build_known([str(folder / "coffee.png")], out)
    with read_known(out) as known:
        lineage = known.info.lineage
    out.write_bytes(out.read_bytes()[:300])
    summary = build_known([str(folder / "coffee.png")], out)
    assert summary.unread is not None
    assert re.search(r"known\.parquet: cannot be read as Parquet", summary.unread)
    with read_known(out) as known:
        assert known.info.lineage != lineage


def test_a_build_waits_for_another_change_of_the_list(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "known.parquet"
    waited: list[bool] = []
    with ExitStack() as other:
        other.enter_context(list_lock(out, lambda: None))

        def let_go() -> None:
            waited.append(out.exists())
            other.close()

        assert build_known([str(folder / "coffee.png")], out, on_wait=let_go).files == 1
    assert waited == [False]


def test_a_missing_source_and_wrong_labels_are_errors(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        build_known([str(tmp_path / "none")], tmp_path / "known.parquet")
    with pytest.raises(UsageError, match="polarity"):
        ListLabels(polarity="bad")
    with pytest.raises(UsageError, match="max distance"):
        ListLabels(max_distance=400)


def test_a_file_that_kills_or_hangs_its_decoder_costs_itself_alone(
    folder: Path, tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (13, 20), "red").save(folder / "deadly.png")
    Image.new("RGB", (17, 20), "red").save(folder / "endless.png")
    monkeypatch.setattr(pool_module, "worker_main", fragile_worker)
    limits = Limits(file_timeout_s=4)
    summary = build_known([str(folder)], tmp_path / "known.parquet", limits=limits, workers=2)
    reasons = {Path(uri).name: reason for uri, reason in summary.skipped}
    assert reasons.keys() == {"notes.txt", "broken.jpg", "deadly.png", "endless.png"}
    assert "crashed (SIGSEGV)" in reasons["deadly.png"] and "no sign of life" in reasons["endless.png"]
    assert summary.files == 2
    assert not list(scratch.iterdir())


def test_a_file_that_cannot_be_read_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / "nowhere.png").symlink_to(folder / "is not there.png")
    (folder / "empty.png").touch()
    summary = build_known([str(folder)], tmp_path / "known.parquet")
    assert {"nowhere.png", "empty.png"} < {Path(uri).name for uri, _ in summary.skipped}
    assert all(reason for _, reason in summary.skipped)


def test_an_interrupted_build_leaves_the_old_list_and_nothing_else(
    folder: Path, tmp_path: Path, scratch: Path
) -> None:
    out = tmp_path / "known.parquet"
    build_known([str(folder / "coffee.png")], out)
    before = out.read_bytes()

    modes: list[int] = []

    def tell(progress: Progress) -> None:
        if not modes:
            modes.extend(entry.stat().st_mode & 0o777 for entry in scratch.glob("hivescan-*"))
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(RunInterruptedError, match="interrupted"):
        build_known([str(folder)], out, on_progress=tell)
    assert modes == [0o700]
    assert out.read_bytes() == before
    assert not list(scratch.glob("hivescan-*"))
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".known")] == [".known.parquet.lock"]


def test_a_list_that_cannot_be_written_is_told_before_anything_is_hashed(
    folder: Path, tmp_path: Path
) -> None:
    told: list[Progress] = []
    with pytest.raises(KnownListError, match="cannot be written"):
        build_known([str(folder)], tmp_path / "nowhere" / "known.parquet", on_progress=told.append)
    assert not told


def test_pages_and_animations_give_a_row_a_picture(tmp_path: Path) -> None:
    y, x = np.mgrid[0:200, 0:300]
    pages = [Image.fromarray(((x * (n + 1) + y * 3) % 256).astype(np.uint8)) for n in range(3)]
    pages[0].save(tmp_path / "pages.tiff", save_all=True, append_images=pages[1:])
    out = tmp_path / "known.parquet"
    summary = build_known([str(tmp_path / "pages.tiff")], out, sampling=Sampling(fps=2))
    assert summary.rows["pdq"] == 3
    rows = matchable_rows(out, "pdq")
    assert sorted(str(row["entry_id"]).rpartition(".")[2] for row in rows) == ["0", "1", "2"]
    assert all(row["scene_start_ms"] is None and row["parent_id"] for row in rows)
