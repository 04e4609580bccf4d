"""Matches that do not stand any more, floods, and what comes back."""

from __future__ import annotations

import hashlib
import random
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from hivescan.errors import KnownListError
from hivescan.matching.match import match_store
from hivescan.matching.options import FloodLimit, MatchOptions
from hivescan.matching.schema import KNOWN, LINEAGE_KEY
from hivescan.store.store import Store
from tests.matching.stores import Entry, Item, Sample, flipped, list_of, store_of

GREY = bytes(range(32))
OTHER = bytes(255 - b for b in range(32))


def version(path: Path, entries: list[Entry], lineage: str = "one list") -> Path:
    """A version of one and the same list."""
    table = pq.read_table(list_of(path, entries))
    pq.write_table(
        table.replace_schema_metadata({LINEAGE_KEY: lineage}).cast(
            KNOWN.with_metadata({LINEAGE_KEY: lineage})
        ),
        path,
    )
    return path


def matched(store: Store) -> set[tuple[str, str]]:
    query = "SELECT uri, entry_id FROM matches JOIN files USING (content_id)"
    return {(row["uri"], row["entry_id"]) for row in store.sql(query).to_pylist()}


def retracted(store: Store) -> dict[str, str]:
    rows = store.sql("SELECT entry_id, retracted_why, retracted_at FROM retractions").to_pylist()
    assert all(isinstance(row["retracted_at"], datetime) for row in rows)
    return {row["entry_id"]: row["retracted_why"] for row in rows}


