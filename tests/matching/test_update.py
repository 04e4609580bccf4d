"""Matching only what a list gained leaves the matches that matching everything would."""

from __future__ import annotations

import hashlib
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from hivescan.matching.match import match_store
from hivescan.matching.options import MatchOptions
from hivescan.matching.update import update_store
from hivescan.store.schema import TABLES
from hivescan.store.store import Store
from hivescan.store.writer import StoreWriter
from tests.matching.stores import Entry, Item, Sample, flipped, list_of, store_of
from tests.matching.test_retraction import version

GREY = bytes(range(32))
OTHER = bytes(255 - b for b in range(32))
SAID = "SELECT content_id, entry_id, algorithm, distance, max_distance, polarity FROM matches ORDER BY ALL"


def at(minutes: int) -> dict[str, object]:
    return {"updated_at": datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)}


def said(store: Store) -> list[dict[str, object]]:
    return list(store.sql(SAID).to_pylist())


def test_only_what_is_new_is_compared(tmp_path: Path) -> None:
    items = [Item(f"/{i}", [Sample(flipped(GREY, i))]) for i in range(4)]
    store = store_of(tmp_path / "store", [*items, Item("/other", [Sample(OTHER)])])
    known = tmp_path / "known.parquet"
    first = update_store(store, version(known, [Entry("e", "pdq", GREY, at(0))]))
    assert (first.since, first.matches.added) == (None, 4)
    again = update_store(store, known)
    assert (again.entries, again.contents, again.matches.added) == (0, 0, 0)
    assert again.since is not None
    more = update_store(
        store, version(known, [Entry("e", "pdq", GREY, at(0)), Entry("f", "pdq", OTHER, at(1))])
    )
    assert (more.entries, more.contents, more.matches.added) == (1, 0, 1)
    # What was compared: the four that match already, and the one that the new entry meets.
    assert more.matches.compared == {"pdq": 5}
    store_of(tmp_path / "store", [Item("/later", [Sample(GREY)])])
    came = update_store(store, known)
    assert (came.entries, came.contents, came.matches.added) == (0, 1, 1)


def test_an_update_counts_as_a_whole_comparison_in_reports(tmp_path: Path) -> None:
    from hivescan.report.report import report

    store = store_of(tmp_path / "store", [Item("/a", [Sample(GREY)])])
    known = version(tmp_path / "known.parquet", [Entry("e", "pdq", OTHER, at(0))])
    update_store(store, known)
    update_store(
        store, version(known, [Entry("e", "pdq", OTHER, at(0)), Entry("f", "md5", bytes(16), at(1))])
    )
    (listed,) = report(store).coverage.lists
    assert (listed.complete, listed.selective, listed.later, listed.entries) == (True, False, 0, 2)


def test_any_history_of_updates_leaves_what_a_fresh_store_would_have(tmp_path: Path) -> None:
    rng = random.Random(5)
    centres = [rng.randbytes(32) for _ in range(4)]
    items: list[Item] = []
    entries: list[Entry] = []
    known = tmp_path / "known.parquet"
    for step in range(5):
        more = [
            Item(f"/{step}-{i}", [Sample(flipped(rng.choice(centres), rng.randrange(12)))])
            for i in range(rng.randrange(5))
        ]
        items += more
        store = store_of(tmp_path / "store", more)
        for i in rng.sample(range(len(entries)), min(3, len(entries))):
            changed = {
                "deleted": rng.random() < 0.3,
                "polarity": rng.choice(["positive", "positive", "benign", "negative"]),
                "max_distance": rng.choice([None, 8]),
            }
            entries[i] = Entry(entries[i].entry_id, entries[i].algorithm, entries[i].hash, changed | at(step))
        new = [
            Entry(f"e{step}-{i}", "pdq", flipped(rng.choice(centres), rng.randrange(12)), at(step))
            for i in range(3)
        ]
        new += [
            Entry(f"m{step}-{i}", "md5", hashlib.md5(item.bytes).digest(), {"polarity": polarity} | at(step))
            for i, (item, polarity) in enumerate(
                (rng.choice(items), rng.choice(["positive", "benign"])) for _ in range(2) if items
            )
        ]
        entries += new
        update_store(store, version(known, entries))
        fresh = store_of(tmp_path / f"fresh-{step}", items)
        match_store(fresh, [known])
        assert said(store) == said(fresh)


