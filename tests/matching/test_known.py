"""Hash lists: what is read, what is refused and how that is said."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hivescan.errors import KnownListError
from hivescan.matching.known import KnownList, check_known, read_known
from hivescan.matching.schema import KNOWN, LINEAGE_KEY, VERSION_KEY
from hivescan.matching.writing import write_known
from tests.matching.stores import Entry, list_of

PDQ = bytes(32)
MD5 = bytes(16)


def rewritten(path: Path, change: Callable[[pa.Table], pa.Table]) -> Path:
    """The list with its table changed, written by a program that knows no rules."""
    table = pq.read_table(path)
    changed = change(table)
    pq.write_table(changed, path)
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    entries = [
        Entry("a", "pdq", PDQ, {"quality": 80, "hash_set": "s", "match_type": "NCII"}),
        Entry("b", "pdq", PDQ, {"quality": 10}),
        Entry("c", "md5", MD5),
        Entry("d", "md5", MD5, {"deleted": True}),
        Entry("e", "pdq", PDQ, {"polarity": "benign"}),
        Entry("f", "pdna", bytes(144)),
    ]
    return list_of(tmp_path / "known.parquet", entries)


def test_a_list_says_what_it_holds(good: Path) -> None:
    with read_known(good) as known:
        info = known.info
    assert (info.rows, info.deleted, info.vetoing, info.low_quality) == (6, 1, 1, 1)
    assert (info.entries, info.unmatched) == ({"md5": 1, "pdq": 2}, {"pdna": 1})
    assert (info.hash_sets, info.match_types) == (("s",), ("NCII",))
    assert info.list_id == hashlib.sha256(good.read_bytes()).hexdigest()


def every_row(known: KnownList) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = known.rows(np.arange(known.row_count)).to_pylist()
    return rows


def test_tombstones_and_harmless_entries_are_told_from_those_that_match(good: Path) -> None:
    with read_known(good) as known:
        names = np.array([row["entry_id"] for row in every_row(known)])
        rows = np.arange(known.row_count)
        assert names[known.matches(rows)].tolist() == ["a", "b", "c", "f"]
        assert names[known.vetoes(rows)].tolist() == ["e"]
        assert names[known.deleted(rows)].tolist() == ["d"]


def test_an_open_list_is_not_changed_by_a_new_one_in_its_place(good: Path, tmp_path: Path) -> None:
    with read_known(good) as known:
        list_of(tmp_path / "other.parquet", [Entry("z", "pdq", PDQ)]).replace(good)
        assert [row["entry_id"] for row in every_row(known)] == ["a", "b", "c", "d", "e", "f"]


def test_optional_columns_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "plain.parquet"
    rows = [{"entry_id": "a", "algorithm": "pdq", "hash": PDQ, "polarity": "positive", "deleted": False}]
    pq.write_table(pa.Table.from_pylist(rows), path)
    with read_known(path) as known:
        (row,) = every_row(known)
    assert (row["entry_id"], row["quality"], row["parent_id"], row["tags"]) == ("a", None, None, None)


def test_columns_of_a_later_version_are_passed_over(good: Path) -> None:
    def more(table: pa.Table) -> pa.Table:
        return table.append_column("opinion", pa.array(["x"] * table.num_rows))

    with read_known(rewritten(good, more)) as known:
        assert set(every_row(known)[0]) == {*KNOWN.names} - {"hash"}


def test_an_empty_list_is_a_list(tmp_path: Path) -> None:
    with read_known(list_of(tmp_path / "none.parquet", [])) as known:
        assert (known.info.rows, every_row(known)) == (0, [])


@pytest.mark.parametrize(
    ("algorithm", "value", "more", "message"),
    [
        ("pdq", bytes(31), {}, r"a pdq hash is not 32 bytes long \(bytes, not hex\) \(row 2\)"),
        ("pdq", b"ab" * 32, {}, "a pdq hash is not 32 bytes"),
        ("md5", bytes(20), {}, "a md5 hash is not 16 bytes"),
        ("sha1", bytes(16), {}, "a sha1 hash is not 20 bytes"),
        ("sha256", bytes(16), {}, "a sha256 hash is not 32 bytes"),
        ("phash", bytes(32), {}, "a phash hash is not 8 bytes"),
        ("pdna", b"", {}, "hash is empty"),
        ("pdq", PDQ, {"polarity": "bad"}, "polarity is none of positive, seed"),
        ("pdq", PDQ, {"quality": 101}, "quality is not in 0 to 100"),
        ("pdq", PDQ, {"quality": -1}, "quality is not in 0 to 100"),
        ("pdq", PDQ, {"max_distance": 257}, "max_distance of a pdq entry is not in 0 to 256"),
        ("pdq", PDQ, {"max_distance": -1}, "max_distance of a pdq entry"),
        ("pdq", PDQ, {"scene_start_ms": 5, "scene_end_ms": 4}, "scene_end_ms lies before"),
        ("pdq", PDQ, {"scene_start_ms": -5}, "scene_start_ms is negative"),
    ],
)
def test_a_bad_row_is_refused_with_its_place(
    tmp_path: Path, algorithm: str, value: bytes, more: dict[str, object], message: str
) -> None:
    entries = [Entry("good", "pdq", PDQ), Entry("bad", algorithm, value, more)]
    path = list_of(tmp_path / "known.parquet", entries)
    with pytest.raises(KnownListError, match=message) as caught, read_known(path):
        pass
    assert str(path) in str(caught.value)
    assert value.hex() not in str(caught.value) or not value


def test_nulls_and_empty_ids_are_refused(good: Path) -> None:
    def without_ids(table: pa.Table) -> pa.Table:
        ids = pa.array([None, "", *["x"] * 4])
        return table.drop(["entry_id"]).append_column("entry_id", ids)

    _, problems = check_known(rewritten(good, without_ids))
    assert {(p.text, p.row) for p in problems} == {("entry_id is null", 1), ("entry_id is empty", 2)}


def test_check_names_every_kind_of_fault_and_counts_it(tmp_path: Path) -> None:
    entries = [
        Entry("a", "pdq", bytes(5)),
        Entry("b", "pdq", PDQ, {"quality": 300}),
        *(Entry(str(i), "pdq", bytes(6)) for i in range(3)),
    ]
    info, problems = check_known(list_of(tmp_path / "known.parquet", entries))
    assert info.rows == 5
    assert [str(p) for p in problems] == [
        "a pdq hash is not 32 bytes long (bytes, not hex) (row 1 and 3 more)",
        "quality is not in 0 to 100 (row 2)",
    ]


def test_a_missing_column_is_named(good: Path) -> None:
    rewritten(good, lambda table: table.drop(["polarity"]))
    with pytest.raises(KnownListError, match="the column 'polarity' is missing"), read_known(good):
        pass


def test_a_column_of_another_type_is_named(good: Path) -> None:
    def as_number(table: pa.Table) -> pa.Table:
        return table.drop(["hash"]).append_column("hash", pa.array([1.5] * table.num_rows))

    with pytest.raises(KnownListError, match="'hash' holds double"), read_known(rewritten(good, as_number)):
        pass


def test_a_newer_version_is_refused(good: Path) -> None:
    rewritten(good, lambda table: table.replace_schema_metadata({VERSION_KEY: b"2"}))
    with pytest.raises(KnownListError, match="newer hivescan"), read_known(good):
        pass


@pytest.mark.parametrize("content", [b"", b"id,hash\n1,2\n", b"PAR1" + bytes(100) + b"PAR1"])
def test_what_is_no_parquet_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "known.parquet"
    path.write_bytes(content)
    with pytest.raises(KnownListError, match="cannot be read as Parquet"), read_known(path):
        pass


def test_a_truncated_list_is_refused(good: Path) -> None:
    good.write_bytes(good.read_bytes()[:-20])
    with pytest.raises(KnownListError, match="cannot be read as Parquet"), read_known(good):
        pass


def test_a_missing_list_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(KnownListError, match="cannot be opened"), read_known(tmp_path / "none"):
        pass
    with pytest.raises(KnownListError, match="cannot be opened"), read_known(tmp_path):
        pass


def test_errors_of_who_reads_a_list_are_not_the_lists(good: Path) -> None:
    with pytest.raises(OSError, match="mine"), read_known(good):
        raise OSError("mine")


def row(entry_id: str) -> dict[str, object]:
    return {"entry_id": entry_id, "algorithm": "pdq", "hash": PDQ, "polarity": "positive", "deleted": False}


def test_a_written_list_is_private_and_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "known.parquet"
    with write_known(path, {"hashers": {"pdq": 1}}) as writer:
        for i in range(3):
            writer.add(row(str(i)))
    assert path.stat().st_mode & 0o777 == 0o600
    with read_known(path) as known:
        assert known.info.entries["pdq"] == 3
        assert known.info.made_with == {"hashers": {"pdq": 1}}


def test_a_list_that_fails_half_way_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "known.parquet"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), write_known(path, {}) as writer:
        writer.add(row("a"))
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["known.parquet"]


def test_a_list_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KnownListError, match="cannot be written"), write_known(tmp_path / "no" / "k", {}):
        pass


def test_a_list_is_named_through_its_versions_by_its_lineage(tmp_path: Path) -> None:
    def lineage(path: Path, **named: str) -> str:
        with write_known(path, {}, **named):
            pass
        return str(pq.read_schema(path).metadata[LINEAGE_KEY], "ascii")

    first, second = lineage(tmp_path / "a"), lineage(tmp_path / "b")
    assert first != second
    assert lineage(tmp_path / "a", lineage=first) == first


def test_rows_and_tables_are_written_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "known.parquet"

    def table(*names: str) -> pa.Table:
        return pa.Table.from_pylist([row(name) | {"hash_set": name} for name in names], schema=KNOWN)

    with write_known(path, {}) as writer:
        writer.add(row("a"))
        writer.add_table(table("b", "c"))
        writer.add(row("d"))
        writer.add_table(table("e"))
    assert pq.read_table(path).column("entry_id").to_pylist() == list("abcde")
    assert pq.read_table(path).column("hash_set").to_pylist() == [None, "b", "c", None, "e"]