def test_another_version_of_a_list_adds_only_what_is_new(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", [Item("/a", [Sample(GREY)]), Item("/b", [Sample(OTHER)])])
    known = tmp_path / "known.parquet"
    first = match_store(store, [version(known, [Entry("e", "pdq", GREY)])])
    second = match_store(store, [version(known, [Entry("e", "pdq", GREY), Entry("f", "pdq", OTHER)])])
    assert (first.added, second.added, second.found) == (1, 1, 2)
    assert first.list_ids != second.list_ids
    assert matched(store) == {("/a", "e"), ("/b", "f")}
    assert store.table("matches").num_rows == 2


def test_two_versions_of_one_list_cannot_be_matched_together(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", [Item("/a", [Sample(GREY)])])
    lists = [version(tmp_path / f"{name}.parquet", [Entry(name, "pdq", GREY)]) for name in ("old", "new")]
    with pytest.raises(KnownListError, match="versions of one list"):
        match_store(store, lists)


@pytest.mark.parametrize(
    ("after", "why"),
    [
        ([Entry("e", "pdq", GREY, {"deleted": True})], "withdrawn"),
        ([Entry("e", "pdq", GREY, {"polarity": "benign"})], "the entry is now benign"),
        ([Entry("e", "pdq", OTHER, {"polarity": "negative"})], "the entry is now negative"),
        ([Entry("other", "pdq", OTHER)], "no longer on the list"),
        ([Entry("e", "pdq", GREY, {"max_distance": 2})], "the entry, its limits or a nearer entry changed"),
        (
            [Entry("e", "pdq", GREY), Entry("n", "pdq", flipped(GREY, 5), {"polarity": "negative"})],
            "vetoed by the negative entry n",
        ),
        (
            [Entry("e", "pdq", GREY), Entry("k", "md5", hashlib.md5(b"/a").digest(), {"polarity": "benign"})],
            "vetoed by the benign entry k",
        ),
    ],
)
def test_a_match_that_does_not_stand_any_more_is_taken_back_and_comes_back(
    tmp_path: Path, after: list[Entry], why: str
) -> None:
    store = store_of(tmp_path / "store", [Item("/a", [Sample(flipped(GREY, 5))])])
    known = tmp_path / "known.parquet"
    match_store(store, [version(known, [Entry("e", "pdq", GREY)])])
    found_at = store.sql("SELECT matched_at FROM matches").to_pylist()
    summary = match_store(store, [version(known, after)])
    assert summary.retracted == 1
    assert matched(store) == set()
    assert retracted(store) == {"e": why}
    assert store.sql("SELECT matched_at FROM retractions").to_pylist() == found_at
    assert match_store(store, [version(known, after)]).retracted == 0
    assert match_store(store, [version(known, [Entry("e", "pdq", GREY)])]).added == 1
    assert (matched(store), retracted(store)) == ({("/a", "e")}, {})


def test_matching_some_files_checks_the_stored_matches_of_a_changed_list(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", [Item("/a", [Sample(GREY)]), Item("/b", [Sample(OTHER)])])
    known = tmp_path / "known.parquet"
    entries = [Entry("e", "pdq", GREY), Entry("f", "pdq", OTHER)]
    match_store(store, [version(known, entries)])
    entries[0] = Entry("e", "pdq", GREY, {"deleted": True})
    summary = match_store(store, [version(known, entries)], MatchOptions(contents=[]))
    assert (summary.contents, summary.retracted) == (0, 1)
    assert matched(store) == {("/b", "f")}


def test_a_run_that_looks_less_far_takes_nothing_back(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", [Item("/a", [Sample(flipped(GREY, 25))])])
    known = version(tmp_path / "known.parquet", [Entry("e", "pdq", GREY)])
    match_store(store, [known])
    assert match_store(store, [known], MatchOptions(max_distance=10)).retracted == 0
    assert match_store(store, [known], MatchOptions(turned=False)).retracted == 0
    assert matched(store) == {("/a", "e")}


def test_a_match_found_further_off_than_usual_stays(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", [Item("/a", [Sample(flipped(GREY, 40))])])
    known = version(tmp_path / "known.parquet", [Entry("e", "pdq", GREY)])
    match_store(store, [known], MatchOptions(max_distance=50))
    assert match_store(store, [known]).retracted == 0
    assert matched(store) == {("/a", "e")}


def test_frames_of_an_older_scan_are_taken_back(tmp_path: Path) -> None:
    clip = [Sample(GREY, 90, t) for t in (0, 1000, 2000)]
    store = store_of(tmp_path / "store", [Item("/clip", clip, "video")], at=datetime(2020, 1, 1, tzinfo=UTC))
    known = version(tmp_path / "known.parquet", [Entry("e", "pdq", GREY)])
    match_store(store, [known])
    again = [Sample(GREY, 90, t) for t in (0, 5000)]
    store_of(tmp_path / "store", [Item("/clip", again, "video")])
    summary = match_store(store, [known])
    assert (summary.added, summary.retracted) == (1, 2)
    assert retracted(store) == {"e": "the hashes were taken again"}
    assert [row["start_ms"] for row in store.sql("SELECT start_ms FROM matches ORDER BY 1").to_pylist()] == [
        0,
        5000,
    ]


def test_what_an_entry_says_now_is_what_its_matches_say(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", [Item("/a", [Sample(GREY)])])
    known = tmp_path / "known.parquet"
    for word in ("A1", "B2"):
        summary = match_store(store, [version(known, [Entry("e", "pdq", GREY, {"classification": word})])])
    assert (summary.added, summary.retracted) == (0, 0)
    (row,) = store.sql("SELECT classification, list_id FROM matches").to_pylist()
    assert (row["classification"], row["list_id"]) == ("B2", summary.list_ids[0])


def flood(tmp_path: Path, count: int = 12) -> tuple[Store, Path]:
    """Many pictures of one logo, and one of something else."""
    items = [Item(f"/{i}", [Sample(flipped(GREY, i % 4))]) for i in range(count)]
    store = store_of(tmp_path / "store", [*items, Item("/other", [Sample(OTHER)])])
    return store, version(tmp_path / "known.parquet", [Entry("logo", "pdq", GREY), Entry("e", "pdq", OTHER)])


LIMIT = MatchOptions(flood=FloodLimit(contents=10, share=0.01))


def test_an_entry_that_floods_is_kept_back(tmp_path: Path) -> None:
    store, known = flood(tmp_path)
    summary = match_store(store, [known], LIMIT)
    assert matched(store) == {("/other", "e")}
    assert retracted(store) == {"logo": "flood"}
    (held,) = summary.quarantined
    assert (held.entry_id, held.contents, held.files) == ("logo", 12, 12)
    assert (summary.found, summary.added) == (13, 1)
    # It stays so when few new files match it.
    store_of(tmp_path / "store", [Item("/later", [Sample(GREY)])])
    again = match_store(store, [known], LIMIT)
    assert (again.added, again.quarantined[0].contents) == (0, 13)
    assert matched(store) == {("/other", "e")}


def test_a_flood_in_a_run_that_was_cut_short_is_kept_back_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, known = flood(tmp_path, 8)
    monkeypatch.setattr("hivescan.matching.match._Run.hold_back_floods", lambda run: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        match_store(store, [known], LIMIT)
    monkeypatch.undo()
    assert len(matched(store)) == 9
    store_of(tmp_path / "store", [Item(f"/later{i}", [Sample(flipped(GREY, 5))]) for i in range(12)])
    summary = match_store(store, [known], LIMIT)
    assert (summary.added, summary.retracted, summary.quarantined[0].contents) == (0, 8, 20)
    assert matched(store) == {("/other", "e")}
    # What a run that came to its end stored stays.
    assert match_store(store, [known], MatchOptions(flood=FloodLimit(None))).added == 20
    assert match_store(store, [known], LIMIT).retracted == 0


def test_few_and_small_shares_are_no_flood(tmp_path: Path) -> None:
    store, known = flood(tmp_path)
    assert match_store(store, [known], MatchOptions(flood=FloodLimit(12, 0.01))).quarantined == ()
    assert len(matched(store)) == 13
    store, known = flood(tmp_path / "share")
    assert match_store(store, [known], MatchOptions(flood=FloodLimit(10, 0.99))).quarantined == ()


@pytest.mark.parametrize(
    "options",
    [
        MatchOptions(flood=FloodLimit(None)),
        MatchOptions(flood=FloodLimit(10), release=["logo"]),
    ],
    ids=["no quarantine", "released"],
)
def test_a_flood_that_was_let_through_stays_so(tmp_path: Path, options: MatchOptions) -> None:
    store, known = flood(tmp_path)
    match_store(store, [known], LIMIT)
    assert match_store(store, [known], options).added == 12
    assert match_store(store, [known], LIMIT).quarantined == ()
    assert len(matched(store)) == 13


def test_frames_of_one_video_are_no_flood(tmp_path: Path) -> None:
    clip = [Sample(GREY, 90, t * 1000) for t in range(30)]
    store = store_of(tmp_path / "store", [Item("/clip", clip, "video")])
    known = version(tmp_path / "known.parquet", [Entry("e", "pdq", GREY)])
    assert match_store(store, [known], LIMIT).added == 30


def test_any_history_leaves_what_a_fresh_store_would_have(tmp_path: Path) -> None:
    """Entries come, go, change and come back; files come; every run ends where a fresh one would."""
    rng = random.Random(11)
    centres = [rng.randbytes(32) for _ in range(4)]
    items: list[Item] = []
    entries = [Entry(f"e{i}", "pdq", flipped(rng.choice(centres), rng.randrange(12))) for i in range(8)]
    known = tmp_path / "known.parquet"
    for step in range(4):
        more = [
            Item(f"/{step}-{i}", [Sample(flipped(rng.choice(centres), rng.randrange(12)))]) for i in range(6)
        ]
        items += more
        store = store_of(tmp_path / "store", more)
        for i in rng.sample(range(8), 3):
            polarity = rng.choice(["positive", "positive", "benign", "negative"])
            entries[i] = Entry(
                entries[i].entry_id,
                "pdq",
                rng.choice([entries[i].hash, flipped(entries[i].hash, 30)]),
                {"deleted": rng.random() < 0.3, "polarity": polarity, "max_distance": rng.choice([None, 8])},
            )
        match_store(store, [version(known, entries)])
        fresh = store_of(tmp_path / f"fresh-{step}", items)
        match_store(fresh, [known])
        said = "SELECT content_id, entry_id, distance, max_distance, polarity FROM matches ORDER BY ALL"
        assert store.sql(said).to_pylist() == fresh.sql(said).to_pylist()