def test_a_veto_that_goes_lets_its_matches_through(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", [Item("/a", [Sample(flipped(GREY, 9))])])
    known, other = tmp_path / "known.parquet", tmp_path / "fine.parquet"
    bad = Entry("bad", "pdq", GREY, at(0))
    options = MatchOptions(vetoing=[version(other, [Entry("fine", "pdq", GREY, at(0))], "other")])
    own = Entry("own", "pdq", GREY, {"polarity": "benign", "max_distance": 20} | at(0))
    assert update_store(store, version(known, [bad, own])).matches.added == 0
    smaller = Entry("own", "pdq", GREY, {"polarity": "benign", "max_distance": 5} | at(1))
    assert update_store(store, version(known, [bad, smaller])).matches.added == 1
    version(other, [Entry("fine", "pdq", GREY, {"polarity": "benign"} | at(1))], "other")
    assert update_store(store, known, options).matches.retracted == 1
    version(other, [Entry("fine", "pdq", GREY, {"polarity": "benign", "deleted": True} | at(2))], "other")
    assert update_store(store, known, options).matches.added == 1


def test_a_list_without_a_lineage_is_another_list_after_each_change(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", [Item("/a", [Sample(GREY)])])
    known = tmp_path / "known.parquet"
    update_store(store, list_of(known, [Entry("e", "pdq", GREY, at(0))]))
    other = update_store(store, list_of(known, [Entry("f", "pdq", GREY, at(1))]))
    assert (other.since, other.matches.added) == (None, 1)


def test_what_a_scan_under_way_commits_later_is_not_missed(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    store = store_of(tmp_path / "store", [Item("/a", [Sample(OTHER)])], at=now - timedelta(days=3))
    known = version(tmp_path / "known.parquet", [Entry("e", "pdq", GREY, at(0))])
    update_store(store, known)
    # Seen before the update, committed after it.
    store_of(tmp_path / "store", [Item("/b", [Sample(GREY)])], at=now - timedelta(minutes=2))
    assert update_store(store, known).matches.added == 0
    (run_id,) = {row["run_id"] for row in store.sql("SELECT run_id FROM files WHERE uri = '/b'").to_pylist()}
    row = {
        "run_id": run_id,
        "command": "scan",
        "status": "done",
        "started_at": now - timedelta(minutes=9),
        "recorded_at": datetime.now(UTC) + timedelta(minutes=1),
        "ended_at": datetime.now(UTC) + timedelta(minutes=1),
    }
    writer = StoreWriter(store, str(run_id))
    writer.add("runs", pa.Table.from_pylist([row], schema=TABLES["runs"]))
    writer.commit()
    came = update_store(store, known)
    assert (came.contents, came.matches.added) == (1, 1)


def test_a_list_that_gained_very_much_is_matched_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hivescan.matching.update.MOST_GAINED", 1)
    store = store_of(tmp_path / "store", [Item("/a", [Sample(GREY)]), Item("/b", [Sample(OTHER)])])
    known = tmp_path / "known.parquet"
    first = [Entry("e", "pdq", flipped(GREY, 200), at(0))]
    update_store(store, version(known, first))
    gained = [Entry("f", "pdq", GREY, at(1)), Entry("g", "pdq", flipped(GREY, 3), at(1))]
    more = update_store(store, version(known, first + gained))
    assert (more.since is None, more.entries, more.contents) == (False, 2, 0)
    assert (more.matches.added, more.matches.contents) == (2, 2)
