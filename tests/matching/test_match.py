"""Matching a store against lists: what matches, what does not, and what the rows say."""

from __future__ import annotations

import hashlib
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hivescan.errors import KnownListError, StoreError
from hivescan.matching import compiled, segments
from hivescan.matching.found import matched_files
from hivescan.matching.hamming import as_hashes, brute_force
from hivescan.matching.match import match_store
from hivescan.matching.options import MatchOptions
from hivescan.store.store import Store
from tests.matching.stores import Entry, Item, Sample, flipped, list_of, store_of

GREY = bytes(range(32))
OTHER = bytes(255 - b for b in range(32))


@pytest.fixture(autouse=True, params=["compared with all", "looked up"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small lists are compared entry by entry; here they are also looked up, as large ones are."""
    if request.param == "looked up":
        monkeypatch.setattr(segments, "FEW", 0)
        monkeypatch.setattr(compiled, "FEW", 0)


def rows_of(store: Store) -> list[dict[str, object]]:
    return store.sql("SELECT * FROM matches ORDER BY content_id, algorithm, start_ms, entry_id").to_pylist()


def matched(store: Store) -> set[tuple[str, str, int]]:
    """(uri, entry, distance) of all stored matches."""
    query = "SELECT uri, entry_id, distance FROM matches JOIN files USING (content_id)"
    return {(row["uri"], row["entry_id"], row["distance"]) for row in store.sql(query).to_pylist()}


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256"])
def test_an_equal_digest_matches_the_whole_file(tmp_path: Path, algorithm: str) -> None:
    store = store_of(tmp_path / "store", [Item("/a"), Item("/b")])
    digest = hashlib.new(algorithm, b"/a").digest()
    known = list_of(tmp_path / "known.parquet", [Entry("e1", algorithm, digest, {"match_type": "TVEC"})])
    summary = match_store(store, [known])
    (row,) = rows_of(store)
    assert (row["content_id"], row["algorithm"], row["entry_id"]) == (Item("/a").content_id, algorithm, "e1")
    assert (row["level"], row["index"], row["start_ms"], row["end_ms"]) == ("file", None, None, None)
    assert (row["distance"], row["max_distance"], row["match_type"]) == (0, 0, "TVEC")
    assert (summary.found, summary.added, summary.matched, summary.contents) == (1, 1, 1, 2)


def test_a_match_row_says_everything(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", [Item("/still", [Sample(GREY, 80, index=3)])])
    entry = Entry(
        "v.4",
        "pdq",
        flipped(GREY, 7),
        {
            "parent_id": "v",
            "scene_start_ms": 4000,
            "scene_end_ms": 5000,
            "source": "us",
            "hash_set": "set",
            "match_type": "NCII",
            "classification": "A1",
            "polarity": "seed",
            "quality": 90,
            "max_distance": 20,
        },
    )
    known = list_of(tmp_path / "known.parquet", [entry])
    summary = match_store(store, [known], run_id="run-1")
    (row,) = rows_of(store)
    assert isinstance(row.pop("matched_at"), datetime)
    assert row == {
        "content_id": Item("/still").content_id,
        "level": "frame",
        "index": 3,
        "start_ms": None,
        "end_ms": None,
        "algorithm": "pdq",
        "distance": 7,
        "max_distance": 20,
        "quality": 80,
        "known_quality": 90,
        "entry_id": "v.4",
        "parent_id": "v",
        "source": "us",
        "hash_set": "set",
        "match_type": "NCII",
        "classification": "A1",
        "polarity": "seed",
        "scene_start_ms": 4000,
        "scene_end_ms": 5000,
        "transformation": None,
        "lineage": summary.lineages[0],
        "known_transformation": None,
        "samples": None,
        "coverage": None,
        "known_coverage": None,
        "speed": None,
        "retracted_at": None,
        "retracted_why": None,
        "list_id": summary.lists[0].list_id,
        "run_id": "run-1",
    }
    assert row["list_id"] == hashlib.sha256(known.read_bytes()).hexdigest()


def test_pdq_matches_up_to_31_bits(tmp_path: Path) -> None:
    items = [Item(f"/{bits}", [Sample(flipped(GREY, bits))]) for bits in (0, 31, 32)]
    store = store_of(tmp_path / "store", items)
    match_store(store, [list_of(tmp_path / "known.parquet", [Entry("e", "pdq", GREY)])])
    assert matched(store) == {("/0", "e", 0), ("/31", "e", 31)}


def test_an_entrys_own_distance_comes_before_the_default_and_a_cap_before_both(tmp_path: Path) -> None:
    items = [Item(f"/{bits}", [Sample(flipped(GREY, bits))]) for bits in (5, 20, 40)]
    entries = [
        Entry("strict", "pdq", GREY, {"max_distance": 10}),
        Entry("wide", "pdq", GREY, {"max_distance": 45}),
        Entry("plain", "pdq", GREY),
    ]
    known = list_of(tmp_path / "known.parquet", entries)
    store = store_of(tmp_path / "free", items)
    match_store(store, [known])
    assert matched(store) == {
        ("/5", "strict", 5), ("/5", "wide", 5), ("/20", "wide", 20), ("/40", "wide", 40),
        ("/5", "plain", 5), ("/20", "plain", 20),
    }  # fmt: skip
    capped = store_of(tmp_path / "capped", items)
    match_store(capped, [known], MatchOptions(max_distance=20))
    assert matched(capped) == {
        ("/5", "strict", 5), ("/5", "wide", 5), ("/20", "wide", 20), ("/5", "plain", 5), ("/20", "plain", 20)
    }  # fmt: skip


@pytest.mark.parametrize(
    ("quality", "known_quality", "matches"),
    [
        (50, 50, True),
        (49, 100, False),
        (100, 49, False),
        (None, None, True),
        (None, 49, False),
        (50, None, True),
    ],
)
def test_both_qualities_must_be_50_where_known(
    tmp_path: Path, quality: int | None, known_quality: int | None, matches: bool
) -> None:
    store = store_of(tmp_path / "store", [Item("/a", [Sample(GREY, quality)])])
    match_store(
        store, [list_of(tmp_path / "known.parquet", [Entry("e", "pdq", GREY, {"quality": known_quality})])]
    )
    assert bool(rows_of(store)) is matches


@pytest.mark.parametrize(
    ("more", "matches"),
    [
        ({"deleted": True}, False),
        ({"polarity": "negative"}, False),
        ({"polarity": "benign"}, False),
        ({"polarity": "positive"}, True),
        ({"polarity": "seed"}, True),
        ({"polarity": "disputed"}, True),
    ],
)
def test_tombstones_and_harmless_entries_never_match(
    tmp_path: Path, more: dict[str, object], matches: bool
) -> None:
    store = store_of(tmp_path / "store", [Item("/a", [Sample(GREY)])])
    md5 = hashlib.md5(b"/a").digest()
    entries = [Entry("e", "pdq", GREY, more), Entry("f", "md5", md5, more)]
    summary = match_store(store, [list_of(tmp_path / "known.parquet", entries)])
    assert summary.found == (2 if matches else 0)


def test_phash_takes_its_quality_from_the_pdq_hash_of_the_same_picture(tmp_path: Path) -> None:
    flat, rich = bytes(8), bytes(range(8))
    items = [
        Item("/flat", [Sample(GREY, 3), Sample(flat, None, algorithm="phash")]),
        Item("/rich", [Sample(OTHER, 90), Sample(rich, None, algorithm="phash")]),
        Item("/near", [Sample(OTHER, 90), Sample(flipped(rich, 4), None, algorithm="phash")]),
        Item("/far", [Sample(OTHER, 90), Sample(flipped(rich, 5), None, algorithm="phash")]),
    ]
    store = store_of(tmp_path / "store", items)
    entries = [Entry("flat", "phash", flat), Entry("rich", "phash", rich)]
    match_store(store, [list_of(tmp_path / "known.parquet", entries)])
    assert matched(store) == {("/rich", "rich", 0), ("/near", "rich", 4)}
    assert {row["quality"] for row in rows_of(store)} == {90}


def test_a_sample_matches_a_known_video_once_by_its_nearest_scene(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", [Item("/still", [Sample(GREY, 90)])])
    scenes = [
        Entry(f"v.{i}", "pdq", flipped(GREY, bits), {"parent_id": "v", "scene_start_ms": i * 1000})
        for i, bits in enumerate((9, 3, 3, 12))
    ]
    match_store(store, [list_of(tmp_path / "known.parquet", [*scenes, Entry("other", "pdq", GREY)])])
    assert matched(store) == {("/still", "v.1", 3), ("/still", "other", 0)}


def test_a_second_run_with_the_same_list_adds_nothing(tmp_path: Path) -> None:
    items = [Item("/a", [Sample(GREY)]), Item("/clip", [Sample(GREY, 90, t) for t in (0, 1000)], "video")]
    store = store_of(tmp_path / "store", items)
    entries = [Entry("e", "pdq", GREY), Entry("m", "md5", hashlib.md5(b"/a").digest())]
    known = list_of(tmp_path / "known.parquet", entries)
    first = match_store(store, [known])
    second = match_store(store, [known, known])
    assert (first.found, first.added) == (4, 4)
    assert (second.found, second.added) == (4, 0)
    assert store.table("matches").num_rows == 4


def test_new_files_and_new_lists_add_their_matches(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", [Item("/a", [Sample(GREY)])])
    known = list_of(tmp_path / "known.parquet", [Entry("e", "pdq", GREY)])
    match_store(store, [known])
    store_of(tmp_path / "store", [Item("/b", [Sample(GREY)])])
    assert match_store(store, [known]).added == 1
    longer = list_of(tmp_path / "longer.parquet", [Entry("e", "pdq", GREY), Entry("f", "pdq", OTHER)])
    assert match_store(store, [longer]).added == 2


def test_files_that_are_gone_are_not_matched(tmp_path: Path) -> None:
    store = store_of(
        tmp_path / "store", [Item("/a", [Sample(GREY)]), Item("/gone", [Sample(GREY)], gone=True)]
    )
    summary = match_store(store, [list_of(tmp_path / "known.parquet", [Entry("e", "pdq", GREY)])])
    assert summary.contents == 1
    assert matched(store) == {("/a", "e", 0)}


def test_since_and_contents_narrow_what_is_matched(tmp_path: Path) -> None:
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    store = store_of(tmp_path / "store", [Item("/old", [Sample(GREY)])], at=long_ago)
    new = Item("/new", [Sample(GREY)])
    store_of(tmp_path / "store", [new, Item("/newer", [Sample(GREY)])])
    known = list_of(tmp_path / "known.parquet", [Entry("e", "pdq", GREY)])
    assert match_store(store, [known], MatchOptions(contents=[new.content_id])).found == 1
    assert match_store(store, [known], MatchOptions(since=long_ago + timedelta(days=1))).found == 2
    assert matched(store) == {("/new", "e", 0), ("/newer", "e", 0)}


def test_a_run_is_recorded_with_its_lists_and_counts(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", [Item("/a", [Sample(GREY)])])
    known = list_of(tmp_path / "known.parquet", [Entry("e", "pdq", GREY), Entry("p", "pdna", bytes(144))])
    summary = match_store(store, [known])
    (run,) = store.sql("SELECT * FROM runs WHERE run_id = ?", [summary.run_id]).to_pylist()
    details = json.loads(run["details"])
    assert (run["command"], run["status"], run["files"]) == ("hash-match", "done", 1)
    (listed,) = details["lists"]
    assert (listed["name"], listed["list_id"]) == ("known.parquet", summary.list_ids[0])
    assert (listed["entries"], listed["unmatched"]) == ({"pdq": 1}, {"pdna": 1})
    assert details["compared"] == {"pdq": 1}


def test_a_run_over_some_files_does_not_count_as_coverage_of_its_list(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", [Item("/a", [Sample(GREY)])])
    known = list_of(tmp_path / "known.parquet", [Entry("e", "pdq", GREY)])
    summary = match_store(store, [known], MatchOptions(contents=[]))
    (run,) = store.sql("SELECT details FROM runs WHERE run_id = ?", [summary.run_id]).to_pylist()
    assert "lists" not in json.loads(run["details"])


def test_pictures_without_hashes_are_counted(tmp_path: Path) -> None:
    store = store_of(
        tmp_path / "store", [Item("/hashed", [Sample(GREY)]), Item("/not"), Item("/text", (), "text")]
    )
    summary = match_store(store, [list_of(tmp_path / "known.parquet", [Entry("e", "pdq", OTHER)])])
    assert (summary.contents, summary.unhashed) == (3, 1)


def test_nothing_is_written_when_a_list_is_bad(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", [Item("/a", [Sample(GREY)])])
    good = list_of(tmp_path / "good.parquet", [Entry("e", "pdq", GREY)])
    bad = list_of(tmp_path / "bad.parquet", [Entry("e", "pdq", b"short")])
    runs = store.table("runs").num_rows
    with pytest.raises(KnownListError, match=r"bad\.parquet"):
        match_store(store, [good, bad])
    with pytest.raises(KnownListError, match="--db"):
        match_store(store, [])
    assert (store.table("runs").num_rows, store.table("matches").num_rows) == (runs, 0)


def test_a_run_that_fails_is_recorded_as_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_of(tmp_path / "store", [Item("/a", [Sample(GREY)])])
    known = list_of(tmp_path / "known.parquet", [Entry("e", "pdq", GREY)])

    def fail(*_: object) -> None:
        raise StoreError("disk full")

    monkeypatch.setattr("hivescan.matching.lookup.ListLookup.search", fail)
    with pytest.raises(StoreError):
        match_store(store, [known])
    assert store.sql("SELECT status FROM runs WHERE command = 'hash-match'").to_pylist() == [
        {"status": "failed"}
    ]


def test_matches_equal_those_of_brute_force(tmp_path: Path) -> None:
    rng = random.Random(3)
    centres = [rng.randbytes(32) for _ in range(12)]

    def near(value: bytes) -> bytes:
        mask = sum(1 << bit for bit in rng.sample(range(256), rng.randrange(0, 40)))
        return (int.from_bytes(value, "big") ^ mask).to_bytes(32, "big")

    items = [
        Item(f"/{i}", [Sample(near(rng.choice(centres)), rng.choice([None, 30, 50, 100]))])
        for i in range(300)
    ]
    entries = [
        Entry(
            f"e{i}",
            "pdq",
            near(rng.choice(centres)),
            {"quality": rng.choice([None, 49, 70]), "max_distance": rng.choice([None, 0, 15, 40])},
        )
        for i in range(200)
    ]
    store = store_of(tmp_path / "store", items)
    match_store(store, [list_of(tmp_path / "known.parquet", entries)])

    good_items = [item for item in items if (item.samples[0].quality or 50) >= 50]
    good_entries = [entry for entry in entries if (entry.more["quality"] or 50) >= 50]
    limits = [31 if (own := entry.more["max_distance"]) is None else own for entry in good_entries]
    expected = brute_force(
        as_hashes([entry.hash for entry in good_entries], 32),
        limits,
        as_hashes([item.samples[0].hash for item in good_items], 32),
    )
    assert matched(store) == {(good_items[q].uri, good_entries[e].entry_id, d) for q, e, d in expected}
    assert len(expected) > 100


def frames(seed: int, seconds: range) -> list[Sample]:
    """A second a frame, each another picture."""
    pictures = random.Random(seed)
    every = [pictures.randbytes(32) for _ in range(100)]
    return [Sample(every[i], 90, i * 1000) for i in seconds]


def video(name: str, samples: list[Sample], **more: object) -> list[Entry]:
    """A known video, a frame an entry."""
    return [
        Entry(
            f"{name}.{i}",
            "pdq",
            sample.hash,
            {"parent_id": name, "scene_start_ms": i * 1000, "scene_end_ms": i * 1000 + 1000, **more},
        )
        for i, sample in enumerate(samples)
    ]


def test_found_matches_are_told_by_file_with_the_intervals_of_both_videos(tmp_path: Path) -> None:
    own, shared = frames(1, range(20)), frames(2, range(30))
    moved = [Sample(s.hash, 90, i * 1000) for i, s in enumerate([*own[:5], *shared[10:16], *own[5:9]])]
    clip = Item("/clip", moved, "video")
    still = Item("/still", [Sample(flipped(shared[3].hash, 4))], frame_count=1)
    store = store_of(tmp_path / "store", [clip, still, Item("/copy", data=b"/still", frame_count=1)])
    summary = match_store(store, [list_of(tmp_path / "known.parquet", video("v", shared, match_type="T"))])
    found = matched_files(store, summary.lineages)
    assert [(f.uri, f.entry_id, f.distance, f.samples) for f in found] == [
        ("/clip", "v", 0, 6), ("/copy", "v", 4, 1), ("/still", "v", 4, 1)
    ]  # fmt: skip
    in_clip = found[0]
    assert [(s.start_ms, s.end_ms) for s in in_clip.spans] == [(5000, 11000)]
    ((start, end, known_start, known_end),) = [
        (i.start_ms, i.end_ms, i.known_start_ms, i.known_end_ms) for i in in_clip.intervals
    ]
    assert (start, end, known_start, known_end) == (5000, 11000, 10000, 16000)
    assert (in_clip.known_start_ms, in_clip.known_end_ms) == (10000, 16000)
    assert in_clip.known_coverage == pytest.approx(0.2)
    assert in_clip.frames_matched == pytest.approx(6 / 15)
    assert in_clip.known_frames_matched == pytest.approx(6 / 30)
    assert (in_clip.match_type, in_clip.max_distance) == ("T", 31)
    assert found[2].spans == found[2].intervals == ()
    assert found[2].coverage is None
    assert [f.uri for f in matched_files(store, summary.lineages, max_distance=3)] == ["/clip"]
    assert matched_files(store, summary.lineages, contents=[]) == ()
    assert matched_files(store, ["another"]) == ()


def test_scenes_that_came_later_count_as_parts_of_their_video(tmp_path: Path) -> None:
    shared, other = frames(2, range(30)), frames(3, range(20))
    scenes = video("v", shared, source="us", hash_set="s")
    scattered = [
        *scenes[20:],
        Entry("w", "md5", bytes(16)),
        *video("w", other, source="us", hash_set="s"),
        *scenes[:20],
        *video("v", other, source="them", hash_set="s"),  # of the same name, and another's
    ]
    store = store_of(tmp_path / "store", [Item("/clip", shared[10:16], "video")])
    summary = match_store(store, [list_of(tmp_path / "known.parquet", scattered)])
    (found,) = matched_files(store, summary.lineages)
    assert (found.entry_id, found.source) == ("v", "us")
    assert found.known_coverage == pytest.approx(6 / 30)
    assert found.known_frames_matched == pytest.approx(6 / 30)


def test_a_shared_picture_is_not_a_match_of_two_videos(tmp_path: Path) -> None:
    own, known = frames(1, range(20)), frames(2, range(20))
    with_one = [*own[:7], Sample(known[4].hash, 90, 7000), *own[8:]]
    store = store_of(tmp_path / "store", [Item("/clip", with_one, "video")])
    summary = match_store(store, [list_of(tmp_path / "known.parquet", video("v", known))])
    assert (summary.found, rows_of(store)) == (0, [])


def test_a_video_matches_a_known_still_frame_by_frame(tmp_path: Path) -> None:
    clip = frames(1, range(5))
    store = store_of(tmp_path / "store", [Item("/clip", clip, "video")])
    match_store(store, [list_of(tmp_path / "known.parquet", [Entry("e", "pdq", clip[2].hash)])])
    assert [(row["level"], row["start_ms"], row["entry_id"]) for row in rows_of(store)] == [
        ("frame", 2000, "e")
    ]
